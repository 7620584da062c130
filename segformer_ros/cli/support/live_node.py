# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What ``evaluate`` takes from the parameter file of a live node, for the same grid."""

import argparse
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.geometry import camera_poses
from segformer_ros.evaluation.run import bag_costmap
from segformer_ros.evaluation.run.network import GRAPHS
from segformer_ros.evaluation.sources import topic_choice
from segformer_ros.ros.parameters.file import NodeFile
from segformer_ros.ros.parameters.file import read_node_file
from segformer_ros.ros.parameters.node import CameraParameters

NODE = '/segformer'
STAMPS, RECORDED = 'stamps', 'recorded'
"""Clocks: the images' own stamps, or the time at which each was recorded."""
# Parameters of which the live node makes something that is not done here, with what follows.
_NOT_USED = {'max_rate': 'every image is evaluated',
             'imu.topic': 'no IMU tips the body, so that grids may differ from the node\'s',
             'mount_watch.apply': 'mounts are not corrected, so that grids may differ from the '
                                  'node\'s'}


class LiveNode(NamedTuple):
    """
    A node as its file describes it, and those of its cameras that are evaluated.

    ``remaps`` are names by the resolved name that they stand for.
    """

    file: NodeFile
    cameras: Sequence[CameraParameters]
    namespace: str
    remaps: Dict[str, str]

    def topic(self, camera: str, name: str, given: str = '', suffix: str = '') -> str:
        """
        Return the topic that an input reads.

        :param camera: name of the camera, empty for what all share
        :param name: of the input, such as ``image``
        :param given: by a parameter, instead
        :param suffix: of its transport, such as ``/compressed``
        """
        own = f'{camera}/{name}' if camera else name
        found = resolved(given or own, self.namespace)
        found = self.remaps.get(found, found)
        if suffix and not found.endswith(suffix):
            found += suffix
            found = self.remaps.get(found, found)
        return found

    def defaults(self) -> Dict[str, Any]:
        """Return the options of ``evaluate`` that follow from the file, by name."""
        node = self.file.parameters
        costmap = node.costmap
        found: Dict[str, Any] = {
            'model': node.model, 'spec': node.model_spec or None, 'resize': node.resize,
            'postprocess': node.postprocess, 'threshold': node.threshold,
            'rotate': self.rotation(), 'graph': GRAPHS[0 if node.deployment_graph else 1],
            'odom_frame': costmap.odom_frame, 'ground_frame': costmap.ground_frame,
            'projection': costmap.settings.projection.mode, 'clock': RECORDED}
        if costmap.costmap:
            found['costmap'] = costmap.cost_profile
        return found

    def image_topic(self, camera: CameraParameters) -> str:
        """
        Return the topic of a camera's images.

        Nothing where it is the only one, and neither the file nor a remapping names its topic.
        """
        suffix = '/compressed' if camera.image_transport == 'compressed' else ''
        if len(self.cameras) == 1 and not self._names(camera, 'image', camera.image_topic, suffix):
            return ''
        return self.topic(camera.name, 'image', camera.image_topic, suffix)

    def rotation(self) -> Optional[int]:
        """Return the degrees by which all images are turned, None where cameras differ."""
        degrees = {camera.rotate for camera in self.cameras}
        return degrees.pop() if len(degrees) == 1 else None

    def rotations(self) -> Tuple[Tuple[str, int], ...]:
        """Return the topics of the images with the degrees by which each is turned."""
        return tuple((self.image_topic(camera), camera.rotate) for camera in self.cameras)

    def costmap(self, options: bag_costmap.CostmapOptions) -> bag_costmap.CostmapOptions:
        """
        Return the options of the costmap with what only the file says.

        :param options: with the topic of CameraInfo where the command line has one
        """
        costmap = self.file.parameters.costmap
        settings = costmap_settings.settings_from(self.file.values)
        settings = settings._replace(projection=settings.projection._replace(
            mode=options.settings.projection.mode))
        if not options.frames.has_odometry:
            settings = costmap_settings.of_single_images(settings)
        return options._replace(
            settings=settings,
            cameras=tuple(self._camera_options(camera, options.cameras[0].camera_info)
                          for camera in self.cameras),
            frames=options.frames._replace(transform_tolerance=costmap.transform_tolerance,
                                           height_source=costmap.height_source),
            range=self.topic('', 'range') if costmap.height_source == camera_poses.RANGE else '')

    def notes(self) -> List[str]:
        """Return remarks on what of the file is not used."""
        rows = [f'{name} of the parameter file is not used: {reason}.'
                for name, reason in _NOT_USED.items() if name in self.file.given
                and self.file.values[name]]
        others = [each.name for each in self.file.parameters.cameras if each not in self.cameras]
        if others:
            rows.append(f'The grid is of camera {self.cameras[0].name} alone; the live node also '
                        f'fuses {", ".join(others)}.')
        if self.rotation() is None:
            rows.append('Turned upright by: ' + ', '.join(
                f'{camera.name} {camera.rotate}°' for camera in self.cameras) + '.')
        return self.file.unknown + rows

    def _camera_options(self, camera: CameraParameters, camera_info: str
                        ) -> bag_costmap.CameraOptions:
        if not camera_info and (len(self.cameras) > 1 or self._names(
                camera, 'camera_info', camera.camera_info_topic)):
            camera_info = self.topic(camera.name, 'camera_info', camera.camera_info_topic)
        depth_in = ''
        if camera.depth_transport != 'none':
            suffix = topic_choice.DEPTH_TWIN if camera.depth_transport == 'compressed' else ''
            depth_in = self.topic(camera.name, 'depth', camera.depth_topic, suffix)
        return bag_costmap.CameraOptions(
            camera.name or bag_costmap.CAMERA, self.image_topic(camera), camera.mount,
            camera.rectified, camera.self_mask, camera_info, depth_in)

    def _names(self, camera: CameraParameters, name: str, given: str, suffix: str = '') -> bool:
        own = f'{camera.name}/{name}' if camera.name else name
        plain = resolved(own, self.namespace)
        return bool(given) or plain in self.remaps or plain + suffix in self.remaps


def add_arguments(group: Any) -> None:
    """Add the options of a live node to a parser or a group of one."""
    group.add_argument('--params-file', metavar='FILE',
                       help='parameter file of the live node: the same masks and the same grid; '
                            'options that are given here count more')
    group.add_argument('--node', default=NODE, help='its name with its namespace')
    group.add_argument('--camera', default=None,
                       help='one of its cameras; by default all together, as the node fuses them')
    group.add_argument('--remap', action='append', default=[], metavar='FROM:=TO',
                       help='as of the live node, such as image:=/camera/image_raw; of image, '
                            'camera_info, depth and range')
    group.add_argument('--clock', choices=(STAMPS, RECORDED), default=STAMPS,
                       help='by which images are too old and cells fade; with --params-file the '
                            'time of recording, as in the live node')


def read(options: argparse.Namespace) -> Optional[LiveNode]:
    """
    Return what the options of :func:`add_arguments` describe, None without a file.

    :raises ConfigurationError: the file, the camera or a remapping cannot be used
    """
    if not options.params_file:
        for name in ('camera', 'remap'):
            if getattr(options, name):
                raise ConfigurationError(f'--{name} does nothing alone',
                                         got=getattr(options, name),
                                         expected='--params-file FILE beside it')
        return None
    node = '/' + options.node.lstrip('/')
    file = read_node_file(options.params_file, node)
    namespace = node.rpartition('/')[0]
    return LiveNode(file, _cameras_of(file.parameters.cameras, options), namespace,
                    dict(_remap(text, namespace) for text in options.remap))


def resolved(name: str, namespace: str) -> str:
    """Return the full name of a topic in a namespace, which is empty or starts with a slash."""
    return name if name.startswith('/') else f'{namespace}/{name}'


def _cameras_of(cameras: Sequence[CameraParameters], options: argparse.Namespace
                ) -> Sequence[CameraParameters]:
    names = [camera.name for camera in cameras]
    choice = '--camera with one of ' + ', '.join(names)
    if options.camera is not None and options.camera not in names:
        raise ConfigurationError('No such camera', got=options.camera, expected=choice)
    chosen = [camera for camera in cameras if options.camera in (None, camera.name)]
    for option in ('topic', 'camera_info', 'label_topic') if len(chosen) > 1 else ():
        if getattr(options, option):
            raise ConfigurationError('Which camera?', got='--' + option.replace('_', '-'),
                                     expected=choice + ' beside it')
    return chosen


def _remap(text: str, namespace: str) -> Tuple[str, str]:
    name, sign, target = text.partition(':=')
    if not sign or not name or not target:
        raise ConfigurationError('Not a remapping', got=repr(text),
                                 expected='FROM:=TO, such as image:=/camera/image_raw')
    return resolved(name, namespace), resolved(target, namespace)
