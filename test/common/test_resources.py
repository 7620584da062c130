# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Shipped files are found wherever the package was put."""

import os
import shutil
import subprocess
import sys

import pytest

from segformer_ros.common import resources
from segformer_ros.common.errors import ConfigurationError

PROBE = 'from segformer_ros.common import resources; print(resources.find("config/probe.yaml"))'


def package_files(target):
    source = os.path.dirname(os.path.dirname(resources.__file__))
    os.makedirs(os.path.join(target, 'common'))
    for name in ('__init__.py', 'common/__init__.py', 'common/errors.py', 'common/resources.py',
                 'common/text.py'):
        shutil.copy(os.path.join(source, name), os.path.join(target, os.path.dirname(name)))


def found_from(python_path):
    done = subprocess.run([sys.executable, '-c', PROBE], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True, cwd=python_path,
                          env=dict(os.environ, PYTHONPATH=python_path))
    return os.path.realpath(done.stdout.strip())


@pytest.mark.smoke
def test_checkout_wins(project_root):
    if not os.path.isfile(
            os.path.join(os.path.dirname(resources.__file__), '..', '..', 'package.xml')):
        pytest.skip('the package under test is an installed one')
    assert resources.find('config') == os.path.join(os.path.realpath(project_root), 'config')


@pytest.mark.parametrize('site', ['lib/python3.8/site-packages', 'lib/python3/dist-packages', ''])
def test_installed_package_finds_share_of_its_prefix(tmp_path, site):
    prefix = str(tmp_path / 'prefix')
    packages = os.path.join(prefix, *site.split('/'))
    package_files(os.path.join(packages, 'segformer_ros'))
    config = os.path.join(prefix, 'share', 'segformer_ros', 'config')
    os.makedirs(config)
    open(os.path.join(config, 'probe.yaml'), 'w').close()
    assert found_from(packages) == os.path.realpath(os.path.join(config, 'probe.yaml'))


def test_symlinked_package_finds_its_checkout(tmp_path):
    checkout = str(tmp_path / 'checkout')
    package_files(os.path.join(checkout, 'segformer_ros'))
    os.makedirs(os.path.join(checkout, 'config'))
    for name in ('package.xml', 'config/probe.yaml'):
        open(os.path.join(checkout, name), 'w').close()
    build = str(tmp_path / 'build')
    os.makedirs(build)
    os.symlink(os.path.join(checkout, 'segformer_ros'), os.path.join(build, 'segformer_ros'))
    assert found_from(build) == os.path.realpath(os.path.join(checkout, 'config', 'probe.yaml'))


def test_missing_file_names_the_places_that_were_searched():
    with pytest.raises(ConfigurationError, match=r'got config/none\.yaml; expected it below'):
        resources.find('config/none.yaml')
