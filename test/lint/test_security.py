# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Nothing in the package runs what it reads: no pickle, no eval, no shell, no unsafe YAML."""

import ast
import os

import pytest

MODULES = {'pickle', 'cPickle', '_pickle', 'dill', 'marshal', 'shelve', 'tarfile', 'zipfile',
           'imp', 'commands', 'telnetlib', 'ftplib', 'xmlrpc'}
NAMES = {'eval', 'exec', 'compile', '__import__', 'execfile'}
CALLS = {'os.system', 'os.popen', 'os.spawnl', 'os.execl', 'os.execlp', 'os.tempnam',
         'tempfile.mktemp', 'subprocess.getoutput', 'subprocess.getstatusoutput', 'yaml.load',
         'yaml.load_all', 'yaml.unsafe_load', 'yaml.full_load', 'torch.load'}
UNSAFE_LOADERS = {'yaml.Loader', 'yaml.UnsafeLoader', 'yaml.FullLoader', 'yaml.CLoader'}


def dotted(node):
    """Return ``a.b.c`` of an expression, empty where it is no such name."""
    if isinstance(node, ast.Attribute):
        parent = dotted(node.value)
        return parent and f'{parent}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def weaknesses(text):
    """Return ``(line, what)`` of everything that may not stand in the package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names
                      if alias.name.split('.')[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module.split('.')[0] in MODULES:
                found.append((node.lineno, node.module))
            found += [(node.lineno, f'{node.module}.{alias.name}')
                      for alias in node.names
                      if f'{node.module}.{alias.name}' in CALLS | UNSAFE_LOADERS]
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in NAMES or name in CALLS:
                found.append((node.lineno, name))
            for keyword in node.keywords:
                value = getattr(keyword.value, 'value', None)
                if keyword.arg in ('shell', 'allow_pickle') and value is not False:
                    found.append((node.lineno, f'{keyword.arg}='))
            if name.split('.')[-1] == 'load' and name.split('.')[0] in ('np', 'numpy') and not any(
                    keyword.arg == 'allow_pickle' for keyword in node.keywords):
                found.append((node.lineno, 'numpy.load without allow_pickle=False'))
        elif isinstance(node, ast.Attribute) and dotted(node) in UNSAFE_LOADERS:
            found.append((node.lineno, dotted(node)))
    return found


def test_package_has_no_weakness(project_root):
    found, seen = [], 0
    for folder in ('segformer_ros', 'launch'):
        for parent, _, names in os.walk(os.path.join(project_root, folder)):
            for name in names:
                if name.endswith('.py'):
                    seen += 1
                    path = os.path.join(parent, name)
                    with open(path, encoding='utf-8') as stream:
                        found += [(os.path.relpath(path, project_root),) + each
                                  for each in weaknesses(stream.read())]
    assert seen > 100
    assert found == []


@pytest.mark.parametrize('text', [
    'import pickle', 'from pickle import loads', 'eval("1")', 'import os\nos.system("x")',
    'import subprocess\nsubprocess.run("x", shell=True)', 'import yaml\nyaml.load(x)',
    'from yaml import unsafe_load', 'import yaml\nclass A(yaml.Loader): pass',
    'import numpy as np\nnp.load("x")', 'np.load("x", allow_pickle=True)',
    'import tempfile\ntempfile.mktemp()', 'import tarfile', 'shell = 1\nrun(x, shell=shell)'])
def test_weaknesses_would_be_seen(text):
    assert weaknesses(text)


@pytest.mark.parametrize('text', [
    'import yaml\nyaml.safe_load(x)', 'import numpy as np\nnp.load("x", allow_pickle=False)',
    'import re\nre.compile("x")', 'subprocess.run(["x"], shell=False)'])
def test_good_code_is_left_alone(text):
    assert weaknesses(text) == []
