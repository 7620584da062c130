# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""TensorRT is found to be what it is, and refused by name where it is too old."""

import sys
import types

import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.api import version_key
from support.fake_tensorrt import VERSIONS


@pytest.mark.parametrize('version', VERSIONS)
def test_features_are_those_of_the_version(fake_tensorrt, version):
    api = load_tensorrt(fake_tensorrt(version))
    assert api.version == version
    assert api.strongly_typed == (version_key(version) >= (10,))
    assert api.named_tensors == (version_key(version) >= (8, 5))
    names = set(api.dtypes().values())
    assert {'float32', 'float16', 'int32', 'int8', 'bool'} <= names
    assert ('uint8' in names) == (version_key(version) >= (8, 5))
    assert ('int64' in names) == (version_key(version) >= (10,))


def old_module(version):
    """Return what TensorRT looked like before 8.2."""
    module = types.ModuleType('old_tensorrt')
    module.__version__ = version
    module.BuilderFlag = type('BuilderFlag', (), {'FP16': 0, 'STRICT_TYPES': 3})
    module.NetworkDefinitionCreationFlag = type('Flags', (), {'EXPLICIT_BATCH': 0})
    module.ICudaEngine = type('ICudaEngine', (), {})
    return module


def test_jetpack_4_6_0_is_refused_by_name_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, 'old_tensorrt', old_module('8.0.1.6'))
    with pytest.raises(BackendError) as caught:
        load_tensorrt('old_tensorrt')
    text = str(caught.value)
    for part in ('8.0.1.6', 'JetPack 4.6.0 is not supported', '8.2', 'dist-upgrade',
                 'JetPack 4.6.1'):
        assert part in text


def test_other_old_versions_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, 'old_tensorrt', old_module('7.1.3'))
    with pytest.raises(BackendError, match=r'not supported: got 7.1.3; expected 8.2'):
        load_tensorrt('old_tensorrt')


def test_missing_module_names_where_it_comes_from():
    with pytest.raises(BackendError, match=r'no_tensorrt cannot be imported.*JetPack'):
        load_tensorrt('no_tensorrt')


def test_library_that_does_not_load_is_no_crash(monkeypatch, tmp_path):
    (tmp_path / 'broken_tensorrt.py').write_text(
        "raise OSError('libnvdla_compiler.so: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BackendError, match='libnvdla_compiler.so'):
        load_tensorrt('broken_tensorrt')


def test_versions_compare_by_number():
    assert version_key('10.3.0.26') > version_key('8.6.2') > version_key('8.6')
    assert version_key('unknown') == ()
