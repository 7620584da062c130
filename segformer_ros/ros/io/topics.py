# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every topic and service of the node with its QoS: one row each."""

from typing import Any, List, NamedTuple, Sequence

from rclpy import qos


class Topic(NamedTuple):
    """One topic; ``name`` follows the camera's prefix, except for names that start with /."""

    name: str
    type_name: str
    reliable: bool
    latched: bool
    depth: int
    description: str

    def profile(self) -> qos.QoSProfile:
        """Return the QoS of the endpoint."""
        return qos.QoSProfile(
            history=qos.HistoryPolicy.KEEP_LAST, depth=self.depth,
            reliability=qos.ReliabilityPolicy.RELIABLE if self.reliable
            else qos.ReliabilityPolicy.BEST_EFFORT,
            durability=qos.DurabilityPolicy.TRANSIENT_LOCAL if self.latched
            else qos.DurabilityPolicy.VOLATILE)


# Best effort matches any publisher; one frame, because only the newest is of use.
IMAGE = Topic('image', 'sensor_msgs/msg/Image', False, False, 1,
              'With `image_transport: raw`.')
IMAGE_COMPRESSED = Topic('image/compressed', 'sensor_msgs/msg/CompressedImage', False, False, 1,
                         'With `image_transport: compressed`: JPEG or PNG.')
# Best effort too, but each packet counts: a second of them, in which the node may be busy.
IMAGE_PACKETS = Topic('image/ffmpeg', 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket', False,
                      False, 30, 'With `image_transport: ffmpeg`: packets of a video.')
CAMERA_INFO_IN = Topic('camera_info', 'sensor_msgs/msg/CameraInfo', False, False, 1,
                       'Never required for masks.')
CAMERA_INFO_LATCHED = Topic('camera_info', 'sensor_msgs/msg/CameraInfo', True, True, 1,
                            'The same, while a publisher latches it: made once there is one.')
INPUTS = (IMAGE, IMAGE_COMPRESSED, IMAGE_PACKETS, CAMERA_INFO_IN, CAMERA_INFO_LATCHED)

# Some frames: depth may come before or after its image.
DEPTH_IN = Topic('depth', 'sensor_msgs/msg/Image', False, False, 5,
                 'With `depth_transport: raw`: 16UC1 or 32FC1, registered to the image.')
DEPTH_IN_COMPRESSED = Topic('depth/compressedDepth', 'sensor_msgs/msg/CompressedImage', False,
                            False, 5, 'With `depth_transport: compressed`: PNG.')
RANGE_IN = Topic('range', 'sensor_msgs/msg/Range', False, False, 1,
                 'With `height_source: range`; one for all cameras.')
# Some: an image may hold up the executor.
IMU_IN = Topic('imu', 'sensor_msgs/msg/Imu', False, False, 50,
               'Where `imu.topic` names it; one for all cameras.')
# A turn takes long, and the newest ones wait elsewhere.
LIDAR_IN = Topic('lidar', 'sensor_msgs/msg/PointCloud2', False, False, 2,
                 'Where `capture.lidar_topic` names it, for capture alone; one for all cameras.')
COSTMAP_INPUTS = (DEPTH_IN, DEPTH_IN_COMPRESSED, RANGE_IN, IMU_IN, LIDAR_IN)

# Five frames: a reader that pairs mask and confidence may fall behind by some.
MASK = Topic('mask', 'sensor_msgs/msg/Image', True, False, 5,
             'mono8, class id per pixel, 255 = unlabeled. Size and header of the image.')
CONFIDENCE = Topic('confidence', 'sensor_msgs/msg/Image', True, False, 5,
                   'mono8, 0 to 255: a lower bound of the softmax probability.')
CAMERA_INFO_OUT = Topic('camera_info', 'sensor_msgs/msg/CameraInfo', True, False, 5,
                        'The newest CameraInfo for the pixels and with the header of the mask.')
LABEL_INFO = Topic('label_info', 'vision_msgs/msg/LabelInfo', True, True, 1,
                   'Class names by id. Absent where vision_msgs is not installed.')
COLOR_MASK = Topic('color_mask', 'sensor_msgs/msg/Image', True, False, 1,
                   'rgb8, class colours. Made only while somebody subscribes.')
COLOR_MASK_COMPRESSED = Topic(
    'color_mask/compressed', 'sensor_msgs/msg/CompressedImage', True, False, 1,
    'PNG, exact colours. Made only while somebody subscribes.')
OVERLAY = Topic('overlay', 'sensor_msgs/msg/Image', True, False, 1,
                'rgb8, image and colours mixed. Made only while somebody subscribes.')
OVERLAY_COMPRESSED = Topic(
    'overlay/compressed', 'sensor_msgs/msg/CompressedImage', True, False, 1,
    'JPEG. Made only while somebody subscribes.')
OUTPUTS = (MASK, CONFIDENCE, CAMERA_INFO_OUT, LABEL_INFO, COLOR_MASK, COLOR_MASK_COMPRESSED,
           OVERLAY, OVERLAY_COMPRESSED)

# Nav2's layers take clouds best effort, RViz reliable: reliable serves both.
OBSTACLE_POINTS = Topic(
    'obstacle_points', 'sensor_msgs/msg/PointCloud2', True, False, 5,
    'Feet of obstacles in `ground_frame`, for marking: x, y, z, label, cost, confidence. What '
    'fills the lowest row in view has points all over the strip before the bumper, or at the foot '
    'that the grid remembers. One for each image with a pose, empty where nothing stands.')
GROUND_POINTS = Topic(
    'ground_points', 'sensor_msgs/msg/PointCloud2', True, False, 5,
    'Farthest ground before an obstacle in each direction, for clearing; fields as above.')
CATEGORY_MASK = Topic('category_mask', 'sensor_msgs/msg/Image', True, False, 5,
                      'mono8, group of each pixel, 255 = none; `category_width` wide.')
CATEGORY_CONFIDENCE = Topic('category_confidence', 'sensor_msgs/msg/Image', True, False, 5,
                            'mono8, 0 to 255, of the same size.')
POINTS = Topic('points', 'sensor_msgs/msg/PointCloud2', True, False, 5,
               'Organised cloud of the same size in the frame of the camera; NaN where a pixel '
               'shows neither ground nor a foot. These three are made while somebody subscribes.')
CATEGORY_LABEL_INFO = Topic('category_label_info', 'vision_msgs/msg/LabelInfo', True, True, 1,
                            'Names of the groups by id.')
LABELLED_POINTS = Topic(
    'labelled_points', 'sensor_msgs/msg/PointCloud2', True, False, 5,
    'With depth: every measured point in the frame of the camera, organised, `category_width` '
    'wide: x, y, z, rgb, label, cost, confidence. Made only while somebody subscribes.')
CLOUD_OUTPUTS = (OBSTACLE_POINTS, GROUND_POINTS, CATEGORY_MASK, CATEGORY_CONFIDENCE, POINTS,
                 CATEGORY_LABEL_INFO, LABELLED_POINTS)
"""Of each camera, with ``costmap: true``."""

COSTMAP = Topic('costmap', 'nav_msgs/msg/OccupancyGrid', True, True, 1,
                '-1 unknown, 0 to 98 cost of ground, 100 obstacle, in `odom_frame`; '
                '`costmap_rate` times a second, with images or without.')
KEEPOUT_MASK = Topic('keepout_mask', 'nav_msgs/msg/OccupancyGrid', True, True, 1,
                     "For Nav2's KeepoutFilter: 100 from `keepout_cost` on. While somebody "
                     'subscribes, at most once a second, and only when it changed.')
SPEED_MASK = Topic('speed_mask', 'nav_msgs/msg/OccupancyGrid', True, True, 1,
                   "For Nav2's SpeedFilter: per cent taken off. When as above.")
LANDING_SITE = Topic('landing_site', 'geometry_msgs/msg/PoseStamped', True, False, 1,
                     'Centre of the largest disc of free ground in `odom_frame`, while there is '
                     'one and somebody subscribes.')
LANDING_SITE_MARKER = Topic(
    'landing_site/marker', 'visualization_msgs/msg/Marker', True, False, 1,
    'The disc: `scale.x` is its diameter. Taken away (DELETE) where there is none.')
GRID_OUTPUTS = (COSTMAP, KEEPOUT_MASK, SPEED_MASK, LANDING_SITE, LANDING_SITE_MARKER)
"""One for all cameras, with ``costmap: true``."""

DIAGNOSTICS = Topic('/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray', True, False, 10,
                    'Once a second in every lifecycle state, but not while a transition runs: '
                    'the first configure with a model may take some ten seconds.')

TRANSFORMS = ('/tf', '/tf_static')

ENABLE_SERVICE = '~/enable'
CLEAR_SERVICE = '~/clear_costmap'
LOAD_MODEL_SERVICE = '~/load_model'
CAPTURE_SERVICE = '~/capture'
SERVICES = (ENABLE_SERVICE, CLEAR_SERVICE, LOAD_MODEL_SERVICE, CAPTURE_SERVICE)


def input_name(camera: str, topic: Topic, given: str = '') -> str:
    """
    Return the name of an input: ``image`` or ``front/image``, both relative.

    :param given: the name that the parameters give instead, if any
    """
    return given or (f'{camera}/{topic.name}' if camera else topic.name)


def transported_name(base: str, topic: Topic) -> str:
    """
    Return the name of an encoded image, as image_transport does: ``image/compressed``.

    :param base: resolved name of the plain image, or already that of the encoded one
    :param topic: such as ``image/compressed``
    """
    suffix = topic.name[topic.name.index('/'):]
    return base if base.endswith(suffix) else base + suffix


def all_names(cameras: Sequence[str]) -> List[str]:
    """
    Return every name that may be remapped, whether the parameters ask for it or not.

    :param cameras: names; an empty one is the camera without a name
    """
    names = [DIAGNOSTICS.name, RANGE_IN.name, *TRANSFORMS, *SERVICES]
    names += [output_name('', topic) for topic in GRID_OUTPUTS]
    names += [input_name(camera, topic) for camera in ['', *cameras]
              for topic in INPUTS + COSTMAP_INPUTS if topic not in (RANGE_IN, IMU_IN, LIDAR_IN)]
    return names + [output_name(camera, topic) for camera in cameras
                    for topic in OUTPUTS + CLOUD_OUTPUTS]


def type_name_of(message_type: Any) -> str:
    """Return the name of a message type, such as ``sensor_msgs/msg/Image``."""
    return f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"


def output_name(camera: str, topic: Topic) -> str:
    """Return the private name of an output: ``~/mask`` or ``~/front/mask``."""
    return '~/' + input_name(camera, topic)
