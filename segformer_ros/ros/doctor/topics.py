# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checks of an observed ROS graph: pure functions."""

import json
import math
from typing import Any, List, Optional, Tuple

from segformer_ros.common import errors
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.text import plain
from segformer_ros.costmap import stopping
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry.camera_poses import STAND_INS
from segformer_ros.costmap.settings import SETTINGS
from segformer_ros.ros.doctor import graph
from segformer_ros.ros.doctor.check_result import CheckResult
from segformer_ros.ros.doctor.check_result import from_error
from segformer_ros.ros.doctor.topic_counter import TopicObservation
from segformer_ros.ros.io import image_types
from segformer_ros.segmentation.images.compressed import compressed_to_rgb
from segformer_ros.segmentation.images.decoding import image_to_rgb
from segformer_ros.segmentation.images.video import VideoDecoder

TF_STATIC = '/tf_static'
SLOW = 1.0
"""Images per second below which ``warn_after`` of the node would be reached between two."""
OLD = 1.0
"""Seconds; a costmap of images this old lags half a metre behind a walking robot."""
LONGEST_ENCODING = 60
"""Characters; compressedDepth's formats are the longest."""
AHEAD = 0.1
"""Seconds that a stamp may lie ahead: what NTP leaves between two computers."""

LOST = (
    'Raw images above 512 KiB are lost over Fast DDS as it comes: start the camera driver with '
    'FASTRTPS_DEFAULT_PROFILES_FILE (Kilted: FASTDDS_DEFAULT_PROFILES_FILE) set to '
    'config/fastdds.xml, or send compressed ones. Else look whether it is triggered, and '
    'whether a firewall lets discovery through and data not.')
"""640 x 480 rgb8 has 900 KiB; of 3840 x 2160 nothing comes."""


def check_graph(observed: graph.GraphObservation, speed: float) -> List[CheckResult]:
    """
    Run every check of a graph.

    :param speed: at which the robot drives at most, metres per second
    """
    results = check_node(observed) + check_subscriptions(observed) + check_readers(observed)
    for camera in observed.cameras:
        results += check_images(camera.image, bool(observed.parameters.get('use_sim_time')))
        results += _for_costmap(observed, check_camera_info(camera))
    return results + _for_costmap(observed, check_transforms(observed)) + check_stop_polygons(
        observed, speed) + [check_time_source(observed)]


def check_node(observed: graph.GraphObservation) -> List[CheckResult]:
    """Check that the node is active, and add its own diagnostics."""
    node = observed.node
    if not observed.running:
        return [CheckResult(
            errors.WARN, 'node', f'{node} does not run in this domain',
            'Start it: ros2 launch segformer_ros segformer.launch.py, in the same '
            'ROS_DOMAIN_ID; other names: --node.' if not observed.others else
            'Name one of those that run: --node ' + ' or --node '.join(observed.others[:8]))]
    if not observed.answers:
        return [CheckResult(errors.ERROR, 'node', f'{node} runs but does not answer',
                            'Look at its log; end it with SIGINT and start it again.')]
    if observed.namesakes > 1:
        return [CheckResult(
            errors.WARN, 'node', f'{observed.namesakes} nodes are named {node}: their topics, '
            'services and parameters mix', 'Give each a name or a namespace of its own (__node, '
            '__ns). One that was killed is counted for some 20 s.')] + _check_state(observed)
    return _check_state(observed)


def _check_state(observed: graph.GraphObservation) -> List[CheckResult]:
    node = observed.node
    if observed.state == 'active':
        results = [CheckResult(errors.OK, 'node', f'{node} is active')]
    else:
        transition = 'activate' if observed.state == 'inactive' else 'configure'
        results = [CheckResult(
            errors.WARN, 'node',
            f"{node} is {observed.state or 'in no state'}, so it gives no masks",
            f'ros2 lifecycle set {node} {transition}')]
    for task, (level, message, _) in sorted(observed.diagnostics.items()):
        # STALE, which is 3, is as bad.
        results.append(CheckResult(
            min(level, errors.ERROR), 'node says', f'{task}: {message}',
            '' if level == errors.OK else 'The log of the node has the details; docs/topics.md '
            'tells what each entry means.'))
    if not observed.diagnostics:
        results.append(CheckResult(
            errors.WARN, 'node says', 'nothing on /diagnostics',
            'Listen for two seconds or longer (--seconds); a remapping may have moved it.'))
    return results


def check_subscriptions(observed: graph.GraphObservation) -> List[CheckResult]:
    """Check that what is published fits what the node listens to, by type and QoS."""
    results = []
    for topic, subscriptions, publishers in observed.subscriptions:
        types = sorted({each.type_name for each in subscriptions})
        images = any(name.endswith('Image') or name == image_types.PACKET for name in types)
        level = errors.ERROR if images else errors.WARN
        for publisher in publishers:
            fitting = [each for each in subscriptions if each.type_name == publisher.type_name]
            if subscriptions and not fitting:
                results.append(CheckResult(
                    level, 'topics', f'{topic}: {publisher.node} publishes {publisher.type_name}; '
                                     f"the node listens to {', '.join(types)}",
                    image_types.remedy_for(topic, [publisher.type_name])
                    if publisher.type_name in image_types.VIDEO else
                    'Remap one of them, or set image_transport or depth_transport to what the '
                    'topic carries.'))
                continue
            wanted = next((each for each in fitting if each.latched), None)
            if wanted is not None and topic.endswith(TF_STATIC) and not publisher.latched:
                results.append(CheckResult(
                    level, 'topics', f'{topic}: {publisher.node} publishes {_qos(publisher)}; '
                    'the node hears only what is sent while it runs',
                    'Let it publish transient local: a StaticTransformBroadcaster does, and so '
                    'does static_transform_publisher.'))
            elif fitting and not any(_matches(publisher, each) for each in fitting):
                wanted = fitting[0]
                results.append(CheckResult(
                    level, 'topics', f'{topic}: {publisher.node} publishes {_qos(publisher)}; '
                    f'the node wants {_qos(wanted)} and hears nothing of it',
                    'Let it publish transient local.' if wanted.latched and not publisher.latched
                    else 'Let it publish reliable.'))
    return results


def check_readers(observed: graph.GraphObservation) -> List[CheckResult]:
    """Check that who listens to the node asks for a QoS that it offers."""
    return [
        CheckResult(
            errors.WARN, 'topics', f'{topic}: {reader.node} asks for {_qos(reader)}; the node '
            f'offers {_qos(publishers[0])}, so nothing comes there',
            "Set the QoS of the reader to what is offered; docs/topics.md has each topic's.")
        for topic, readers, publishers in observed.published for reader in readers
        if publishers and not any(_matches(each, reader) for each in publishers)]


def _matches(publisher: graph.Endpoint, subscription: graph.Endpoint) -> bool:
    return publisher.reliable >= subscription.reliable \
        and publisher.latched >= subscription.latched


def _qos(endpoint: graph.Endpoint) -> str:
    return (f"{'reliable' if endpoint.reliable else 'best effort'}, "
            f"{'transient local' if endpoint.latched else 'volatile'}")


def check_images(topic: TopicObservation, simulated_time: bool) -> List[CheckResult]:
    """Check that images come, can be read, and are not old."""
    silent = _check_silence(topic, errors.ERROR,
                            'Start the camera driver, or remap image to its topic.')
    if silent:
        return silent
    node, qos = (topic.publishers[0][0], topic.publishers[0][2]) if topic.publishers \
        else ('nobody now', 'unknown')
    is_slow = topic.rate < SLOW
    results = [CheckResult(
        errors.WARN if is_slow else errors.OK, 'image',
        f'{topic.name}: {topic.rate:.1f} Hz from {node} ({qos})',
        'Look at the driver, its exposure time and the network; large images over Fast DDS need '
        'config/fastdds.xml on both sides.' if is_slow else '')]
    image = topic.newest
    if image is None:
        return results
    raw, packets = (topic.wanted_type == each for each in (image_types.RAW, image_types.PACKET))
    if not raw and VideoDecoder().takes(image):
        # One packet alone is no picture.
        name = plain(image.encoding if packets else image.format, LONGEST_ENCODING)
        return [*results, CheckResult(errors.OK, 'image', f'{name}, decoded by PyAV'),
                *_check_age(topic, simulated_time)]
    try:
        height, width = (
            image_to_rgb(image) if raw else VideoDecoder().decode(image)
            if packets else compressed_to_rgb(image)).shape[:2]
        encoding, frame = (plain(text, LONGEST_ENCODING) for text in (
            image.format if hasattr(image, 'format') else image.encoding, image.header.frame_id))
        results.append(CheckResult(
            errors.OK, 'image', f'{width} x {height} {encoding} in frame {frame!r}'))
    except SegformerRosError as error:
        results.append(from_error(errors.ERROR, 'image', error))
    return results + _check_age(topic, simulated_time)


def check_camera_info(camera: graph.CameraObservation) -> List[CheckResult]:
    """Check that CameraInfo comes and belongs to the images; masks do not need it."""
    topic, image = camera.info, camera.image.newest
    silent = _check_silence(topic, errors.WARN, 'The costmap needs it: start its publisher, or '
                            'remap camera_info.')
    if silent or topic.newest is None:
        return silent
    info = topic.newest
    try:
        camera_model.CameraModel(camera_model.calibration_of(info),
                                 rectified=camera_model.is_rectified(camera.image.name))
    except SegformerRosError as error:
        return [from_error(errors.WARN, 'camera_info', error)]
    if image is not None and camera.image.wanted_type.endswith('/Image'):
        width = (info.roi.width or info.width) // (info.binning_x or 1)
        height = (info.roi.height or info.height) // (info.binning_y or 1)
        # A scaled image is as good as the calibrated one; a cropped one is not.
        if abs(width * image.height - height * image.width) > max(image.width, image.height):
            return [CheckResult(
                errors.WARN, 'camera_info', f'{topic.name}: for {width} x {height} pixels, '
                f'images have {image.width} x {image.height}',
                'Publish the CameraInfo of this resolution.')]
    if image is not None and image.header.frame_id != info.header.frame_id:
        return [CheckResult(
            errors.WARN, 'camera_info', f'{topic.name}: frame {info.header.frame_id!r}, images '
            f'have {image.header.frame_id!r}', 'Give both the same frame_id in the driver.')]
    rate = 'latched' if topic.history else f'{topic.rate:.1f} Hz'
    return [CheckResult(errors.OK, 'camera_info', f'{topic.name}: {rate}, {info.width} x '
                        f'{info.height} {info.distortion_model or "no lens"}')]


def check_transforms(observed: graph.GraphObservation) -> List[CheckResult]:
    """Check that the pose of the camera in the world is known; masks do not need it."""
    results = [CheckResult(errors.WARN, 'tf', fault,
                           'Give each frame one parent, published by one node.')
               for fault in observed.transform_faults]
    frames = sorted({camera.image.newest.header.frame_id for camera in observed.cameras
                     if camera.image.newest is not None})
    if not observed.transforms:
        return results + [CheckResult(
            errors.WARN, 'tf', 'no transform on ' + ' or '.join(observed.transform_topics),
            'The costmap needs them: start robot_state_publisher and the odometry, or set '
            'mount.* and odom_frame equal to ground_frame.')]
    ground, odom = (observed.parameters.get(name) for name in ('ground_frame', 'odom_frame'))
    other = STAND_INS.get(ground or '')
    if other not in (None, odom) and not observed.transform_buffer.knows(str(ground)) and \
            observed.transform_buffer.knows(str(other)):
        results.append(CheckResult(
            errors.OK, 'tf', f'{other} stands in for {ground}, which no transform names'))
        ground = other
    targets = [ground, odom]
    for frame in frames:
        for target in sorted({each for each in targets if each}):
            try:
                observed.transform_buffer.lookup(target, frame)
                results.append(CheckResult(errors.OK, 'tf', f'{target} from {frame}'))
            except SegformerRosError as error:
                results.append(from_error(errors.WARN, 'tf', error))
    return results or [CheckResult(errors.OK, 'tf', f'{observed.transforms} transforms came')]


def check_stop_polygons(observed: graph.GraphObservation, speed: float) -> List[CheckResult]:
    """Check that Nav2's collision monitor, where it runs, looks far enough ahead to stop."""
    bumper = observed.parameters.get('projection.robot_radius')
    if bumper is None:
        bumper = SETTINGS['projection.robot_radius'].default
    delays = _delays(observed)
    needed = stopping.polygon_reach(bumper, speed, delays)
    results = []
    for name, points in sorted(observed.stop_polygons.items()):
        corners = _corners(points)
        # Circles, and polygons that a topic gives.
        if corners is None:
            continue
        reach = stopping.reach_ahead(corners)
        text = (f'{name} reaches {reach:.2f} m ahead, {needed:.2f} m are needed at '
                f'{speed:.2f} m/s with images {delays.age:.1f} s old and {delays.period:.1f} s '
                'apart')
        results.append(CheckResult(
            errors.WARN if reach < needed else errors.OK, 'stop polygon', text,
            f'Move its front to {needed:.2f} m (points of {graph.MONITOR}), drive slower (--speed '
            'tells how fast), or set projection.robot_radius to the bumper.'
            if reach < needed else ''))
    return results


def _delays(observed: graph.GraphObservation) -> stopping.Delays:
    """Return how late and how rarely images count, by themselves and by what the node says."""
    usual = stopping.Delays()
    images = [camera.image for camera in observed.cameras]
    rates = [image.rate for image in images]
    ages = [usual.age] + [image.age for image in images if image.age is not None]
    # A network that takes its time uses few of the images, and late.
    for _, _, values in observed.diagnostics.values():
        rates.append(_number(values.get('output rate [Hz]', '')))
        ages += [_number(text) for name, text in values.items() if name.endswith('mask age [s]')]
    return usual._replace(
        period=max([1.0 / rate for rate in rates if rate > 0.0], default=usual.period),
        age=max(ages))


def _number(text: str) -> float:
    """Return a figure of diagnostics, 0 where it is none."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _corners(points: Any) -> Optional[List[Tuple[float, float]]]:
    """Return a polygon as Nav2 takes it: pairs in a text, or numbers in a row (Humble)."""
    try:
        pairs = json.loads(points) if isinstance(points, str) \
            else list(zip(points[::2], points[1::2]))
        corners = [(float(x), float(y)) for x, y in pairs]
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None
    return corners if len(corners) > 2 else None


def check_time_source(observed: graph.GraphObservation) -> CheckResult:
    """Check that the node uses simulated time where somebody publishes it, and only there."""
    simulated = observed.parameters.get('use_sim_time')
    if simulated and not observed.clocks:
        return CheckResult(
            errors.ERROR, 'time', 'use_sim_time is set, and nobody publishes /clock',
            'Start the simulator or ros2 bag play --clock, or unset use_sim_time.')
    if simulated and observed.clock_times is not None and observed.clock_times < 2:
        return CheckResult(
            errors.ERROR, 'time', '/clock stands still, and so does the grid: '
            + ('one time came' if observed.clock_times else 'no time came'),
            'Let the simulation or the bag go on, or start its bridge of /clock again; a clock '
            'below 1 Hz needs --seconds above its period.')
    if observed.running and observed.answers and not simulated and observed.clocks:
        return CheckResult(
            errors.WARN, 'time', 'somebody publishes /clock, and use_sim_time is not set',
            'Set use_sim_time for the node where images come from a simulator or a bag.')
    return CheckResult(errors.OK, 'time', 'simulated' if simulated else 'of the system')


def _for_costmap(observed: graph.GraphObservation,
                 results: List[CheckResult]) -> List[CheckResult]:
    """Return results as OK where only a costmap would need better ones, and there is none."""
    if observed.parameters.get('costmap', True):
        return results
    return [result if result.level == errors.OK else CheckResult(
        errors.OK, result.subject, result.text.rstrip('.') + ' (costmap is false: not needed)')
        for result in results]


def _check_silence(topic: TopicObservation, level: int, remedy: str) -> List[CheckResult]:
    """Return why nothing came on a topic; nothing where messages came."""
    subject = 'camera_info' if topic.wanted_type.endswith('CameraInfo') else 'image'
    others = sorted({kind for _, kind, _ in topic.publishers if kind != topic.wanted_type})
    if others:
        return [CheckResult(
            level, subject,
            f"{topic.name} carries {', '.join(others)}; expected {topic.wanted_type}",
            image_types.remedy_for(topic.name, others) if subject == 'image' else 'Remap it.')]
    if topic.received:
        return []
    if not topic.publishers:
        if topic.video and subject == 'image':
            remedy = image_types.remedy_for(image_types.video_topic(topic.name), topic.video)
        return [CheckResult(level, subject, f'nobody publishes {topic.name}', remedy)]
    return [CheckResult(
        level, subject,
        f'{topic.name} has a publisher ({topic.publishers[0][0]}), but nothing came', LOST
        if subject == 'image' else 'Look at its publisher, and whether a firewall lets discovery '
        'through and data not.')]


def _check_age(topic: TopicObservation, simulated_time: bool) -> List[CheckResult]:
    if topic.frozen:
        return [CheckResult(
            errors.WARN, 'stamp', f'{topic.name}: stamps stand still: {topic.received} images '
            'have the same one', 'Correct header.stamp in the camera driver.')]
    if topic.age is None or simulated_time:
        return []
    if topic.newest is not None and topic.newest.header.stamp.sec == 0:
        return [CheckResult(errors.WARN, 'stamp', f'{topic.name} has no stamps',
                            'Let the driver stamp images: the costmap looks poses up by them.')]
    if topic.age > OLD or topic.age < -AHEAD:
        return [CheckResult(
            errors.WARN, 'stamp', f'{topic.name}: images are {abs(topic.age):.2f} s '
                                  f"{'old' if topic.age > 0 else 'ahead of this clock'}",
            'Synchronise the clocks of both computers (chrony); for a bag set use_sim_time.')]
    return [CheckResult(errors.OK, 'stamp', f'{topic.name}: {1e3 * topic.age:.0f} ms old')]
