# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the doctor makes of a ROS graph: pure functions from facts to findings."""

from typing import List

from segformer_ros.common.errors import SegformerRosError
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.ros.doctor import finding as doctor_finding
from segformer_ros.ros.doctor import graph
from segformer_ros.segmentation.images.encodings import find_encoding

SLOW = 1.0
"""Images per second below which ``warn_after`` of the node would be reached between two."""
OLD = 1.0
"""Seconds; a costmap of images this old lags half a metre behind a walking robot."""
AHEAD = 0.1
"""Seconds that a stamp may lie ahead: what NTP leaves between two computers."""
NODE_LEVELS = {
    0: doctor_finding.OK, 1: doctor_finding.WARN, 2: doctor_finding.ERROR, 3: doctor_finding.ERROR
}


def graph_findings(facts: graph.OptimizedMetadata) -> List[doctor_finding.CheckResult]:
    """Return everything that is to be said about a graph."""
    findings = node_findings(facts)
    for camera in facts.cameras:
        findings += image_findings(camera.image, bool(facts.parameters.get('use_sim_time')))
        findings += _for_costmap(facts, info_findings(camera))
    return findings + _for_costmap(facts, transform_findings(facts)) + time_findings(facts)


def node_findings(facts: graph.OptimizedMetadata) -> List[doctor_finding.CheckResult]:
    """Tell how the node is, and what it says of itself."""
    if not facts.running:
        return [
            doctor_finding.CheckResult(
                doctor_finding.WARN, 'node', f'{facts.node} does not run in this domain',
                'Start it: ros2 launch segformer_ros segformer.launch.py, in the same '
                'ROS_DOMAIN_ID; other names: --node.')
        ]
    if not facts.answers:
        return [
            doctor_finding.CheckResult(doctor_finding.ERROR, 'node',
                                   f'{facts.node} runs but does not answer',
                                   'Look at its log; end it with SIGINT and start it again.')
        ]
    findings = [
        doctor_finding.CheckResult(doctor_finding.OK, 'node', f'{facts.node} is {facts.state}')
        if facts.state == 'active' else doctor_finding.CheckResult(
            doctor_finding.WARN, 'node', '{} is {}, so it gives no masks'.format(
                facts.node, facts.state or 'in no state'), 'ros2 lifecycle set {} {}'.format(
                    facts.node, 'activate' if facts.state == 'inactive' else 'configure'))
    ]
    for task, (level, message) in sorted(facts.diagnostics.items()):
        findings.append(doctor_finding.CheckResult(
            NODE_LEVELS.get(level, doctor_finding.ERROR), 'node says', f'{task}: {message}',
            '' if level == 0 else 'The log of the node has the details; docs/topics.md tells '
            'what each entry means.'))
    if not facts.diagnostics:
        findings.append(doctor_finding.CheckResult(
            doctor_finding.WARN, 'node says', 'nothing on /diagnostics',
            'Listen for two seconds or longer (--seconds); a remapping may have moved it.'))
    return findings


def image_findings(topic: graph.TopicFacts,
                   simulated_time: bool) -> List[doctor_finding.CheckResult]:
    """Tell whether images come, whether they can be read, and how old they are."""
    silent = _silent(topic, doctor_finding.ERROR,
                     'Start the camera driver, or remap image to its topic.')
    if silent:
        return silent
    findings = [
        doctor_finding.CheckResult(
            doctor_finding.OK if topic.rate >= SLOW else doctor_finding.WARN, 'image',
            '{}: {:.1f} Hz from {} ({})'.format(
                topic.name, topic.rate,
                topic.publishers[0][0] if topic.publishers else 'nobody now',
                topic.publishers[0][2] if topic.publishers else 'unknown'),
            '' if topic.rate >= SLOW else
            'Look at the driver, its exposure time and the network; large images over Fast DDS need '
            'config/fastdds.xml on both sides.')
    ]
    image = topic.newest
    if image is None:
        return findings
    if topic.wanted_type.endswith('/Image'):
        try:
            find_encoding(image.encoding)
            findings.append(
                doctor_finding.CheckResult(
                    doctor_finding.OK, 'image',
                    f'{image.width} x {image.height} {image.encoding} in frame {image.header.frame_id!r}'
                ))
        except SegformerRosError as error:
            findings.append(doctor_finding.check_result_of(doctor_finding.ERROR, 'image', error))
    return findings + _age_findings(topic, simulated_time)


def info_findings(camera: graph.CameraFacts) -> List[doctor_finding.CheckResult]:
    """Tell whether CameraInfo comes and belongs to the images; masks do not need it."""
    topic, image = camera.info, camera.image.newest
    silent = _silent(topic, doctor_finding.WARN,
                     'The costmap needs it: start its publisher, or remap '
                     'camera_info.')
    if silent or topic.newest is None:
        return silent
    info = topic.newest
    try:
        camera_model.CameraModel(camera_model.calibration_of(info),
                                 rectified=camera_model.is_rectified(camera.image.name))
    except SegformerRosError as error:
        return [doctor_finding.check_result_of(doctor_finding.WARN, 'camera_info', error)]
    if image is not None and camera.image.wanted_type.endswith('/Image'):
        width = (info.roi.width or info.width) // (info.binning_x or 1)
        height = (info.roi.height or info.height) // (info.binning_y or 1)
        # A scaled image is as good as the calibrated one; a cropped one is not.
        if abs(width * image.height - height * image.width) > max(image.width, image.height):
            text = f'{topic.name}: for {width} x {height} pixels, images have {image.width} x {image.height}'
            return [doctor_finding.CheckResult(doctor_finding.WARN, 'camera_info', text,
                            'Publish the CameraInfo of this resolution.')]
    if image is not None and image.header.frame_id != info.header.frame_id:
        return [
            doctor_finding.CheckResult(
                doctor_finding.WARN, 'camera_info',
                f'{topic.name}: frame {info.header.frame_id!r}, images have {image.header.frame_id!r}',
                'Give both the same frame_id in the driver.')
        ]
    return [
        doctor_finding.CheckResult(
            doctor_finding.OK, 'camera_info',
            '{}: {:.1f} Hz, {} x {} {}'.format(topic.name, topic.rate, info.width, info.height,
                                               info.distortion_model or 'no lens'))
    ]


def transform_findings(facts: graph.OptimizedMetadata) -> List[doctor_finding.CheckResult]:
    """Tell whether the camera's place in the world is known; masks do not need it."""
    findings = [
        doctor_finding.CheckResult(doctor_finding.WARN, 'tf', fault,
                               'Give each frame one parent, published by one node.')
        for fault in facts.transform_faults
    ]
    frames = sorted({camera.image.newest.header.frame_id for camera in facts.cameras
                     if camera.image.newest is not None})
    if not facts.transforms:
        return findings + [doctor_finding.CheckResult(
            doctor_finding.WARN, 'tf', 'no transform on /tf or /tf_static',
            'The costmap needs them: start robot_state_publisher and the odometry, or set '
            'mount.* and odom_frame equal to ground_frame.')]
    targets = [facts.parameters.get(name) for name in ('ground_frame', 'odom_frame')]
    for frame in frames:
        for target in sorted({each for each in targets if each}):
            try:
                facts.poses.lookup(target, frame)
                findings.append(
                    doctor_finding.CheckResult(doctor_finding.OK, 'tf', f'{target} from {frame}'))
            except SegformerRosError as error:
                findings.append(doctor_finding.check_result_of(doctor_finding.WARN, 'tf', error))
    return findings or [
        doctor_finding.CheckResult(doctor_finding.OK, 'tf', f'{facts.transforms} transforms came')
    ]


def time_findings(facts: graph.OptimizedMetadata) -> List[doctor_finding.CheckResult]:
    """Tell whether simulated time is used where it flows, and only there."""
    simulated = facts.parameters.get('use_sim_time')
    if simulated and not facts.clocks:
        return [
            doctor_finding.CheckResult(
                doctor_finding.ERROR, 'time', 'use_sim_time is set, and nobody publishes /clock',
                'Start the simulator or ros2 bag play --clock, or unset use_sim_time.')
        ]
    if facts.running and facts.answers and not simulated and facts.clocks:
        return [
            doctor_finding.CheckResult(
                doctor_finding.WARN, 'time',
                'somebody publishes /clock, and use_sim_time is not set',
                'Set use_sim_time for the node where images come from a simulator or '
                'a bag.')
        ]
    return [
        doctor_finding.CheckResult(doctor_finding.OK, 'time',
                               'simulated' if simulated else 'of the system')
    ]


def _for_costmap(facts: graph.OptimizedMetadata,
                 findings: List[doctor_finding.CheckResult]) -> List[doctor_finding.CheckResult]:
    if facts.parameters.get('costmap', True):
        return findings
    return [
        finding if finding.level == doctor_finding.OK else doctor_finding.CheckResult(
            doctor_finding.OK, finding.subject, '{} (costmap is false: not needed)'.format(
                finding.text.rstrip('.'))) for finding in findings
    ]


def _silent(topic: graph.TopicFacts, level: str, remedy: str) -> List[doctor_finding.CheckResult]:
    subject = 'camera_info' if topic.wanted_type.endswith('CameraInfo') else 'image'
    others = sorted({kind for _, kind, _ in topic.publishers if kind != topic.wanted_type})
    if others:
        return [doctor_finding.CheckResult(level, subject, '{} carries {}; expected {}'.format(
            topic.name, ', '.join(others), topic.wanted_type),
            'Set image_transport to what the topic carries, or remap it.')]
    if not topic.publishers and not topic.received:
        return [
            doctor_finding.CheckResult(level, subject, f'nobody publishes {topic.name}', remedy)
        ]
    if not topic.received:
        return [
            doctor_finding.CheckResult(
                level, subject,
                f'{topic.name} has a publisher ({topic.publishers[0][0]}), but nothing came',
                'Look whether the driver is triggered; a firewall or another network may let '
                'discovery through and data not.')
        ]
    return []


def _age_findings(topic: graph.TopicFacts,
                  simulated_time: bool) -> List[doctor_finding.CheckResult]:
    if topic.age is None or simulated_time:
        return []
    if topic.newest is not None and topic.newest.header.stamp.sec == 0:
        return [
            doctor_finding.CheckResult(
                doctor_finding.WARN, 'stamp', f'{topic.name} has no stamps',
                'Let the driver stamp images: the costmap looks poses up by them.')
        ]
    if topic.age > OLD or topic.age < -AHEAD:
        return [
            doctor_finding.CheckResult(
                doctor_finding.WARN, 'stamp', '{}: images are {:.2f} s {}'.format(
                    topic.name, abs(topic.age), 'old' if topic.age > 0 else 'ahead of this clock'),
                'Synchronise the clocks of both computers (chrony); for a bag set use_sim_time.')
        ]
    return [
        doctor_finding.CheckResult(doctor_finding.OK, 'stamp',
                               f'{topic.name}: {1e3 * topic.age:.0f} ms old')
    ]
