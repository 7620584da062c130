# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Engines with 8-bit integers: what they need, what they are checked for, what comes in place."""

import numpy as np
import pytest
from segformer_ros.common import errors
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.trt.calibration import open_calibrations
from segformer_ros.model.quantize import placement
from segformer_ros.model.quantize.ranges import observe

pytest.importorskip('onnx')

PASSED = SelfCheck(True, '', True, 0.9951, 0.97, 12, 8, 5)
FAILED = SelfCheck(False, 'agreement 0.9000 (minimum 0.99)', True, 0.9, 0.5, 12, 8, 5)
MISSING = r'Model has no INT8 calibration: got tiny at 64 x 64; .*calibrate_int8 BAG_OR_FOLDER'


def is_idle(selector):
    """Return whether nothing is being prepared or built."""
    return selector.status.job is None and not selector.status.preparing


@pytest.fixture
def orin(robot, nano, tmp_path, monkeypatch):
    """Return a robot whose GPU has 8-bit arithmetic, and an empty cache of the user."""
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'user'))
    robot.gpu = nano._replace(name='NVIDIA Orin', compute_capability=(8, 7))
    return robot


@pytest.fixture
def calibrate(tiny_model, frames, monkeypatch):
    """
    Return a function that stores a calibration of the tiny model.

    Two layers are quantized, which change no label of the frames: with random weights, all of
    them would cost three labels of a hundred.
    """
    model = placement.read_model(tiny_model)
    sites = placement.find_sites(model)
    ranges = observe(model, placement.activations(sites), frames)
    with monkeypatch.context() as patched:
        patched.setattr(placement, 'find_sites', lambda _: sites[20:22])
        quantized = placement.quantized(
            model, {name: seen.largest for name, seen in ranges.items()})

    def store(check=PASSED, extra=b''):
        # An unknown field at the end: other bytes, the same network.
        return open_calibrations().store(
            'tiny', tiny_model, quantized.SerializeToString() + extra, check, {})

    return store


@pytest.mark.parametrize('version', ['8.6.1', '10.3.0'])
def test_calibrated_network_is_served_with_its_figures(orin, calibrate, version):
    stored = calibrate()
    selector = orin.selector(version, precision='int8')
    backend = orin.drive(selector, selector.open(), is_idle)
    status = selector.status
    assert (backend.info.name, backend.info.precision) == ('tensorrt', 'int8+fp16+fp32')
    assert status.level == errors.OK and status.check.passed
    assert status.engine.startswith('tiny-int8_fp16_fp32-')
    assert f'calibration {stored.sha256[:12]}: agreement 0.9951' in status.why


def test_new_calibration_is_another_engine_and_the_same_one_is_not_built_again(orin, calibrate):
    engines = []
    for extra in (b'', b'', b'\xa2\x06\x01x'):
        calibrate(extra=extra)
        selector = orin.selector(precision='int8')
        backend = selector.open()
        built = backend.info.name != 'tensorrt'
        orin.drive(selector, backend, is_idle)
        engines.append((selector.status.engine, built))
        selector.close()
    assert [built for _, built in engines] == [True, False, True]
    assert engines[0][0] == engines[1][0] != engines[2][0]


def test_engine_with_wrong_masks_gives_way_to_fp16_and_is_told(orin, calibrate, caplog):
    calibrate()
    selector = orin.selector(precision='int8', faults='wrong_int8')
    backend = orin.drive(selector, selector.open(), is_idle)
    assert (backend.info.name, backend.info.precision) == ('tensorrt', 'fp16+fp32')
    assert selector.status.level == errors.WARN
    for text in (selector.status.why, caplog.text):
        assert 'no int8+fp16+fp32 engine: agreement 0.' in text


def test_engines_of_less_than_32_bits_that_are_all_wrong_give_way_in_order(
        orin, calibrate, caplog):
    calibrate()
    selector = orin.selector(precision='int8', faults='wrong_int8 wrong_mixed')
    backend = orin.drive(selector, selector.open(), is_idle)
    assert (backend.info.name, backend.info.precision) == ('tensorrt', 'fp32')
    told = [record.message for record in caplog.records if ' engine: ' in record.message]
    names = [text.split(' engine')[0] for text in told]
    assert list(dict.fromkeys(names)) == ['no int8+fp16+fp32', 'no fp16+fp32']
    assert names == sorted(names, reverse=True)


@pytest.mark.parametrize('backend', ['auto', 'tensorrt'])
def test_calibration_that_failed_its_check_is_never_built(orin, calibrate, backend):
    calibrate(FAILED)
    selector = orin.selector(precision='int8', backend=backend)
    served = orin.drive(selector, selector.open(), is_idle)
    assert served.info.precision == 'fp16+fp32'
    assert selector.status.level == errors.WARN
    assert 'no int8+fp16+fp32 engine: its calibration fails the check: agreement 0.9000' in \
        selector.status.why


def test_without_a_calibration_auto_takes_fp16_and_tells_the_command(orin):
    selector = orin.selector(precision='int8')
    backend = orin.drive(selector, selector.open(), is_idle)
    assert backend.info.precision == 'fp16+fp32'
    assert selector.status.level == errors.WARN
    assert 'calibrate_int8 BAG_OR_FOLDER' in selector.status.why


def test_without_a_calibration_tensorrt_with_int8_is_refused(orin):
    with pytest.raises(errors.ModelError, match=MISSING):
        orin.selector(precision='int8', backend='tensorrt').open()


def test_maxwell_is_refused_and_auto_goes_on_without(orin, nano, calibrate):
    calibrate()
    orin.gpu = nano
    with pytest.raises(errors.BackendError, match=r'no INT8: .*compute capability 5\.3'):
        orin.selector(precision='int8', backend='tensorrt').open()
    selector = orin.selector(precision='int8')
    backend = orin.drive(selector, selector.open(), is_idle)
    assert backend.info.precision == 'fp16+fp32'
    assert 'Maxwell' in selector.status.why


def test_other_precisions_need_no_calibration_and_look_for_none(orin, monkeypatch):
    monkeypatch.setattr('segformer_ros.inference.trt.calibration.open_calibrations', None)
    selector = orin.selector(precision='fp16')
    backend = orin.drive(selector, selector.open(), is_idle)
    assert backend.info.precision == 'fp16+fp32'
    assert np.isin(selector.status.level, [errors.OK])
