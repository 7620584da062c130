# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``drive``: a simulated robot that a small planner steers by the node's costmap."""

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
from segformer_ros.cli.support import node_process
from segformer_ros.cli.support import ros_environment
from segformer_ros.common.errors import SegformerRosError

WORLDS = ('indoor', 'outdoor')
GRID_SIZE = 16.0
"""Metres; of the node's grid. The planner's costmap has a block less on each side."""
BLOCK = 1.0
PICTURE_EVERY = 1.5
"""Simulated seconds between two pictures of the animation."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='drive', description='Let a simulated robot drive to goals by the costmap of the '
        'node, over real DDS, without Nav2. Write drive.json, drive.md and an animation.')
    parser.add_argument('--output', default='drive_output', metavar='FOLDER',
                        help='folder for the results (default: %(default)s)')
    parser.add_argument('--world', choices=WORLDS, default='indoor',
                        help='kind of world (default: %(default)s)')
    parser.add_argument('--seed', type=command.number_within(0, 2 ** 32 - 1), default=2020260,
                        metavar='N', help='of the world (default: %(default)s)')
    parser.add_argument('--goals', type=command.number_within(1, 1000), default=3, metavar='N',
                        help='places on the route of the world (default: %(default)s)')
    parser.add_argument('--spacing', type=command.number_within(0.5, 6.0, float), default=4.0,
                        metavar='METRES', help='between two of them along the route '
                        '(default: %(default)g)')
    parser.add_argument('--people', action='store_true', help='people walk about')
    parser.add_argument('--rate', type=command.number_within(0.5, 30.0, float), default=4.0,
                        metavar='HZ', help='images a second (default: %(default)g)')
    parser.add_argument('--speed', type=command.number_within(0.05, 3.0, float), default=0.5,
                        help='metres per second (default: %(default)g)')
    parser.add_argument('--size', type=command.number_within(16, 4096), nargs=2,
                        default=(320, 240), metavar=('WIDTH', 'HEIGHT'),
                        help='of the images (default: 320 240)')
    parser.add_argument('--mount-error', type=command.number_within(-10.0, 10.0, float),
                        default=0.0, metavar='DEGREES',
                        help='by which the camera looks higher than it says (default: 0)')
    parser.add_argument('--real-time-factor', type=command.number_within(0.05, 20.0, float),
                        default=1.0, metavar='X', help='at most (default: %(default)g)')
    parser.add_argument('--model', default='segformer_sim', metavar='NAME',
                        help='name or path, as the parameter of the node (default: %(default)s)')
    parser.add_argument('--no-animation', action='store_true', help='write figures alone')
    parser.add_argument('--patience', type=command.number_within(0, 86400, float, above=True),
                        default=60.0, metavar='SECONDS',
                        help='without any odometry after which the drive gives up '
                        '(default: %(default)g)')
    return parser


def main(args: Optional[List[str]] = None) -> int:
    """Run the drive; the exit status is 0 if it came to its end, whatever was reached."""
    options = make_parser().parse_args(ros_environment.own_arguments('drive', args))
    return command.run('drive', lambda: run(options))


def run(options: argparse.Namespace) -> int:
    """
    Drive to all goals and write the results.

    :return: command.DONE
    :raises SegformerRosError: a node failed, or scikit-image is missing
    """
    from segformer_ros.evaluation.drive import planner
    from segformer_ros.evaluation.drive import report
    # Before rclpy starts: a transport that carries images, and nobody else's robots.
    ros_environment.carry_images()
    ros_environment.keep_apart()
    planner.check_installed()
    command.make_report_folder(options.output)
    began = time.monotonic()
    drive = _Drive(options)
    costs = drive.go()
    figures = report.summary(options.world, options.seed, options.model, drive.judge.goals, costs)
    paths = [os.path.join(options.output, name) for name in ('drive.json', 'drive.md')]
    for path, text in zip(paths, (json.dumps(figures, indent=2, sort_keys=True) + '\n',
                                  report.page(figures))):
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(text)
    if drive.frames:
        paths.append(drive.write_animation(os.path.join(options.output, 'drive.gif')))
    for path in paths:
        print(path)
    print('{reached} of {goals} goals, {contacts} contacts, {stops_without_cause} stops without '
          'cause, least clearance {least_clearance} m, real-time factor {real_time_factor}; '
          '{total:.0f} s in all'.format(total=time.monotonic() - began, **figures))
    return command.DONE


class _Drive:
    """One drive: its world, its judge and its planner."""

    def __init__(self, options: argparse.Namespace) -> None:
        from segformer_ros.evaluation.drive import judge
        from segformer_ros.evaluation.drive import navigator
        from segformer_ros.evaluation.drive import planner
        from segformer_ros.simulation.robot.surroundings import Surroundings
        from segformer_ros.simulation.world.world import World
        self._options = options
        world = World(options.world, options.seed)
        if not options.people:
            world.walkers = []
        self._goals = judge.goals_along(world.route, world.route_length, world.closed,
                                        options.goals, options.spacing)
        self._truth = judge.true_costmap(world, [world.route(0.0), *self._goals])
        settings = navigator.NavigatorSettings(pursuit=planner.Pursuit(speed=options.speed))
        self._radius = settings.inflation.radius
        self.judge = judge.Judge(Surroundings(world), self._radius)
        self._navigator = navigator.Navigator(settings, GRID_SIZE - 2.0 * BLOCK)
        self.frames: List[Any] = []
        self._pictured = 0.0

    def go(self) -> Any:
        """Drive to all goals; return what it took."""
        from segformer_ros.evaluation.drive.report import Costs
        from segformer_ros.ros.peers.drive_listener import DriveListener
        options = self._options
        node_parameters = {
            'model': options.model, 'ground_frame': 'base_link', 'use_sim_time': 'true',
            'cost_profile': options.world, 'costmap_rate': 5.0, 'grid.size': GRID_SIZE,
            'grid.block': BLOCK, 'projection.robot_radius': self._radius}
        camera_parameters = {
            'world': options.world, 'seed': options.seed, 'width': options.size[0],
            'height': options.size[1], 'rate': options.rate, 'pose_source': 'cmd_vel',
            'publish_clock': 'true', 'real_time_factor': options.real_time_factor,
            'people': str(options.people).lower(), 'robot_radius': self._radius,
            'max_speed': options.speed, 'mount_error': options.mount_error,
            # The node, and the listener of this process.
            'wait_for_subscribers': 2}
        log = os.path.join(options.output, 'segformer.log')
        remaps = {'image': '/camera/image_raw', 'camera_info': '/camera/camera_info'}
        with node_process.NodeProcess('segformer_ros.cli.segformer', log, node_parameters,
                                      remaps) as node, \
                DriveListener(self._navigator, self.judge.add) as listener:
            node_process.await_node(node, listener, options.patience)
            log = os.path.join(options.output, 'camera.log')
            with node_process.NodeProcess('segformer_ros.cli.simulated_camera', log,
                                          camera_parameters, {'__ns': '/camera'}) as camera:
                self._await_motion(node, camera, listener)
                first, wall = listener.now, time.monotonic()
                for number, goal in enumerate(self._goals):
                    self._drive_to(number, goal, node, camera, listener)
                return Costs(listener.now - first, time.monotonic() - wall, {
                    'node': node_process.usage_of(node.pid).cpu,
                    'world': node_process.usage_of(camera.pid).cpu},
                    listener.latencies)

    def _await_motion(self, node: node_process.NodeProcess, camera: node_process.NodeProcess,
                      listener: Any) -> None:
        deadline = time.monotonic() + self._options.patience
        while listener.robot is None or listener.truth is None:
            listener.wait(0.1)
            node.check()
            camera.check()
            if time.monotonic() > deadline:
                raise SegformerRosError('The simulated robot does not start',
                                        remedy=f'Its last words:\n{camera.last_words()}')

    def _drive_to(self, number: int, goal: Any, node: node_process.NodeProcess,
                  camera: node_process.NodeProcess, listener: Any) -> None:
        from segformer_ros.evaluation.drive.judge import best_length
        start = listener.truth
        best = best_length(self._truth, (start.x, start.y), goal, self._radius)
        self.judge.begin(goal, best)
        self._navigator.begin(goal, listener.now)
        last, heard = listener.now, time.monotonic()
        while True:
            listener.wait(0.05)
            node.check()
            camera.check()
            if listener.now != last:
                last, heard = listener.now, time.monotonic()
            elif time.monotonic() - heard > self._options.patience:
                raise SegformerRosError('The simulated robot has fallen silent',
                                        remedy=f'Its last words:\n{camera.last_words()}')
            self._picture(number, goal, listener)
            if self._navigator.has_arrived(listener.robot):
                figures = self.judge.end(True)
                break
            if self._navigator.gives_up(listener.now):
                figures = self.judge.end(False)
                break
        print(f"goal {number + 1}: {'reached' if figures.reached else 'given up'} after "
              f'{figures.seconds:.1f} s', flush=True)

    def _picture(self, number: int, goal: Any, listener: Any) -> None:
        import numpy as np
        from segformer_ros.evaluation.drive import pictures
        if self._options.no_animation or not listener.pictures or \
                self._navigator.costmap is None or listener.now - self._pictured < PICTURE_EVERY:
            return
        self._pictured = listener.now
        truth = listener.truth
        # Drawn at the end: meanwhile the processors belong to the loop.
        self.frames.append(pictures.Scene(
            listener.now, listener.pictures['image'][1], listener.pictures['overlay'][1],
            self._navigator.costmap, self._navigator.known(), (truth.x, truth.y, truth.yaw),
            self._navigator.path, np.array(self.judge.way[::5]).reshape(-1, 2), goal,
            f'goal {number + 1} of {len(self._goals)}, {listener.now:.1f} s'))

    def write_animation(self, path: str) -> str:
        """Draw and write the animation; return its path."""
        from segformer_ros.evaluation.demo.pictures import write_gif
        from segformer_ros.evaluation.drive import pictures
        title = f'segformer_ros drives, simulated {self._options.world} world'
        write_gif(path, [pictures.frame(scene, self._truth, title, self._radius)
                         for scene in self.frames], 0.3, pictures.kept_colors())
        return path
