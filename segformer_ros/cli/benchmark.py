# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``benchmark``: the time of each stage of a frame, beside other pipelines."""

import argparse
import datetime
import importlib
import json
import logging
import os
import sys
from typing import Any, Dict, Iterator, List, Optional

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

import cv2
import numpy as np

from segformer_ros.cli.support import command
from segformer_ros.cli.support.node_benchmark import run_node_benchmark
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.benchmark.benchmark import BenchmarkSettings
from segformer_ros.evaluation.benchmark.benchmark import run_benchmark
from segformer_ros.evaluation.benchmark.report import markdown
from segformer_ros.evaluation.metrics.performance import machine_description
from segformer_ros.inference.ov import backend as ov_backend
from segformer_ros.model import verdicts
from segformer_ros.model.optimize.verify import sample_pictures

# Of the picture where none is given: between the camera sizes.
PICTURE_WH = (1280, 960)


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status: 0 done, 1 failed with a message
    """
    options = make_parser().parse_args(arguments)
    logging.basicConfig(format='%(message)s', level=logging.WARNING, stream=sys.stderr)
    return command.run('benchmark', lambda: _benchmark(options))


def _benchmark(options: argparse.Namespace) -> int:
    command.make_report_folder(options.output)
    # Written again and again: what was measured stays if something later fails.
    for report in measure(options):
        paths = _write(report, options.output)
    print('\n'.join(paths))
    return command.DONE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='benchmark', description='Measure where a frame\'s time goes, beside the common '
        'ways to write the same. Ratios of one run mean more than milliseconds.')
    parser.add_argument('--model', action='append', metavar='NAME',
                        help='name or path, as the parameter of the node; may be repeated '
                        '(default: segformer_sim)')
    parser.add_argument('--size', action='append', type=command.size_wh, metavar='WIDTHxHEIGHT',
                        help='of the camera; may be repeated (default: 640x480 and 1280x720)')
    parser.add_argument('--image', metavar='PATH',
                        help='picture to segment (default: a made one with the edges of photos)')
    parser.add_argument('--rounds', type=command.number_within(1, 10 ** 6), default=25,
                        metavar='N',
                        help='undisturbed rounds of each table (default: %(default)s)')
    parser.add_argument('--patience', type=command.number_within(0, 86400, float),
                        default=60.0, metavar='SECONDS',
                        help='to look for undisturbed rounds, a table (default: %(default)g)')
    parser.add_argument('--threads', type=command.number_within(0, 256), default=0, metavar='N',
                        help='of the network; 0 takes the node\'s default (default: %(default)s)')
    parser.add_argument('--no-memory', action='store_true', help='leave memory and start out')
    parser.add_argument('--node', action='store_true',
                        help='measure the first model\'s node over DDS too; needs ROS')
    parser.add_argument('--only-node', action='store_true', help='measure nothing but that')
    parser.add_argument('--append', action='store_true',
                        help='keep what benchmark.json in the folder has of other models, and of '
                        'the node if it is not measured now')
    parser.add_argument('--node-seconds', type=command.number_within(0, 86400, float, above=True),
                        default=20.0, metavar='SECONDS',
                        help='of images, a scenario of --node (default: %(default)g)')
    parser.add_argument('--output', default='bench_output', metavar='FOLDER',
                        help='folder for benchmark.json and benchmark.md (default: %(default)s)')
    return parser


def measure(options: argparse.Namespace) -> Iterator[Dict[str, Any]]:
    """
    Measure all that the options ask for.

    :return: the report so far, after each model and after the node
    :raises SegformerRosError: a model or a picture cannot be used
    """
    settings = BenchmarkSettings(options.size or [(640, 480), (1280, 720)], options.rounds,
                                 options.patience, options.threads, not options.no_memory)
    picture = _picture(options.image)
    names = options.model or ['segformer_sim']
    report = _earlier(os.path.join(options.output, 'benchmark.json')) if options.append else {
        'models': [], 'commands': []}
    environment = {'machine': machine_description(), 'versions': _versions()}
    for key, found in environment.items():
        earlier = {name: value for name, value in report.get(key, found).items()
                   if name != 'load_average'}
        if earlier != found:
            raise ConfigurationError('Figures of another {} are not continued'.format(
                {'machine': 'machine', 'versions': 'set of versions'}[key]), got=found,
                expected=earlier, remedy='Leave --append out, or give another --output.')
    # How many processes want the cores: with more than there are cores figures are pessimistic.
    load = ', '.join(f'{value:.1f}' for value in os.getloadavg())
    today = datetime.date.today().isoformat()
    report.update(environment, date=today)
    report['commands'].append(f'{_command(options)} # {today}, load average {load}')
    for name in [] if options.only_node else names:
        model = verdicts.resolve_judged(name)

        def tell(line: str, prefix: str = model.spec.name) -> None:
            print(f'{prefix}: {line}', file=sys.stderr, flush=True)

        report['models'] = [
            each for each in report['models'] if each['name'] != model.spec.name] + [
            run_benchmark(model.onnx_path, model.spec, picture, settings, tell)]
        yield report
    if options.node or options.only_node:
        model = verdicts.resolve_judged(names[0])
        report['node'] = run_node_benchmark(
            model.onnx_path, model.spec, picture, settings.threads, options.node_seconds,
            lambda line: print(line, file=sys.stderr, flush=True))
        yield report


def _earlier(path: str) -> Dict[str, Any]:
    try:
        with open(path, encoding='utf-8') as stream:
            report: Dict[str, Any] = json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError('No figures to append to', got=f'{path}: {error}',
                                 remedy='Leave --append out.') from error
    return report


def _write(report: Dict[str, Any], folder: str) -> List[str]:
    paths = []
    for name, content in (('benchmark.json', json.dumps(report, indent=2) + '\n'),
                          ('benchmark.md', markdown(report))):
        paths.append(os.path.join(folder, name))
        with open(paths[-1], 'w', encoding='utf-8') as stream:
            stream.write(content)
    return paths


def _picture(path: Optional[str]) -> arrays.UInt8:
    if path is None:
        return sample_pictures(PICTURE_WH)[1]
    bgr = cv2.imread(path, cv2.IMREAD_COLOR)
    if bgr is None:
        raise ConfigurationError('Picture cannot be read', got=path, expected='PNG or JPEG')
    return np.ascontiguousarray(bgr[:, :, ::-1])


def _versions() -> Dict[str, str]:
    versions = {'openvino': ov_backend.runtime_version() if ov_backend.is_installed()
                else 'not installed'}
    for name in ('onnxruntime', 'torch', 'PIL'):
        try:
            versions[name] = str(importlib.import_module(name).__version__)
        except ImportError:
            versions[name] = 'not installed'
    return versions


def _command(options: argparse.Namespace) -> str:
    """Return the command without this machine's folders."""
    words = ['benchmark']
    for name in options.model or []:
        words += ['--model', os.path.basename(name)]
    for size in options.size or []:
        words += ['--size', '{}x{}'.format(*size)]
    if options.image:
        words += ['--image', os.path.basename(options.image)]
    words += ['--rounds', str(options.rounds)]
    if options.threads:
        words += ['--threads', str(options.threads)]
    return ' '.join(words + [option for option, given in (
        ('--node', options.node), ('--only-node', options.only_node),
        ('--append', options.append), ('--no-memory', options.no_memory)) if given])
