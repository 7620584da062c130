# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The selector serves at once, swaps to a checked engine, and says why it does not."""

import math
import os
import shutil
import time

import pytest
from segformer_ros.common import errors
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.base.frames import convert_frame
from segformer_ros.inference.base.frames import LIVE_FRAMES
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.inference.onnxrt.providers import named_plans
from segformer_ros.inference.selection import engine_manager
from segformer_ros.inference.selection import selector as selection_module
from segformer_ros.inference.selection.selector import BackendSelector
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.model.optimize import optimize as graph
from segformer_ros.model.optimize import target as graph_target

PATIENCE_S = 120.0


def is_idle(selector):
    """Return whether nothing is being prepared or built."""
    return selector.status.job is None and not selector.status.preparing


@pytest.fixture(scope='module')
def reference(tiny_model, frames):
    """Return the float32 network's masks."""
    with OnnxruntimeBackend(tiny_model) as network:
        return [network.infer(frame)['logits'].argmax(axis=1).copy() for frame in frames]


@pytest.mark.once
@pytest.mark.parametrize('version', [
    pytest.param('8.2.1', marks=pytest.mark.real_process), '8.6.1'])
def test_serves_at_once_and_swaps_without_losing_a_frame(robot, reference, fake_cuda, version):
    selector = robot.selector(version)
    backend = selector.open()
    assert backend.info.name == 'onnxruntime'
    assert selector.status.level == errors.OK
    assert selector.status.job.precision == 'fp16+fp32'
    backend = robot.drive(selector, backend, is_idle)
    assert backend.info.name == 'tensorrt'
    assert backend.info.precision == 'fp16+fp32'
    status = selector.status
    assert (status.backend, status.precision, status.level) == ('tensorrt', 'fp16+fp32', errors.OK)
    assert status.check.passed
    assert 0 < status.check.live_frames <= LIVE_FRAMES
    assert status.check.bundled_frames == 3
    assert status.engine.startswith('tiny-fp16_fp32-')
    assert status.engine in status.why
    robot.drive(selector, backend, lambda _: len(robot.masks) > 30)
    for number, mask in robot.masks:
        assert (mask == reference[number]).mean() >= 0.99
    selector.close()
    assert fake_cuda.is_clean()


def test_next_start_serves_with_the_cached_engine_at_once(robot):
    first = robot.selector()
    robot.drive(first, first.open(), is_idle)
    first.close()
    again = robot.selector()
    assert again.open().info.name == 'tensorrt'
    assert is_idle(again)
    assert again.status.check.passed
    assert again.status.level == errors.OK


def test_new_tensorrt_builds_its_own_engine(robot):
    first = robot.selector('8.5.1')
    robot.drive(first, first.open(), is_idle)
    first.close()
    upgraded = robot.selector('8.6.1')
    assert upgraded.open().info.name == 'onnxruntime'
    backend = robot.drive(upgraded, upgraded.open(), is_idle)
    assert backend.info.version == '8.6.1'


def test_mixed_engine_with_wrong_masks_gives_way_to_fp32(robot):
    selector = robot.selector(faults='wrong_mixed')
    backend = robot.drive(selector, selector.open(), is_idle)
    assert (backend.info.name, backend.info.precision) == ('tensorrt', 'fp32')
    status = selector.status
    assert status.level == errors.WARN
    assert 'agreement 0.' in status.why and 'fp16+fp32' in status.why
    assert status.check.passed
    selector.close()
    # The next start knows: no second build of the mixed engine, and still a warning.
    again = robot.selector(faults='wrong_mixed')
    assert again.open().info.precision == 'fp32'
    assert is_idle(again)
    assert again.status.level == errors.WARN
    assert 'agreement 0.' in again.status.why


@pytest.mark.parametrize('backend, level', [('auto', errors.WARN), ('tensorrt', errors.ERROR)])
def test_wrong_engines_leave_onnxruntime_with_the_figures(robot, backend, level):
    selector = robot.selector(faults='wrong', backend=backend)
    serving = robot.drive(selector, selector.open(), is_idle)
    assert serving.info.name == 'onnxruntime'
    status = selector.status
    assert status.level == level
    assert not status.check.passed
    assert 'no fp32 engine' in status.why and 'no fp16+fp32 engine' in status.why
    assert 'minimum 0.99' in status.why


@pytest.mark.once
@pytest.mark.real_process
def test_crash_of_the_builder_does_not_touch_the_node(robot):
    selector = robot.selector(faults='build_kill', precision='fp32')
    serving = robot.drive(selector, selector.open(), is_idle)
    assert serving.info.name == 'onnxruntime'
    assert 'SIGKILL' in selector.status.why
    assert selector.status.level == errors.WARN


def test_engine_that_killed_the_process_is_tried_elsewhere_first(robot):
    first = robot.selector()
    robot.drive(first, first.open(), is_idle)
    name = first.status.engine
    first.close()
    # As a process leaves the record that dies while it loads the engine.
    cache = open_cache(robot.cache_root)
    record = next(entry for entry in cache.records() if entry.name == name)
    cache.begin_load(record)
    again = robot.selector()
    assert again.open().info.name == 'onnxruntime'
    backend = robot.drive(again, again.open(), is_idle)
    assert backend.info.name == 'tensorrt'
    again.close()
    for _ in range(3):
        record = cache.begin_load(record)
    third = robot.selector()
    third.open()
    assert 'has ended the process 3 times' in third.status.why
    assert third.status.engine is None


def test_plan_that_was_changed_is_never_loaded_and_built_again(robot):
    first = robot.selector()
    robot.drive(first, first.open(), is_idle)
    name = first.status.engine
    first.close()
    path = os.path.join(robot.cache_root, 'engines', name + '.plan')
    with open(path, 'r+b') as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b'x')
    again = robot.selector()
    backend = again.open()
    assert backend.info.name == 'onnxruntime'
    assert 'damaged or was changed' in again.status.why
    assert robot.drive(again, backend, is_idle).info.name == 'tensorrt'


@pytest.mark.parametrize('hardware, why', [
    (False, 'no NVIDIA GPU; onnxruntime: '),
    (True, 'No CUDA driver. Use backend: onnxruntime.; ')])
def test_auto_without_gpu_is_onnxruntime_and_no_warning(robot, monkeypatch, hardware, why):
    # Drivers are of interest only where there is something to drive.
    monkeypatch.setattr(engine_manager, 'has_nvidia_hardware', lambda: hardware)
    selector = robot.selector(gpu=False)
    assert selector.open().info.name == 'onnxruntime'
    assert is_idle(selector)
    status = selector.status
    assert status.level == errors.OK
    assert status.why.startswith(why)
    assert selector.poll() is None


def test_tensorrt_without_gpu_is_an_error_with_the_remedy(robot):
    with pytest.raises(BackendError, match=r'No CUDA driver.*backend: onnxruntime'):
        robot.selector(backend='tensorrt', gpu=False).open()


def test_gpu_without_tensorrt_warns(robot, tiny_model, tiny_spec, nano):
    settings = SelectionSettings(cache_root=robot.cache_root, rewrite=False,
                                 runtime=RuntimeSettings(
                                     tensorrt_module='no_such_tensorrt', probe=False))
    selector = BackendSelector(tiny_model, tiny_spec, settings, list, lambda index: nano)
    assert selector.open().info.name == 'onnxruntime'
    assert selector.status.level == errors.WARN
    assert 'no_such_tensorrt cannot be imported' in selector.status.why
    selector.close()
    wanted = BackendSelector(tiny_model, tiny_spec, settings._replace(backend='tensorrt'), list,
                             lambda index: nano)
    with pytest.raises(BackendError, match='cannot be imported.*JetPack'):
        wanted.open()


def test_onnxruntime_asked_for_looks_for_nothing(robot, tiny_model, tiny_spec):
    selector = BackendSelector(
        tiny_model, tiny_spec, SelectionSettings(backend='onnxruntime', rewrite=False), list,
        lambda index: pytest.fail('looked for a GPU'))
    assert selector.open().info.name == 'onnxruntime'
    assert selector.status.why.startswith('asked for')
    assert selector.spec == tiny_spec
    selector.close()


def test_unknown_backend_and_precision_are_configuration_errors(robot, tiny_model, tiny_spec):
    with pytest.raises(ConfigurationError, match='auto or tensorrt or openvino or onnxruntime'):
        BackendSelector(tiny_model, tiny_spec, SelectionSettings(backend='cuda'), list)
    with pytest.raises(ConfigurationError, match='Unknown precision.*fp16 or fp32 or int8'):
        robot.selector(precision='int4').open()


@pytest.mark.real_process
def test_closing_during_a_build_ends_it_and_leaves_nothing(robot, fake_cuda):
    selector = robot.selector(faults='build_hang')
    backend = selector.open()
    robot.drive(selector, backend, lambda one: 'building: building' in one.status.job.detail
                or ': building' in one.status.job.detail)
    selector.close()
    selector.close()
    assert fake_cuda.is_clean()
    left = [name for name in os.listdir(os.path.join(robot.cache_root, 'engines'))
            if name.endswith('.plan') or name.startswith('.tmp')]
    assert left == []


def test_failing_engine_is_left_for_onnxruntime(robot, fake_cuda, frames):
    first = robot.selector()
    robot.drive(first, first.open(), is_idle)
    first.close()
    selector = robot.selector(faults='enqueue_false_later')
    backend = selector.open()
    assert backend.info.name == 'tensorrt'
    with pytest.raises(BackendError) as caught:
        for frame in frames:
            backend.infer(frame)
    backend = selector.fall_back(str(caught.value))
    assert backend.info.name == 'onnxruntime'
    backend.infer(frames[0])
    assert selector.status.level == errors.WARN
    assert 'refused execute_async_v3' in selector.status.why
    assert fake_cuda.is_clean()


@pytest.mark.real_process
def test_offered_frames_are_copies_and_cost_nothing_when_idle(robot, frames):
    selector = robot.selector(gpu=False)
    selector.open()
    selector.offer_frame(frames[0])
    assert len(selector._engines._live) == 0
    busy = robot.selector(faults='build_hang')
    busy.open()
    frame = {'pixel_values': frames[0]['pixel_values'].copy()}
    for number in range(10):
        frame['pixel_values'].fill(number)
        busy.offer_frame(frame)
    kept = busy._engines._live.frames(busy.spec, busy.spec)
    assert [float(entry['pixel_values'].max()) for entry in kept] == list(range(2, 10))


@pytest.mark.parametrize('kind', [BackendError, ModelError])
def test_network_of_which_no_engine_can_be_made_is_an_error_only_where_one_was_asked_for(
        robot, monkeypatch, kind):
    def refuse(*_):
        raise kind('No engine of this network', got='something odd')

    monkeypatch.setattr(engine_manager.candidates, 'engine_tasks', refuse)
    selector = robot.selector()
    assert selector.open().info.name == 'onnxruntime'
    assert is_idle(selector)
    assert selector.status.level == errors.WARN
    assert 'something odd' in selector.status.why
    with pytest.raises(kind, match='something odd'):
        robot.selector(backend='tensorrt').open()


def test_no_engine_is_built_where_the_load_of_one_cannot_be_written_down(robot, monkeypatch):
    first = robot.selector()
    robot.drive(first, first.open(), is_idle)
    first.close()

    def refuse(self, record):
        raise StorageError('No space left', got='the disk')

    monkeypatch.setattr(engine_manager.candidates.trt_cache.EngineCache, 'begin_load', refuse)
    again = robot.selector()
    assert again.open().info.name == 'onnxruntime'
    # Another build would take its minutes and end in the same way.
    assert is_idle(again)
    assert again.status.level == errors.WARN and 'No space left' in again.status.why


@pytest.mark.once
@pytest.mark.parametrize('version', ['8.2.1', '8.6.1'])
def test_each_runtime_gets_the_graph_made_for_it(
        robot, tiny_model, tiny_spec, nano, frames, fake_tensorrt, version, monkeypatch,
        tmp_path):
    pytest.importorskip('onnx')
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'graphs'))
    serving = graph.optimize(tiny_model, tiny_spec, graph_target.ONNXRUNTIME)
    target = graph_target.TENSORRT_8_2 if version == '8.2.1' else graph_target.TENSORRT_8_6
    built = graph.optimize(tiny_model, tiny_spec, target)
    assert 'unchanged' not in (serving.changes, built.changes)
    runtime = RuntimeSettings(tensorrt_module=fake_tensorrt(version), probe=False)
    selector = BackendSelector(
        tiny_model, tiny_spec,
        SelectionSettings(cache_root=robot.cache_root, runtime=runtime), lambda: frames[:3],
        lambda index: nano)
    robot.selectors.append(selector)
    backend = selector.open()
    assert selector.spec == serving.spec
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_idle(selector):
        assert time.monotonic() < give_up_at, selector.status
        frame = convert_frame(frames[0], tiny_spec, selector.spec)
        backend.infer(frame)
        selector.offer_frame(frame)
        backend = selector.poll() or backend
        time.sleep(0.02)
    assert backend.info.name == 'tensorrt', selector.status
    assert selector.spec == built.spec
    assert selector.status.check.live_frames > 0
    with OnnxruntimeBackend(tiny_model) as network:
        for frame in frames:
            # A picture: whole levels from 0 to 255.
            picture = convert_frame(frame, tiny_spec, serving.spec)
            outputs = backend.infer(convert_frame(picture, serving.spec, selector.spec))
            expected = network.infer(convert_frame(picture, serving.spec, tiny_spec))['logits']
            assert (outputs['logits'].argmax(axis=3) == expected.argmax(axis=1)).mean() >= 0.99
            assert outputs['logsumexp'].shape == (1, 16, 16)


@pytest.mark.once
@pytest.mark.parametrize('patience', [(0.0, math.inf), (PATIENCE_S, 0.0)])
def test_model_serves_as_it_is_until_its_graph_is_there(robot, tiny_model, tiny_spec, frames,
                                                        monkeypatch, tmp_path, patience):
    pytest.importorskip('onnx')
    own, settings = patience
    monkeypatch.setattr(selection_module, 'GRAPH_TIMEOUT_S', own)
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'graphs'))
    path = shutil.copy(tiny_model, str(tmp_path / 'fresh.onnx'))
    selector = BackendSelector(path, tiny_spec, SelectionSettings(
        backend='onnxruntime', graph_timeout=settings), list)
    robot.selectors.append(selector)
    backend = selector.open()
    assert (selector.spec, backend.info.model_path) == (tiny_spec, path)
    assert selector.status.preparing == 'onnxruntime'
    assert 'until its graph is optimized' in selector.status.why
    picture = convert_frame(frames[0], tiny_spec, graph_target.ONNXRUNTIME.optimized_spec(
        tiny_spec))
    masks = []
    give_up_at = time.monotonic() + PATIENCE_S
    while selector.status.preparing or len(masks) < 2:
        assert time.monotonic() < give_up_at, selector.status
        frame = convert_frame(picture, graph_target.ONNXRUNTIME.optimized_spec(tiny_spec),
                              selector.spec)
        logits = backend.infer(frame)['logits']
        masks.append(logits.argmax(axis=3 if selector.spec.output_layout == 'nhwc' else 1))
        backend = selector.poll() or backend
    assert selector.spec.input_dtype == 'uint8'
    assert backend.info.model_path != path
    assert 'graph folded' in selector.status.why
    logits = backend.infer(convert_frame(picture, selector.spec, selector.spec))['logits']
    assert all((mask == logits.argmax(axis=3)).mean() >= 0.99 for mask in masks)


def test_graph_that_cannot_be_opened_leaves_the_model_as_it_is(robot, tiny_model, tiny_spec,
                                                               monkeypatch, tmp_path):
    pytest.importorskip('onnx')
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'graphs'))
    path = shutil.copy(tiny_model, str(tmp_path / 'fresh.onnx'))
    prepared = graph.optimize(path, tiny_spec, graph_target.ONNXRUNTIME)
    selector = BackendSelector(path, tiny_spec, SelectionSettings(backend='onnxruntime'), list)
    robot.selectors.append(selector)
    reading = graph.OptimizedModelCache.read

    def damaged_afterwards(self):
        facts = reading(self)
        with open(prepared.path, 'wb') as stream:
            stream.write(b'no graph')
        return facts

    monkeypatch.setattr(graph.OptimizedModelCache, 'read', damaged_afterwards)
    assert selector.open().info.model_path == path
    assert selector.spec == tiny_spec
    assert 'its graph cannot be opened' in selector.status.why


@pytest.mark.parametrize('count', [1, 2])
@pytest.mark.parametrize('rewrite', [False, True])
def test_pictures_are_asked_for_only_where_there_is_a_choice_of_providers(
        robot, tiny_model, tiny_spec, frames, monkeypatch, tmp_path, count, rewrite):
    pytest.importorskip('onnx')
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'graphs'))
    if rewrite:
        graph.optimize(tiny_model, tiny_spec, graph_target.ONNXRUNTIME)
    monkeypatch.setattr(selection_module, '_plans', lambda settings, has_gpu: count * named_plans(
        'CPUExecutionProvider'))
    asked = []

    def bundled_frames():
        asked.append('frames')
        return frames[:1]

    selector = BackendSelector(tiny_model, tiny_spec, SelectionSettings(
        backend='onnxruntime', rewrite=rewrite), bundled_frames)
    robot.selectors.append(selector)
    selector.open()
    assert ('graph folded' in selector.status.why) == rewrite
    assert len(asked) == count - 1
    assert ('of the time of CPUExecutionProvider' in selector.status.why) == (count == 2)


class _RefusedOpenvino:
    """Stands for OpenVINO on a machine where it gives other masks."""

    def __init__(self, *_):
        pass

    def detect(self):
        pass

    def request(self):
        pass

    def choose(self, open_onnxruntime, reference):
        return open_onnxruntime()


def test_openvino_that_was_asked_for_and_does_not_serve_is_an_error_once_the_graph_is_there(
        robot, tiny_model, tiny_spec, monkeypatch, tmp_path):
    pytest.importorskip('onnx')
    monkeypatch.setattr(selection_module, 'OpenvinoChoice', _RefusedOpenvino)
    monkeypatch.setattr(selection_module, 'GRAPH_TIMEOUT_S', 0.0)
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'graphs'))
    path = shutil.copy(tiny_model, str(tmp_path / 'fresh.onnx'))
    selector = BackendSelector(path, tiny_spec, SelectionSettings(backend='openvino'), list)
    robot.selectors.append(selector)
    selector.open()
    # It may still serve: it runs the graph that is being made.
    assert selector.status.preparing
    assert selector.status.level == errors.OK
    give_up_at = time.monotonic() + PATIENCE_S
    while selector.status.preparing:
        assert time.monotonic() < give_up_at, selector.status
        selector.poll()
        time.sleep(0.02)
    assert selector.status.backend == 'onnxruntime'
    assert selector.status.level == errors.ERROR
