# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``evaluate``: how good and how fast a network is on recordings."""

import argparse
import json
import logging
import os
import sys
import tempfile
from typing import Any, Dict, List, Optional, Sequence, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.cli.support import live_node
from segformer_ros.cli.support import progress
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.cost_table import FOLDER as COST_PROFILES
from segformer_ros.costmap.geometry.camera_poses import Frames
from segformer_ros.evaluation import evaluator
from segformer_ros.evaluation.benchmark import input_sizes
from segformer_ros.evaluation.metrics.label_map import FOLDER as MAPPINGS
from segformer_ros.evaluation.metrics.label_map import SAME
from segformer_ros.evaluation.report import compare
from segformer_ros.evaluation.report import document
from segformer_ros.evaluation.report import html_page
from segformer_ros.evaluation.report import thresholds
from segformer_ros.evaluation.report.markdown import render_markdown
from segformer_ros.evaluation.run import network as run_network
from segformer_ros.evaluation.run.bag_costmap import CameraOptions
from segformer_ros.evaluation.run.bag_costmap import CostmapOptions
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.parallel import Parallel
from segformer_ros.evaluation.run.runner import RunSettings
from segformer_ros.evaluation.sources import topic_choice
from segformer_ros.evaluation.sources.inputs import InputOptions
from segformer_ros.evaluation.sources.label_folder import MATCHES
from segformer_ros.inference.onnxrt.backend import default_threads
from segformer_ros.inference.trt.key import PRECISIONS
from segformer_ros.model import classes as model_classes
from segformer_ros.model import verdicts
from segformer_ros.model.optimize.resize import at_size
from segformer_ros.model.optimize.verify import sample_pictures
from segformer_ros.segmentation.segmenter import ROTATIONS
from segformer_ros.segmentation.segmenter import SegmenterSettings

# Of the picture on which the sizes of --input-size are timed.
TIMED_PICTURE_WH = (640, 480)
REPORTS = ('report.html', 'report.md', 'report.json')


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    defaults = SegmenterSettings()
    parser = argparse.ArgumentParser(
        prog='evaluate', formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Run every frame of recordings or photos through a network and report how '
                    'good and how fast it is.',
        epilog='Exit status: 0 done; 1 could not be done, with a message; 2 wrong arguments; '
               '3 a bound does not hold, or frames were left out with --strict.')
    parser.add_argument('inputs', nargs='*', metavar='INPUT',
                        help='bag (mcap, sqlite3, ROS 1), folder of bags, or folder of photos')
    parser.add_argument('-o', '--output', default='evaluation',
                        help='folder for report.html, report.md and report.json')
    network = parser.add_argument_group('network')
    network.add_argument('--model', default='segformer_b0_ade20k',
                         help='name, NAME:VARIANT, or ONNX file')
    network.add_argument('--spec', help='its YAML file, where it does not lie beside the model')
    network.add_argument('--backend', choices=run_network.BACKENDS,
                         default=run_network.BACKENDS[0], help='runtime')
    network.add_argument('--precision', choices=PRECISIONS, default=PRECISIONS[0],
                         help='of a TensorRT engine')
    network.add_argument('--graph', choices=run_network.GRAPHS, default=run_network.GRAPHS[0],
                         help='the one that is optimized for the runtime, as in the live node, or '
                              'the file as it is')
    network.add_argument('--threads', type=command.number_within(0, 256), default=0,
                         help='of the runtime; 0: its choice')
    network.add_argument('--input-size', action='append', type=command.size_wh,
                         metavar='WIDTHxHEIGHT', help='of the network; given again, each is '
                         'evaluated in a folder of its own, and sizes.md and sizes.svg compare')
    network.add_argument('--resize', default=defaults.resize, help='pillow or opencv')
    network.add_argument('--postprocess', default=defaults.postprocess, help='exact or fast')
    network.add_argument('--threshold', type=float, default=defaults.threshold,
                         help='confidence below which a pixel has no class')
    network.add_argument('--rotate', type=int, choices=ROTATIONS, default=0,
                         help='clockwise degrees that bring the image upright')
    what = parser.add_argument_group('what to compare with')
    what.add_argument('--labels', help='folder of label PNGs for the bags, or for the photos')
    what.add_argument('--match', choices=MATCHES, default=MATCHES[0],
                      help='find label files by stamp or by order')
    what.add_argument('--label-list', help='file with the label files in the order of the images')
    what.add_argument('--label-topic', help='topic of mono8 labels with the stamps of the images')
    what.add_argument('--mapping', help='mapping of the classes: ade20k, ade20k_to_camvid, '
                                        'ade20k_to_cityscapes, or a YAML file')
    what.add_argument('--reference-masks', help='masks of an earlier --save-masks')
    what.add_argument('--reference-model', help='second network: name or ONNX file')
    what.add_argument('--reference-spec', help='YAML file of the second network')
    what.add_argument('--reference-setting', action='append', default=[], metavar='NAME=VALUE',
                      help='what differs for the second network, such as precision=fp32')
    reading = parser.add_argument_group('reading')
    reading.add_argument('--topic', action='append', default=[],
                         help='image topic or pattern; may be given again')
    reading.add_argument('--split', default='validation', help='of a data set')
    parallel = parser.add_argument_group('in parallel')
    parallel.add_argument('--workers', type=int, default=1, help='processes on this machine')
    parallel.add_argument('--scheduler', help='Dask cluster, such as tcp://host:8786')
    output = parser.add_argument_group('output')
    output.add_argument('--save-masks', metavar='FOLDER', help='write every mask as PNG')
    output.add_argument('--write-bag', metavar='FOLDER',
                        help='write the bags again with mask, confidence and overlay topics')
    output.add_argument('--worst', type=command.number_within(0, 10 ** 4),
                        default=RunSettings().worst,
                        help='worst frames to show')
    output.add_argument('--no-boundary', action='store_true', help='leave boundary IoU out')
    grid = parser.add_argument_group('costmap of bags')
    frames = Frames()
    grid.add_argument('--costmap', metavar='PROFILE',
                      help='make the costmap: indoor, outdoor, landing, street, or a YAML file')
    grid.add_argument('--projection', default=costmap_settings.CONTACT,
                      choices=(costmap_settings.CONTACT, costmap_settings.NADIR),
                      help='for a camera that looks ahead, or down')
    grid.add_argument('--odom-frame', default=frames.odom_frame, help='of the grid')
    grid.add_argument('--ground-frame', default=frames.ground_frame,
                      help='frame of the robot on the floor')
    grid.add_argument('--camera-info', help='topic; by default the one beside the images')
    grid.add_argument('--depth-topic',
                      help='registered depth images, whose heights are taken as true')
    grid.add_argument('--cloud-topic',
                      help="PointCloud2 of a lidar, whose heights are taken as true")
    grid.add_argument('--grid-topic', help='OccupancyGrids that are taken as true')
    live_node.add_arguments(parser.add_argument_group('as a live node'))
    bounds = parser.add_argument_group('for continuous integration')
    bounds.add_argument('--strict', action='store_true', help='fail if any frame is left out')
    bounds.add_argument('--fail-under', action='append', default=[], metavar='NAME=NUMBER',
                        help='such as miou=0.35 or iou:road=0.7')
    bounds.add_argument('--fail-over', action='append', default=[], metavar='NAME=NUMBER',
                        help='such as latency_p95_ms=80')
    bounds.add_argument('--baseline', metavar='REPORT', help='earlier report.json to compare with')
    bounds.add_argument('--max-regression', action='append', default=[], metavar='[NAME=]NUMBER',
                        help='allowed loss against the baseline; a number alone is of miou')
    bounds.add_argument('--compare', nargs=2, metavar=('BEFORE', 'AFTER'),
                        help='compare two reports and evaluate nothing')
    return parser


def make_request(options: argparse.Namespace) -> evaluator.Request:
    """
    Return what a command line asks for.

    :param options: parsed
    :raises ConfigurationError: options that do not go together
    """
    if not options.inputs:
        raise ConfigurationError('Nothing to evaluate', expected='bags or folders of photos')
    references = [options.labels, options.label_topic, options.reference_masks,
                  options.reference_model]
    if len([reference for reference in references if reference]) > 1:
        raise ConfigurationError(
            'More than one thing to compare with', got=', '.join(
                text for text in references if text),
            expected='one of --labels, --label-topic, --reference-masks, --reference-model')
    is_reference = bool(options.reference_masks or options.reference_model)
    has_labels = bool(options.labels or options.label_topic or options.mapping)
    if options.write_bag and options.scheduler:
        raise ConfigurationError('--write-bag does not work on a cluster', got=options.scheduler,
                                 remedy='Take --workers on one machine instead.')
    if options.workers < 1:
        raise ConfigurationError('Too few workers', got=options.workers, expected='1 or more')
    mapping = options.mapping or SAME
    network = _network(options, options.model, options.spec, {})
    reference = None
    for name, given in (('--reference-setting', options.reference_setting),
                        ('--reference-spec', options.reference_spec)):
        if given and not options.reference_model:
            raise ConfigurationError(f'{name} without a second network', got=given,
                                     expected='--reference-model beside it',
                                     remedy='The same network may be named again.')
    if options.reference_model:
        # Its own size unless another is asked for: what the size itself changes is to be seen.
        changes = dict([('input_size', None)], **dict(
            _setting(text) for text in options.reference_setting))
        reference = _network(options, options.reference_model, options.reference_spec, changes)
    labels = options.labels or options.reference_masks
    return evaluator.Request(
        paths=tuple(options.inputs),
        inputs=InputOptions(
            topics=tuple(options.topic), cameras=options.cameras, labels=labels,
            label_match=options.match, label_list=options.label_list,
            label_topic=options.label_topic,
            # A mapping says what the label files beside photos mean.
            wants_labels=bool(labels or (options.mapping and not is_reference)),
            split=options.split),
        job=Job(network=network, reference=reference, mapping=mapping,
                run=RunSettings(rotate=options.rotate, rotations=options.rotations,
                                with_boundary=not options.no_boundary, worst=options.worst),
                save_masks=options.save_masks, write_bag=options.write_bag,
                costmap=_costmap(options)),
        parallel=Parallel(options.workers, options.scheduler),
        notes=tuple(options.live_node.notes()) if options.live_node else (),
        against=evaluator.comparison_of(has_labels, is_reference))


def _costmap(options: argparse.Namespace) -> Optional[CostmapOptions]:
    references = [topic for topic in (options.depth_topic, options.cloud_topic,
                                      options.grid_topic) if topic]
    if not options.costmap:
        if references:
            raise ConfigurationError('No costmap to compare', got=references[0],
                                     expected='--costmap PROFILE beside it')
        return None
    if len(references) > 1:
        raise ConfigurationError('Two references for the costmap', got=' and '.join(references),
                                 expected='one')
    settings = costmap_settings.CostmapSettings(
        projection=costmap_settings.ProjectionSettings(mode=options.projection))
    frames = Frames(options.odom_frame, options.ground_frame,
                    is_nadir=options.projection == costmap_settings.NADIR)
    if not frames.has_odometry:
        settings = costmap_settings.of_single_images(settings)
    found = CostmapOptions(
        options.costmap, frames, settings,
        cameras=(CameraOptions(camera_info=options.camera_info or ''),),
        depth=options.depth_topic or '', reference=options.grid_topic or '',
        cloud=options.cloud_topic or '', by_clock=options.clock == live_node.RECORDED)
    if not options.live_node:
        return found
    found = options.live_node.costmap(found)
    kind = found.settings.depth.kind
    # Raw and compressed are twins of one image.
    taken = [topic_choice.without_transport(camera.depth_in) for camera in found.cameras
             if camera.depth_in]
    if kind != costmap_settings.METRIC and topic_choice.without_transport(found.depth) in taken:
        raise ConfigurationError(
            'Depth of unknown scale is not a reference in metres',
            got=f'{found.depth}, which depth.kind calls {kind} in the parameter file',
            expected='another topic for --depth-topic',
            remedy='Where that topic holds metres, set depth.kind: metric.')
    return found


def _network(options: argparse.Namespace, model: str, spec: Optional[str],
             changes: Dict[str, Any]) -> run_network.NetworkChoice:
    values: Dict[str, Any] = {
        'input_size': options.input_size[0] if options.input_size else None,
        'backend': options.backend, 'precision': options.precision, 'graph': options.graph,
        'resize': options.resize,
        'postprocess': options.postprocess, 'threshold': options.threshold}
    values.update(changes)
    try:
        threshold = float(values['threshold'])
    except ValueError as error:
        raise ConfigurationError('Threshold of the reference is not a number',
                                 got=values['threshold'], expected='0..1') from error
    settings = SegmenterSettings(values['resize'], values['postprocess'], threshold)
    settings.check()
    threads = options.threads
    if not threads and options.workers > 1:
        threads = max(1, default_threads() // options.workers)
    return run_network.NetworkChoice(model, spec, values['backend'], threads, values['precision'],
                                     settings, values['graph'], values['input_size'])


def _setting(text: str) -> Tuple[str, Any]:
    name, equals, value = text.partition('=')
    known = ('backend', 'precision', 'graph', 'resize', 'postprocess', 'threshold', 'input_size')
    if not equals or name not in known:
        raise ConfigurationError('Unknown setting of the reference', got=repr(text),
                                 expected='NAME=VALUE with one of ' + ', '.join(known))
    choices: Dict[str, Sequence[str]] = {
        'backend': run_network.BACKENDS, 'precision': PRECISIONS, 'graph': run_network.GRAPHS}
    if name in choices and value not in choices[name]:
        raise ConfigurationError(f'Unknown {name} of the reference', got=repr(value),
                                 expected='one of ' + ', '.join(choices[name]))
    if name != 'input_size':
        return name, value
    try:
        return name, command.size_wh(value)
    except argparse.ArgumentTypeError as error:
        raise ConfigurationError('Wrong input size of the reference', got=repr(value),
                                 expected='WIDTHxHEIGHT, such as 512x384') from error


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status, see the parser's epilog; 130 interrupted
    """
    parser = make_parser()
    parser.parse_args(arguments)
    logging.basicConfig(format='%(message)s', level=logging.INFO, stream=sys.stderr)

    def task() -> int:
        given = parse(arguments)
        with command.wrong_arguments(parser):
            _check(given)
        if given.compare:
            return _compare(given)
        try:
            return _evaluate_sizes(given) if len(given.input_size or []) > 1 else _evaluate(given)
        except evaluator.NoFramesError as error:
            if not given.strict:
                raise
            return command.judge([str(error)])
    return command.run('evaluate', task, command.NO_REPORT)


def parse(arguments: Optional[List[str]]) -> argparse.Namespace:
    """
    Return the options of a command line, with those that a live node's file gives.

    :param arguments: of the command line, without the program's name
    :raises ConfigurationError: the file cannot be used
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    rotations: Tuple[Tuple[str, int], ...] = ()
    cameras: Tuple[Tuple[str, str], ...] = ()
    node = live_node.read(options)
    if node is not None:
        # What stands on the command line counts more than the file.
        parser.set_defaults(**node.defaults())
        options = parser.parse_args(arguments)
        if options.rotate is None:
            # Cameras that differ; what stands on the command line is for all.
            options.rotate, rotations = 0, node.rotations()
        topics = [node.image_topic(camera) for camera in node.cameras]
        if len(topics) > 1:
            cameras = tuple(zip([camera.name for camera in node.cameras], topics))
        else:
            options.topic = options.topic or list(filter(None, topics))
        size = node.file.parameters.input_size
        options.input_size = options.input_size or ([size] if any(size) else None)
    options.live_node, options.rotations, options.cameras = node, rotations, cameras
    return options


def _check(options: argparse.Namespace) -> None:
    _, _, allowed = _bounds(options)
    if options.compare:
        if options.inputs:
            raise ConfigurationError('--compare takes no recordings', got=options.inputs[0],
                                     remedy='Give --baseline to evaluate and compare in one go.')
        return
    if allowed and not options.baseline:
        raise ConfigurationError('No baseline for --max-regression',
                                 remedy='Name one with --baseline REPORT.json.')
    if options.mapping and options.mapping != SAME:
        model_classes.resolve(MAPPINGS, options.mapping)
    if options.costmap:
        model_classes.resolve(COST_PROFILES, options.costmap)
    make_request(options)


def _evaluate_sizes(options: argparse.Namespace) -> int:
    """Evaluate each size as by itself; the worst exit status counts."""
    sizes = list(dict.fromkeys(options.input_size))
    # A size that the network cannot have is told before hours of evaluating others.
    found = verdicts.resolve_judged(options.model, options.spec)
    for size in sizes:
        at_size(found.onnx_path, found.spec, size)
    statuses, figures, title = [], [], ''
    for size in sizes:
        own = argparse.Namespace(**dict(
            vars(options), input_size=[size],
            output=os.path.join(options.output, '{}x{}'.format(*size))))
        statuses.append(_evaluate(own))
        report = document.read_json(os.path.join(own.output, REPORTS[2]))
        figures.append(report['figures'])
        title = report['network']['model']
    network = make_request(options).job.network
    times = input_sizes.time_sizes([network._replace(input_size_wh=size) for size in sizes],
                                   sample_pictures(TIMED_PICTURE_WH)[1])
    rows = input_sizes.rows_of(sizes, times, figures)
    page = input_sizes.markdown(rows, title)
    for name, text in (('sizes.md', page), ('sizes.svg', input_sizes.chart_svg(rows)),
                       ('sizes.json', json.dumps([row._asdict() for row in rows], indent=1))):
        with open(os.path.join(options.output, name), 'w', encoding='utf-8') as stream:
            stream.write(text)
    print(page)
    return max(statuses)


def _evaluate(options: argparse.Namespace) -> int:
    at_least, at_most, allowed = _bounds(options)
    baseline = document.read_json(options.baseline) if options.baseline else None
    request = make_request(options)
    # What is missing for the report is told before hours of evaluating.
    html_page.import_jinja2()
    command.make_report_folder(options.output)
    paths = [os.path.join(options.output, name) for name in REPORTS]
    line = progress.ProgressLine('evaluating', progress.FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = evaluator.evaluate(request, folder, line.update)
        finally:
            line.finish()
        document.write_json(report, paths[2])
        page = render_markdown(report)
        for path, text in zip(paths, (html_page.render_html(report), page)):
            with open(path, 'w', encoding='utf-8') as stream:
                stream.write(text)
    print(page)
    print('Reports: ' + ', '.join(paths))
    problems = thresholds.failures(report.document, at_least, at_most)
    left_out = report.document['left_out']
    if options.strict and left_out['listed']:
        problems.append(f"{left_out['frames']} frames were left out" + (
            ' and more were lost' if left_out['inputs_of_unknown_loss'] else ''))
    if baseline is not None:
        after = document.read_json(paths[2])
        print(compare.render_comparison(compare.compare_reports(baseline, after), baseline, after))
        problems += compare.regressions(baseline, after, allowed)
    return command.judge(problems)


def _compare(options: argparse.Namespace) -> int:
    before, after = (document.read_json(
        os.path.join(path, 'report.json') if os.path.isdir(path) else path)
        for path in options.compare)
    at_least, at_most, allowed = _bounds(options)
    print(compare.render_comparison(compare.compare_reports(before, after), before, after))
    return command.judge(compare.regressions(before, after, allowed)
                         + thresholds.failures(after, at_least, at_most))


def _bounds(options: argparse.Namespace) -> Tuple[List[thresholds.Bound], ...]:
    """Return the lower limits, the upper ones, and the allowed losses."""
    return ([thresholds.parse_bound(text) for text in options.fail_under],
            [thresholds.parse_bound(text) for text in options.fail_over],
            [thresholds.parse_bound(text, 'miou') for text in options.max_regression])
