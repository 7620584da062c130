# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``demo``: a simulated camera and the node over real DDS on one machine."""

import argparse
import json
import os
import time
from typing import Any, List, Optional

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.cli.support import ros_environment
from segformer_ros.cli.support.node_process import await_node
from segformer_ros.cli.support.node_process import NodeProcess
from segformer_ros.cli.support.progress import FRAMES
from segformer_ros.cli.support.progress import ProgressLine
from segformer_ros.common.errors import SegformerRosError

WORLDS = ('indoor', 'outdoor')
RATE = 2.5
"""Images a second; of the world's time too."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='demo', description='Run a simulated camera and the node over real DDS. Write '
        'pictures, an animation and summary.json.')
    parser.add_argument('--output', default='demo_output', metavar='FOLDER',
                        help='folder for the results (default: %(default)s)')
    parser.add_argument('--world', choices=WORLDS, action='append',
                        help='kind of world; may be repeated (default: all)')
    parser.add_argument('--frames', type=command.number_within(1, 10 ** 6), default=24,
                        metavar='N', help='images of each world (default: %(default)s)')
    parser.add_argument('--seed', type=command.number_within(0, 2 ** 32 - 1), default=2020260,
                        metavar='N',
                        help='of the worlds; the shipped model has seen seeds below 100000 only '
                        '(default: %(default)s)')
    parser.add_argument('--size', type=command.number_within(16, 4096), nargs=2,
                        default=(480, 360),
                        metavar=('WIDTH', 'HEIGHT'), help='of the images (default: 480 360)')
    parser.add_argument('--model', default='segformer_sim', metavar='NAME',
                        help='name or path, as the parameter of the node (default: %(default)s)')
    parser.add_argument('--patience', type=command.number_within(0, 86400, float, above=True),
                        default=60.0, metavar='SECONDS',
                        help='without any new mask after which the demo gives up '
                        '(default: %(default)g)')
    return parser


def main(args: Optional[List[str]] = None) -> int:
    """Run the demo; the exit status is 0 if every world gave results, 130 if interrupted."""
    options = make_parser().parse_args(ros_environment.own_arguments('demo', args))
    return command.run('demo', lambda: run(options))


def run(options: argparse.Namespace) -> int:
    """
    Run all worlds and write the results.

    :return: command.DONE
    :raises SegformerRosError: a node failed, or nothing came for too long
    """
    from segformer_ros.evaluation.demo.pictures import DemoPictures
    from segformer_ros.evaluation.demo.report import DemoReport
    from segformer_ros.model.classes import load_class_table
    from segformer_ros.ros.peers.demo_listener import DemoListener
    # Before rclpy starts: a transport that carries images, and nobody else's robots.
    ros_environment.carry_images()
    ros_environment.keep_apart()
    command.make_report_folder(options.output)
    # The world's labels are ADE20K's, whatever the model.
    classes = load_class_table('ade20k')
    report = DemoReport(classes)
    remaps = {'image': '/camera/image_raw', 'camera_info': '/camera/camera_info'}
    log = os.path.join(options.output, 'segformer.log')
    parameters = {'model': options.model, 'ground_frame': 'base_link'}
    with NodeProcess('segformer_ros.cli.segformer', log, parameters, remaps) as node, \
            DemoListener() as listener:
        await_node(node, listener, options.patience)
        for world in options.world or WORLDS:
            drive(world, options, node, listener, report)
    summary = report.summary()
    path = os.path.join(options.output, 'summary.json')
    with open(path, 'w', encoding='utf-8') as stream:
        json.dump(summary, stream, indent=2, sort_keys=True)
        stream.write('\n')
    titles = {world: f'segformer_ros, simulated {world} world' for world in report.frames}
    notes = {world: 'mIoU {mean_iou:.2f}'.format(**figures)
             for world, figures in summary['worlds'].items()}
    for name in [path, *DemoPictures(report.frames, classes, titles, notes).write(options.output)]:
        print(name)
    for world, figures in summary['worlds'].items():
        print('{}: mIoU {mean_iou:.3f}, pixel accuracy {pixel_accuracy:.3f}, costmap right in '
              '{costmap_agreement} of its cells, {frames} images, {rate} per second'.format(
                  world, **figures))
    print('all: mIoU {mean_iou:.3f} over the {count} classes that occur'.format(
        count=len(summary['all']['iou']), **summary['all']))
    return command.DONE


def drive(world: str, options: argparse.Namespace, node: NodeProcess, listener: Any,
          report: Any) -> None:
    """
    Run one world to its last image.

    :raises SegformerRosError: a node failed, or nothing came for too long
    """
    from segformer_ros.costmap.cost_table import load_cost_table
    from segformer_ros.evaluation.demo.truth import grid_pair
    from segformer_ros.simulation.world.world import World
    # The cost profiles are named as the worlds.
    listener.begin(world)
    truth, costs = World(world, options.seed), load_cost_table(world, report.classes)
    parameters = {
        'world': world, 'seed': options.seed, 'frames': options.frames,
        'width': options.size[0], 'height': options.size[1],
        # The node, and the listener of this process.
        'wait_for_subscribers': 2, 'rate': RATE}
    log = os.path.join(options.output, f'camera_{world}.log')
    progress = ProgressLine(world, FRAMES)
    with NodeProcess('segformer_ros.cli.simulated_camera', log, parameters,
                     {'__ns': '/camera'}) as camera:
        done = 0
        last = time.monotonic()
        ended: Optional[float] = None
        while done < options.frames:
            for heard in listener.wait(0.1):
                report.add(world, heard.frame._replace(
                    grids=grid_pair(truth, costs, heard.grid, RATE)))
                done += 1
                last = time.monotonic()
                progress.update(done, options.frames)
            node.check()
            camera.check()
            now = time.monotonic()
            if camera.has_ended and ended is None:
                ended = now
            # Frames that the node superseded never come: five seconds after the last image
            # nothing is on its way any more.
            if now - last > options.patience or (
                    ended is not None and now - max(ended, last) > 5.0):
                break
    progress.finish()
    if not done:
        raise SegformerRosError(
            f'No mask came for the {world} world within {options.patience:g} s',
            remedy=f'The last words of the node:\n{node.last_words()}')
