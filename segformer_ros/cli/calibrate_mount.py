# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``calibrate_mount``: how cameras are mounted, from a drive with odometry."""

import argparse
import functools
import math
import os
from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Sequence, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.calibration import drive as calibration_drive
from segformer_ros.calibration import findings as calibration_findings
from segformer_ros.calibration import pictures
from segformer_ros.calibration import report
from segformer_ros.calibration import solver
from segformer_ros.calibration.ground_motion import mount_of
from segformer_ros.calibration.motion_log import MotionLog
from segformer_ros.calibration.trajectory import import_scipy
from segformer_ros.cli.support import camera_names
from segformer_ros.cli.support import command
from segformer_ros.cli.support import ros_environment
from segformer_ros.common import errors
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry.camera_poses import Mount
from segformer_ros.evaluation.sources import bag_drive
from segformer_ros.evaluation.sources import bag_reader
from segformer_ros.evaluation.sources import topic_choice
from segformer_ros.evaluation.sources.bag_source import decode_image_message
from segformer_ros.model.classes import load_class_table
from segformer_ros.segmentation.load_model import load_model

INCOMPLETE = 3
SHIPPED = 'segformer_sim'
"""The network that is used where none was named."""

Images = Iterable[Tuple[float, str, Any]]
"""Stamp in seconds, frame and message of each image."""


class Camera(NamedTuple):
    """
    A camera that is to be calibrated.

    ``name`` is that of its files; ``parameter_name`` that among the node's cameras, empty where
    it is the only one.
    """

    name: str
    parameter_name: str
    topics: bag_drive.CameraTopics
    images: Callable[[], Images]
    decode: Callable[[Any], Any]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    defaults = calibration_drive.DriveSettings()
    parser = argparse.ArgumentParser(
        prog='calibrate_mount', formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Find pitch, roll, yaw and height of cameras from a drive of a few metres '
                    'with odometry, over ground with some texture. No target is needed.',
        epilog=f'Exit status: {command.DONE} all numbers found; {command.FAILED} could not be '
               f'done, with a message; 2 wrong arguments; {INCOMPLETE} the drive does not '
               'determine some number.')
    parser.add_argument('bag', nargs='?', metavar='BAG',
                        help='recording (mcap, sqlite3, ROS 1); without one, live topics')
    parser.add_argument('-o', '--output', default='mount', help='folder for what is written')
    reading = parser.add_argument_group('reading')
    reading.add_argument('--topic', action='append', default=[],
                         help='image topic or pattern; may be given again for more cameras')
    reading.add_argument('--camera-info', action='append', default=[], metavar='TOPIC',
                         help='of each camera; by default the one beside its images')
    reading.add_argument('--odometry', default='', metavar='TOPIC',
                         help='nav_msgs/Odometry; by default the transform from --odom-frame')
    reading.add_argument('--odom-frame', default='odom', help='in which the robot moves')
    reading.add_argument('--ground-frame', default='',
                         help='of the robot, with z = 0 on the ground; by default base_footprint, '
                              'or base_link where there is none')
    reading.add_argument('--seconds', type=command.number_within(1.0, 3600.0, float),
                         default=120.0, help='that live topics are listened to at most')
    start = parser.add_argument_group('start, where no transform tells the mount; degrees, metres')
    start.add_argument('--height', type=command.number_within(0.02, 50.0, float),
                       help='of the lens above the ground, to within a third')
    start.add_argument('--pitch', type=command.number_within(-30.0, 90.0, float),
                       help='below the horizon, to within 10')
    start.add_argument('--roll', type=command.number_within(-180.0, 180.0, float))
    start.add_argument('--yaw', type=command.number_within(-180.0, 180.0, float),
                       help='to the left, to within 10')
    start.add_argument('--x', type=float, help='of the lens ahead of the ground frame; measured '
                       'by hand, the drive does not tell it')
    start.add_argument('--y', type=float, help='to the left of it, likewise')
    using = parser.add_argument_group('using')
    using.add_argument('--model', default=SHIPPED,
                       help='name, or ONNX file; the shipped one knows only simulated worlds')
    using.add_argument('--profile', default='outdoor',
                       help='cost profile: its classes with a cost are ground')
    using.add_argument('--frames', type=command.number_within(8, 1000), default=defaults.frames,
                       help='images at most')
    using.add_argument('--step', type=command.number_within(0.0, 5.0, float),
                       default=defaults.step,
                       help='metres between images; 0: a fifth of the height')
    using.add_argument('--noise', type=command.number_within(0.0, 0.5, float),
                       default=defaults.noise.share,
                       help='of odometry between two images, as a share of the way')
    using.add_argument('--max-offset', type=command.number_within(0.0, 1.0, float),
                       default=defaults.most_delay, metavar='SECONDS',
                       help='between the stamps of images and odometry; 0 does not look for one')
    return parser


def main(args: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param args: of the command line, without the program's name
    :return: exit status, see the parser's epilog; 130 interrupted
    """
    options = make_parser().parse_args(ros_environment.non_ros_arguments(args))
    return command.run('calibrate_mount', lambda: calibrate(options))


def calibrate(options: argparse.Namespace) -> int:
    """
    Calibrate all cameras of a recording, or of a robot that is driven now.

    :return: command.DONE or INCOMPLETE
    :raises SegformerRosError: it cannot be done
    """
    # What is missing is told before anybody drives.
    import_scipy()
    segmenter = load_model(options.model)
    try:
        kinds = load_cost_table(options.profile, load_class_table(segmenter.spec.classes)).kinds

        def find_ground(image: Any) -> Any:
            return kinds[segmenter.segment(image, with_confidence=False).mask] == GROUND

        log = MotionLog(options.odom_frame, options.ground_frame)
        cameras = _live_cameras(options, log) if options.bag is None else \
            _recorded_cameras(options, log)
        command.make_report_folder(options.output)
        remarks = [] if segmenter.spec.name != SHIPPED else [
            f'Labels are of {SHIPPED}, which knows only simulated worlds: give --model for '
            'pictures of a real camera.']
        is_complete = True
        for camera in cameras:
            is_complete &= _calibrate_camera(camera, log, options, find_ground, remarks)
    finally:
        segmenter.backend.close()
    return command.DONE if is_complete else INCOMPLETE


def start_of(options: argparse.Namespace, told: Optional[Mount], frame: str = '') -> Mount:
    """
    Return where the search begins: what was given, else what the transform tells.

    :param frame: of the images, for the message
    :raises ConfigurationError: neither tells height and pitch
    """
    given = {'height': options.height}
    given.update({name: None if value is None else math.radians(value) for name, value in (
        ('pitch', options.pitch), ('roll', options.roll), ('yaw', options.yaw))})
    given.update(x=options.x, y=options.y)
    if told is None and (options.height is None or options.pitch is None):
        raise errors.ConfigurationError(
            'No mount to begin with', got=f'no transform to frame {frame!r} of the images',
            expected='a transform to the optical frame of the images',
            remedy='Correct frame_id of the images or the transforms, or give '
            'about --height (metres) and --pitch (degrees below the horizon).')
    base = Mount(1.0, 0.0) if told is None else told
    start = base._replace(**{name: value for name, value in given.items() if value is not None})
    if start.height <= 0.0:
        raise errors.ConfigurationError(
            'Camera is not above the ground', got=f'{start.height:.3f} m by its transform',
            expected='a height above 0', remedy='Give --height, or another --ground-frame.')
    return start


def _recorded_cameras(options: argparse.Namespace, log: MotionLog) -> List[Camera]:
    bag, found = bag_drive.find_drive(options.bag, options.topic, options.camera_info)
    bag_drive.read_motion(bag, log, [topics.info for topics in found], options.odometry)

    def odometry_topics() -> List[str]:
        with bag_reader.BagPartReader(bag.parts[0]) as reader:
            return [topic.name for topic in reader.topics()
                    if topic.type_name == bag_drive.ODOMETRY]

    _check_odometry(log, options.odometry, odometry_topics)
    names = camera_names.camera_names([topics.image for topics in found])
    return [Camera(_file_name(topics.image), name, topics,
                   functools.partial(bag_drive.read_images, bag, topics.image),
                   decode_image_message) for topics, name in zip(found, names)]


def _live_cameras(options: argparse.Namespace, log: MotionLog) -> List[Camera]:
    if not options.topic:
        raise errors.ConfigurationError(
            'No image topic',
            expected='--topic for each camera of a live robot, or a recording')
    if options.camera_info and len(options.camera_info) != len(options.topic):
        raise errors.ConfigurationError('Not one CameraInfo for each camera',
                                        got=', '.join(options.camera_info),
                                        expected='as many as ' + ', '.join(options.topic))
    try:
        from segformer_ros.ros.peers.calibration_listener import CalibrationListener
    except ImportError as error:
        raise errors.BackendError('Live topics need ROS', got=error,
                                  remedy='Source a ROS 2 installation.') from error
    from segformer_ros.segmentation.images.compressed import compressed_to_rgb
    from segformer_ros.segmentation.images.decoding import image_to_rgb
    ros_environment.carry_images()
    infos = options.camera_info or [topic_choice.camera_info_topic(topic)
                                    for topic in options.topic]
    topics = [bag_drive.CameraTopics(*pair) for pair in zip(options.topic, infos)]
    with CalibrationListener(log, topics, options.odometry) as listener:
        print(f'Drive a few metres with a bend. Listening for {options.seconds:.0f} s at most; '
              'Ctrl-C ends it earlier.', flush=True)
        try:
            # Images that are kept lie closer than those that are used.
            listener.spin_until(lambda: listener.kept >= 4 * options.frames, options.seconds)
        except KeyboardInterrupt:
            print('\nCalculating.', flush=True)
        images = listener.images
        # Images are kept by the way between them: without odometry there are none.
        _check_odometry(log, options.odometry, lambda: [
            topic for topic, types in listener.node.get_topic_names_and_types()
            if bag_drive.ODOMETRY in types])
    names = camera_names.camera_names([each.image for each in topics])
    return [Camera(_file_name(each.image), name, each,
                   functools.partial(images.__getitem__, each.image),
                   compressed_to_rgb if each.image.endswith(topic_choice.TWIN) else image_to_rgb)
            for each, name in zip(topics, names)]


def _check_odometry(log: MotionLog, wanted: str, topics: Callable[[], List[str]]) -> None:
    """
    Raise an error that names the topics which have odometry, where none was heard.

    :param wanted: topic that was named; empty for transforms
    :param topics: gives those of nav_msgs/Odometry
    """
    try:
        if wanted and not log.has_odometry:
            # Transforms would serve, but others were asked for.
            raise errors.InvalidInputError('No message on its topic', got=wanted)
        log.trajectory()
    except (errors.InvalidInputError, errors.TransformError) as error:
        # The own subscription puts the wanted one into the graph.
        there = [topic for topic in topics() if topic != wanted]
        raise errors.ConfigurationError(
            'No odometry of the drive',
            got=f'{error.problem[:1].lower()}{error.problem[1:]}, {error.got}',
            expected=f'transforms from {log.odom_frame} to {log.ground_frame}, or a topic of '
            'nav_msgs/Odometry',
            remedy='Check --odom-frame and --ground-frame.' if not there else
            'Give --odometry ' + ' or '.join(sorted(there)) + '.') from error


def _calibrate_camera(camera: Camera, log: MotionLog, options: argparse.Namespace,
                      find_ground: Callable[[Any], Any], remarks: Sequence[str] = ()) -> bool:
    noise = calibration_drive.DriveSettings().noise._replace(share=options.noise)
    settings = calibration_drive.DriveSettings(
        frames=options.frames, step=options.step, noise=noise, most_delay=options.max_offset)
    frame, told, unread = '', None, []
    drive: Optional[calibration_drive.Drive] = None
    for stamp, frame_id, message in camera.images():
        if drive is None:
            frame = frame_id
            pose = log.mount_of(frame)
            told = None if pose is None else mount_of(pose)
            drive = calibration_drive.Drive(log.trajectory(), start_of(options, told, frame),
                                            find_ground, settings)
        if drive.is_full:
            break
        if drive.wants(stamp):
            try:
                image = camera.decode(message)
            except errors.InvalidInputError as error:
                unread.append(error)
                continue
            drive.take(stamp, image)
    if unread and (drive is None or not drive.frames):
        raise unread[0]
    if drive is None:
        raise errors.ConfigurationError('No image on its topic', got=camera.topics.image)
    info = log.camera_info(camera.topics.info)
    size = None if not drive.frames else drive.frames[0].image.shape[1::-1]
    model = camera_model.CameraModel(camera_model.calibration_of(info), size,
                                     camera_model.is_rectified(camera.topics.image))
    solved = calibration_drive.calibrate(drive, model)
    guessed = [name for name in ('x', 'y') if told is None and getattr(options, name) is None]
    found = calibration_findings.find(camera.name, drive, solved, told, guessed)
    remarks = list(remarks)
    if told is None:
        remarks.append(f'No transform from {log.ground_frame} to the frame {frame!r} of the '
                       'images: the start is what was given.')
    if unread:
        remarks.append(f'{len(unread)} {"image was" if len(unread) == 1 else "images were"} left '
                       f'out: {unread[0]}')
    found = found._replace(remarks=tuple(remarks) + found.remarks)
    print(report.as_table(found))
    if solved.solution is not None:
        _write(camera, log, options, frame, drive, model, solved.followed.observations,
               solved.solution, found, told)
    return found.is_complete


def _write(camera: Camera, log: MotionLog, options: argparse.Namespace, frame: str,
           drive: calibration_drive.Drive, model: camera_model.CameraModel,
           seen: solver.Observations, solution: solver.Solution,
           found: calibration_findings.Findings, told: Optional[Mount]) -> None:
    joint = log.joint_of(frame, found.mount.matrix())
    texts = {'.yaml': report.as_parameters(found, camera.parameter_name),
             '.txt': '\n'.join([report.as_table(found), '', report.as_transform(joint), '',
                                report.as_urdf(joint), ''])}
    stem = os.path.join(options.output, camera.name)
    for ending, text in texts.items():
        with open(stem + ending, 'w', encoding='utf-8') as stream:
            stream.write(text)
    middle = drive.frames[len(drive.frames) // 2].image
    pictures.write_png(stem + '_residuals.png', pictures.draw_residuals(middle, seen, solution))
    pictures.write_png(stem + '_ground.png', pictures.draw_mosaics(
        drive, model, drive.start if told is None else told, found.mount, solution.delay))
    print(f'\n{texts[".yaml"]}\n{report.as_transform(joint)}\n\n{report.as_urdf(joint)}\n\n'
          f'Written: {stem}.yaml, .txt, _residuals.png, _ground.png')


def _file_name(topic: str) -> str:
    return topic_choice.without_transport(topic).strip('/').replace('/', '_')
