# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What tells engines apart, and the names of their files."""

import hashlib
import json
import re
from types import SimpleNamespace

import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.inference.trt import key as engine_keys
from segformer_ros.inference.trt.key import BuilderSettings
from segformer_ros.inference.trt.key import engine_key
from segformer_ros.model.optimize import mixed_precision
from segformer_ros.model.quantize import placement
from segformer_ros.model.spec import TensorSpec

INPUTS = [TensorSpec('pixel_values', 'float32', (1, 3, 64, 64))]
API = SimpleNamespace(name='tensorrt', version='10.3.0', strongly_typed=True)
GPU = SimpleNamespace(name='NVIDIA Orin', compute_capability=(8, 7), multiprocessors=16,
                      driver_version=12060, driver_release='540.4.0')
SETTINGS = engine_keys.DEFAULT_BUILDER


def changed(namespace, **values):
    return SimpleNamespace(**dict(vars(namespace), **values))


def made(sha256='ab' * 32, inputs=INPUTS, api=API, gpu=GPU, precision='fp16+fp32',
         settings=engine_keys.DEFAULT_BUILDER):
    return engine_key(sha256, inputs, api, gpu, precision, settings)


def test_a_key_says_what_the_engine_was_made_of():
    found = made(settings=BuilderSettings(512, 3, True)).to_json()
    route = found.pop('route')
    assert route and route != 'as the file'
    assert found == {
        'model_sha256': 'ab' * 32, 'tensors': [str(INPUTS[0])], 'tensorrt_module': 'tensorrt',
        'tensorrt_version': '10.3.0', 'gpu_name': 'NVIDIA Orin', 'compute_capability': [8, 7],
        'multiprocessors': 16, 'driver_version': 12060, 'driver_release': '540.4.0',
        'precision': 'fp16+fp32', 'tf32': True, 'workspace_mib': 512, 'optimization_level': 3}
    assert 'float32[1, 3, 64, 64]' in found['tensors'][0]


def test_every_difference_makes_another_digest():
    keys = [
        made(), made('cd' * 32), made(inputs=INPUTS * 2),
        made(inputs=[INPUTS[0]._replace(shape=(1, 3, 64, 32))]),
        made(api=changed(API, name='tensorrt_rtx')), made(api=changed(API, version='10.3.1')),
        made(api=changed(API, strongly_typed=False)), made(precision='fp32'),
        made(gpu=changed(GPU, name='NVIDIA Orin Nano')),
        made(gpu=changed(GPU, compute_capability=(8, 6))),
        made(gpu=changed(GPU, multiprocessors=8)),
        made(gpu=changed(GPU, driver_version=12050)),
        made(gpu=changed(GPU, driver_release='535')),
        made(settings=BuilderSettings(workspace_mib=1)),
        made(settings=BuilderSettings(optimization_level=0)),
        made(settings=BuilderSettings(tf32=True))]
    digests = {key.digest() for key in keys}
    assert len(digests) == len(keys)
    assert all(re.fullmatch('[0-9a-f]{64}', digest) for digest in digests)
    assert made().digest() == made().digest()


def test_an_engine_built_without_a_wish_is_the_one_that_a_node_without_a_wish_looks_for():
    # The node's parameter says 0 then, which chooses by free memory.
    assert made().digest() == made(settings=BuilderSettings(workspace_mib=0)).digest()
    assert made().to_json()['workspace_mib'] == 0


def test_a_digest_is_that_of_the_json_in_a_fixed_order():
    # The name of an engine that is kept on a robot must not change by itself.
    text = json.dumps(made().to_json(), sort_keys=True, separators=(',', ':'))
    assert text.startswith('{"compute_capability":[8,7],"driver_release":"540.4.0",')
    assert made().digest() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize('name, safe', [
    ('b0', 'b0'), ('Seg-Former_b0', 'Seg-Former_b0'), ('../b0 (ADE)', '_b0_ADE_'),
    ('a' * 64, 'a' * 64), ('a' * 65, 'a' * 64), ('', '')])
def test_a_file_name_holds_64_safe_letters_the_precision_and_64_bits(name, safe):
    found = engine_keys.entry_name(name, made())
    assert found == f'{safe}-fp16_fp32-{made().digest()[:16]}'


def test_what_was_measured_is_kept_apart_by_tensorrt_and_gpu():
    assert engine_keys.timing_cache_name('10.3.0', 'NVIDIA Orin (nvgpu)/x') == \
        'timing-10.3.0_NVIDIA_Orin_nvgpu_x.cache'


@pytest.mark.parametrize('wish, precisions', [
    ('fp16', ('fp16+fp32', 'fp32')), ('fp32', ('fp32',)),
    ('int8', ('int8+fp16+fp32', 'fp16+fp32', 'fp32')), ('int4', None), ('', None)])
def test_each_precision_has_a_safer_one_to_fall_back_to(wish, precisions):
    if precisions is not None:
        assert engine_keys.wanted_precisions(wish) == precisions
    else:
        with pytest.raises(ConfigurationError, match='Unknown precision'):
            engine_keys.wanted_precisions(wish)


def test_engines_made_in_another_way_have_another_route():
    routes = [made(api=changed(API, strongly_typed=typed), precision=precision).route
              for typed in (True, False) for precision in ('fp16+fp32', 'fp32')]
    # From TensorRT 10 on the file says each layer's precision; before, layers are pinned.
    assert routes == [mixed_precision.REVISION, 'as the file', 'pinned-layers-1', 'as the file']


def test_engine_of_integers_is_another_one_with_another_calibration():
    keys = [made(), engine_key('ab' * 32, INPUTS, API, GPU, 'int8+fp16+fp32', SETTINGS, '12' * 32),
            engine_key('ab' * 32, INPUTS, API, GPU, 'int8+fp16+fp32', SETTINGS, '34' * 32),
            engine_key('ab' * 32, INPUTS, changed(API, strongly_typed=False), GPU,
                       'int8+fp16+fp32', SETTINGS, '34' * 32)]
    assert len({key.digest() for key in keys}) == 4
    assert '12' * 32 in keys[1].route and '34' * 32 not in keys[1].route
    assert placement.REVISION in keys[1].route
    assert keys[3].route.endswith('pinned-layers-1')
    # A calibration says nothing about the engines beside it.
    assert made().digest() == engine_key(
        'ab' * 32, INPUTS, API, GPU, 'fp16+fp32', SETTINGS, '12' * 32).digest()
    assert engine_keys.entry_name('b0', keys[1]).startswith('b0-int8_fp16_fp32-')
