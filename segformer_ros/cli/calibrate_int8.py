# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``calibrate_int8``: prepare a network for TensorRT engines with 8-bit integers."""

import argparse
import json
import os
import sys
from typing import Any, Dict, List, Optional, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.common.errors import BackendError
from segformer_ros.evaluation.quantization import calibrate
from segformer_ros.evaluation.quantization import report
from segformer_ros.evaluation.quantization.frames import read_frames
from segformer_ros.evaluation.run.network import GRAPHS
from segformer_ros.evaluation.sources.inputs import find_inputs
from segformer_ros.evaluation.sources.inputs import InputOptions
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.trt import key
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.calibration import open_calibrations
from segformer_ros.inference.trt.calibration import refuse_without_int8
from segformer_ros.inference.trt.candidates import engine_target
from segformer_ros.model import verdicts
from segformer_ros.model.optimize import target as optimize_target
from segformer_ros.model.optimize.resize import at_size
from segformer_ros.model.optimize.worker import optimize_in_child
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.self_check_frames import self_check_frames

TARGETS = {'8.2': optimize_target.TENSORRT_8_2, '8.6': optimize_target.TENSORRT_8_6}
"""By the oldest TensorRT that takes the graph."""
INSTALLED = 'installed'
FILES = ('int8.onnx', 'int8_report.md', 'int8_report.json')


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status: 0 done, 1 failed with a message, 3 the calibration fails its check,
        130 interrupted
    """
    options = _parser().parse_args(arguments)
    return command.run('calibrate_int8', lambda: _run(options),
                       'Interrupted; nothing unfinished is left.')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='calibrate_int8',
        description='Calibrate a network on your own images, so that the node can build a '
                    'TensorRT engine with 8-bit integers (precision: int8). Says how many labels '
                    'that changes, beside FP16. Runs on the CPU with onnxruntime; needs onnx.',
        epilog=f'Exit status: {command.DONE} done; {command.FAILED} could not be done, with a '
               f'message; {command.THRESHOLD_MISSED} calibrated, but too many labels change: no '
               'engine is built from it; an earlier calibration that passes stays.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT',
                        help='bag (mcap, sqlite3, ROS 1), folder of bags, or folder of photos')
    parser.add_argument('--model', default='segformer_b0_ade20k', metavar='MODEL',
                        help='name of a known model, or path of an ONNX file '
                             '(default: %(default)s)')
    parser.add_argument('--spec', help='YAML file that describes the model')
    parser.add_argument('--input-size', type=command.size_wh, metavar='WIDTHxHEIGHT',
                        help='as the parameter input_size of the node')
    parser.add_argument('--graph', choices=GRAPHS, default=GRAPHS[0],
                        help='original: for a node with deployment_graph: false '
                             '(default: %(default)s)')
    parser.add_argument('--tensorrt', choices=(INSTALLED,) + tuple(TARGETS), default=INSTALLED,
                        help='oldest TensorRT that takes the graph; where none is installed, 8.6 '
                             '(default: %(default)s)')
    parser.add_argument('--topic', action='append', default=[],
                        help='image topic or pattern; may be given again')
    parser.add_argument('--frames', type=command.number_within(3, 1000), default=96,
                        help='of each camera or folder at most, a third of them to compare on '
                             '(default: %(default)s)')
    parser.add_argument('-o', '--output', metavar='FOLDER',
                        help='write {}, {} and {} here, too'.format(*FILES))
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.output:
        command.make_report_folder(options.output)
    graph, spec = _graph(options)
    inputs = find_inputs(options.inputs, InputOptions(topics=tuple(options.topic)))
    for line in inputs.notes + [f'{each.name}: {each.message}' for each in inputs.left_out]:
        _tell(line)
    cache = open_calibrations()
    _tell('reading images')
    frames = read_frames(inputs, spec, options.frames)
    found = calibrate.calibrate(graph, spec, frames, self_check_frames(spec), _tell)
    earlier = None if found.check.passed else cache.find(spec.name, graph)
    # What serves is not given up for what does not. Without one the failure is kept: the node
    # says why there is no engine.
    if earlier is not None and earlier.check.passed:
        told = ('Not kept: the calibration of before, which passes its check, stays: '
                + earlier.path)
    else:
        kept = cache.store(spec.name, graph, found.onnx, found.check, found.report)
        told = f'Kept as {kept.path}'
    page = report.markdown(found.report)
    if options.output:
        _write(options.output, found.onnx, page, found.report)
    print(page)
    print(told)
    if not found.check.passed:
        reason = found.report['precisions'][key.INT8]['reason']
        return command.judge([f'INT8 of {spec.name}: {calibrate.shortened(reason)}'])
    print(f'Use it: ros2 run segformer_ros build_engine {options.model} --precision int8, or the '
          'parameter precision: int8 of the node.')
    return command.DONE


def _graph(options: argparse.Namespace) -> Tuple[str, ModelSpec]:
    """Return path and specification of the float32 graph that engines are built from."""
    target = _target(options.tensorrt)
    model = verdicts.resolve_judged(options.model, options.spec)
    sized = at_size(model.onnx_path, model.spec, options.input_size)
    if options.graph != GRAPHS[0]:
        return sized.path, sized.spec
    made = optimize_in_child(sized.source_path, sized.source_spec, target)
    if made.path == sized.source_path:
        return sized.path, sized.spec
    return made.path, made.spec


def _target(wish: str) -> optimize_target.Target:
    if wish != INSTALLED:
        return TARGETS[wish]
    gpu = None
    try:
        gpu = probe_gpu()
        return engine_target(load_tensorrt())
    except BackendError as error:
        _tell(f'no TensorRT here ({error.problem}): calibrated for TensorRT 8.6 or later')
        return optimize_target.TENSORRT_8_6
    finally:
        if gpu is not None:
            refuse_without_int8(gpu)


def _write(folder: str, content: bytes, page: str, figures: Dict[str, Any]) -> None:
    texts = (content, page.encode('utf-8'),
             (json.dumps(figures, indent=1, sort_keys=True) + '\n').encode('utf-8'))
    with command.report_folder(folder):
        for name, text in zip(FILES, texts):
            with open(os.path.join(folder, name), 'wb') as stream:
                stream.write(text)


def _tell(line: str) -> None:
    print(f'calibrate_int8: {line}', file=sys.stderr, flush=True)
