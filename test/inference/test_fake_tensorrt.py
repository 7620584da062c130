# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The stand-in for TensorRT has what a version has, so that a call it lacks fails a test."""

import importlib
import inspect

import pytest

from support.fake_tensorrt import RECORDED
from support.fake_tensorrt import VERSIONS


@pytest.mark.parametrize('version', VERSIONS)
def test_classes_have_nothing_that_was_not_recorded(fake_tensorrt, version):
    module = importlib.import_module(fake_tensorrt(version))
    checked = 0
    for name, text in RECORDED[version].items():
        for attribute in dir(getattr(module, name)):
            if not attribute.startswith('_'):
                assert attribute in text.split(), (name, attribute)
                checked += 1
    assert checked > 100
    assert module.__version__ == version


def test_no_method_takes_any_number_of_arguments(fake_tensorrt):
    module = importlib.import_module(fake_tensorrt('8.6.1'))
    methods = [value for name in RECORDED['8.6.1']
               for value in vars(getattr(module, name)).values() if inspect.isfunction(value)]
    assert len(methods) > 20
    for method in methods:
        code = method.__code__
        assert not code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS), code.co_name


@pytest.mark.parametrize('version, kind, attribute', [
    ('8.2.1', 'IBuilderConfig', 'set_memory_pool_limit'),
    ('8.4.1', 'ICudaEngine', 'num_io_tensors'), ('8.5.1', 'IBuilderConfig', 'progress_monitor'),
    ('10.3.0', 'IBuilderConfig', 'max_workspace_size'),
    ('10.3.0', 'ICudaEngine', 'num_bindings'),
    ('10.3.0', 'IExecutionContext', 'execute_async_v2'),
    ('11.4.0.106', 'ILayer', 'precision'), ('11.4.0.106', 'BuilderFlag', 'FP16'),
    ('11.4.0.106', 'ICudaEngine', 'device_memory_size'),
    ('11.4.0.106', 'NetworkDefinitionCreationFlag', 'EXPLICIT_BATCH')])
def test_what_a_version_lacks_is_missing(fake_tensorrt, version, kind, attribute):
    module = importlib.import_module(fake_tensorrt(version))
    assert not hasattr(getattr(module, kind), attribute)
    if kind == 'IBuilderConfig':
        with pytest.raises(AttributeError, match=attribute):
            setattr(module.IBuilderConfig(), attribute, 1)
