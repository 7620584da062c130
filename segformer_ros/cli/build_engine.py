# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``build_engine``: build TensorRT engines ahead of time, manage their cache."""

import argparse
import logging
import sys
import time
from typing import Callable, List, Optional

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.common import errors
from segformer_ros.inference.base.frames import Frames
from segformer_ros.inference.cuda.buffers import LIBRARIES
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.trt import build_job
from segformer_ros.inference.trt import cache as trt_cache
from segformer_ros.inference.trt import calibration
from segformer_ros.inference.trt import candidates
from segformer_ros.inference.trt import key as trt_key
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.api import MODULE
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.model import verdicts
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.self_check_frames import self_check_frames

POLL_S = 0.2
LOG_S = 10.0


def main(arguments: Optional[List[str]] = None,
         probe: Optional[Callable[[int], GpuInfo]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :param probe: finds the GPU, for tests; then the builder process does not look for one
    :return: exit status: 0 done, 1 failed with a message, 130 interrupted
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(format='%(message)s', level=logging.INFO, stream=sys.stderr)
    return command.run('build_engine', lambda: _run(options, probe),
                       'Interrupted; nothing unfinished is left.')


def _run(options: argparse.Namespace, probe: Optional[Callable[[int], GpuInfo]]) -> int:
    cache = trt_cache.open_cache(options.cache)
    try:
        if options.list:
            return _list(cache)
        if options.prune is not None:
            return _prune(cache, options.prune)
        if options.verify and options.model is None:
            return _verify_digests(cache)
        return _build(options, cache, probe)
    finally:
        cache.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='build_engine',
        description='Build a TensorRT engine for a model on this robot, check it against '
                    'onnxruntime and keep it in the cache, where the node finds it.')
    parser.add_argument('model', nargs='?', help='name of a known model, or path of an ONNX file')
    parser.add_argument('--spec', help='YAML file that describes the model')
    parser.add_argument('--precision', choices=trt_key.PRECISIONS, default=trt_key.PRECISIONS[0],
                        help='fp16 keeps sensitive parts in fp32, and falls back to fp32 if the '
                             'check fails; int8 takes what calibrate_int8 made, and falls back '
                             'to fp16 (default: %(default)s)')
    parser.add_argument('--images', default='', metavar='FOLDER',
                        help='check on these pictures too: JPEG or PNG files')
    parser.add_argument('--force', action='store_true',
                        help='build again what is there or was given up')
    parser.add_argument('--verify', action='store_true',
                        help='check the engine of the model again, and build it first where '
                             'there is none; without a model: compare every digest')
    parser.add_argument('--list', action='store_true', help='list the engines and end')
    parser.add_argument(
        '--prune', nargs='?', type=command.number_within(0, 10 ** 6),
        const=trt_cache.KEPT_ENGINES, metavar='KEEP',
        help='delete all but the KEEP most recently used engines '
        '(default: %(const)s)')
    parser.add_argument('--cache', default='', metavar='FOLDER',
                        help='cache folder, as the parameter engine_cache of the node')
    parser.add_argument('--workspace', type=command.number_within(0, 65536), default=0,
                        metavar='MIB',
                        help='workspace of the builder; 0: by free memory. The node takes the '
                             'engine only if its parameter workspace_mib says the same')
    parser.add_argument('--optimization-level', type=int, choices=range(6),
                        help='0 builds fast, 5 builds long (TensorRT 8.6 and later). To '
                             'measure with: the node does not take the engine')
    parser.add_argument('--tf32', action='store_true',
                        help='permit TensorFloat-32 in the fp32 parts. To measure with: the '
                             'node does not take the engine')
    parser.add_argument('--buffers', choices=('auto',) + tuple(LIBRARIES), default='auto',
                        help='library for GPU memory (default: %(default)s)')
    parser.add_argument('--device', type=command.number_within(0, 63), default=0,
                        help='number of the GPU')
    parser.add_argument('--tensorrt-module', default=MODULE, help=argparse.SUPPRESS)
    return parser


def _build(options: argparse.Namespace, cache: trt_cache.EngineCache,
           probe: Optional[Callable[[int], GpuInfo]]) -> int:
    if options.model is None:
        raise errors.ConfigurationError('No model named',
                                        expected='a name or the path of an ONNX file')
    model = verdicts.resolve_judged(options.model, options.spec)
    gpu = (probe or probe_gpu)(options.device)
    runtime = RuntimeSettings(tensorrt_module=options.tensorrt_module, buffers=options.buffers,
                              device_index=options.device, probe=probe is None)
    api = load_tensorrt(options.tensorrt_module)
    source = candidates.optimized_engine_model(model.onnx_path, model.spec, api)
    builder = trt_key.BuilderSettings(options.workspace, options.optimization_level, options.tf32)
    failures: List[str] = []
    quantized = _calibration(options.precision, source, gpu, model.onnx_path, failures)
    tasks = candidates.engine_tasks(source, options.precision, api, runtime, builder, gpu,
                                    quantized)
    print(f'{source.path} on {gpu}, TensorRT {api.version}, cache {cache.folder}')
    for task in tasks:
        _drop_record(cache, task, options)
        job = build_job.EngineJob(cache, task, lambda: _frames(source.spec, options.images),
                                  wait_for_memory=False)
        try:
            record = _wait(job)
        except errors.SegformerRosError as error:
            failures.append(f'{task.key.precision}: {error}')
            print(failures[-1], file=sys.stderr)
            continue
        print(_report(record))
        if record.usable:
            for warning in _unlike_the_node(builder):
                print(warning)
            return command.DONE
        failures.append(f'{task.key.precision}: {record.verdict}')
    raise errors.BackendError('No engine can be used', got='; '.join(failures),
                              remedy='The node serves with onnxruntime meanwhile.')


def _calibration(precision: str, model: candidates.EngineModel, gpu: GpuInfo, original: str,
                 failures: List[str]) -> Optional[calibration.Calibration]:
    """Return what an engine with 8-bit integers is built from; one that fails is told."""
    if trt_key.INT8 not in trt_key.wanted_precisions(precision):
        return None
    found = calibration.find_calibration(model.spec, model.path, gpu, original, True)
    if found.check.passed:
        return found
    failures.append(f'{trt_key.INT8}: its calibration fails the check: {found.check.reason}')
    print(failures[-1], file=sys.stderr)
    return None


def _unlike_the_node(builder: trt_key.BuilderSettings) -> List[str]:
    """Return a line for each option that keeps a node with its defaults from this engine."""
    lines, mib, usual = [], builder.workspace_mib, trt_key.DEFAULT_BUILDER
    if mib != usual.workspace_mib:
        lines.append(f'WARN: --workspace {mib}: the node takes this engine only with the '
                     f'parameter workspace_mib: {mib}.')
    for option, chosen, default in (
            ('--optimization-level', builder.optimization_level, usual.optimization_level),
            ('--tf32', builder.tf32, usual.tf32)):
        if chosen != default:
            lines.append(f'WARN: {option}: the node never takes this engine, since it has no such '
                         'parameter; build without the option for it.')
    return lines


def _drop_record(cache: trt_cache.EngineCache, task: build_job.EngineTask,
                 options: argparse.Namespace) -> None:
    record = cache.find(task.model_name, task.key)
    if record is None:
        return
    if options.force:
        cache.delete(record.name, '--force')
    elif options.verify and record.plan_sha256 is not None:
        cache.suspect(record)


def _frames(spec: ModelSpec, folder: str) -> Frames:
    own = tuple(self_check_frames(spec, folder)) if folder else ()
    return Frames(own, tuple(self_check_frames(spec)))


def _wait(job: build_job.EngineJob) -> trt_cache.EngineRecord:
    shown = _Progress()
    try:
        while True:
            record = job.poll()
            if record is not None:
                return record
            shown.update(job.progress)
            time.sleep(POLL_S)
    finally:
        job.cancel()
        shown.finish()


class _Progress:
    """One line that is drawn again on a terminal, a new line now and then in a log."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._drawn = (-LOG_S, '')

    def update(self, progress: build_job.JobProgress) -> None:
        steps = f' {progress.step}/{progress.steps}' if progress.steps else ''
        minutes, seconds = divmod(int(progress.elapsed), 60)
        now = time.monotonic()
        stage = f'{progress.stage} {progress.precision}: {progress.detail}'
        text = f'{stage}{steps} ({minutes}:{seconds:02d})'
        if self._is_terminal:
            print('\r\x1b[K' + text[:160], end='', file=sys.stderr, flush=True)
        elif stage != self._drawn[1] or now - self._drawn[0] >= LOG_S:
            print(text, file=sys.stderr, flush=True)
            self._drawn = (now, stage)

    def finish(self) -> None:
        if self._is_terminal:
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)


def _report(record: trt_cache.EngineRecord) -> str:
    built = record.built
    lines = [f'{record.name}: {_state(record)}', f'  check: {record.verdict}']
    if 'precision' in built:
        pins = ', {} of {} parts in fp32'.format(
            built['fp32_parts'], built['parts']) if built.get('fp32_parts') else ''
        lines.append(f"  built: {built['precision']}{pins}, workspace {built['workspace_mib']} "
                     f"MiB, tactic sources {built['tactic_sources']}, {built['build_seconds']} s")
    if 'latency_p50_ms' in built:
        lines.append(f"  latency: p50 {built['latency_p50_ms']:.2f} ms, p95 "
                     f"{built['latency_p95_ms']:.2f} ms; GPU memory "
                     f"{built['device_memory_mib']:.1f} MiB")
    return '\n'.join(lines)


def _state(record: trt_cache.EngineRecord) -> str:
    if record.usable:
        return f'usable, {record.plan_bytes / 2 ** 20:.1f} MiB'
    return 'given up' if record.rejected else 'not checked yet'


def _list(cache: trt_cache.EngineCache) -> int:
    records = cache.records()
    print(f'{cache.folder}: {len(records)} engine(s)')
    for record in records:
        print(_report(record))
        print('  for: {}, TensorRT {}, driver {}'.format(*(
            record.key.get(name) for name in ('gpu_name', 'tensorrt_version', 'driver_version'))))
    return 0


def _prune(cache: trt_cache.EngineCache, keep: int) -> int:
    deleted = cache.prune(keep)
    print(f'deleted {len(deleted)} engine(s)')
    return 0


def _verify_digests(cache: trt_cache.EngineCache) -> int:
    damaged: List[str] = []
    records = [record for record in cache.records() if record.plan_sha256 is not None]
    for record in records:
        try:
            cache.read_plan(record)
        except errors.SegformerRosError as error:
            damaged.append(record.name)
            print(f'{record.name}: {error}')
    print(f'{len(records) - len(damaged)} of {len(records)} engine file(s) are what was stored')
    return 1 if damaged else 0
