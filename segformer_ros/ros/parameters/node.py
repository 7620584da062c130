# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: one field each, with all that is known about it."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.geometry.camera_poses import Mount
from segformer_ros.costmap.settings import check as check_settings
from segformer_ros.inference.ov import backend as ov_backend
from segformer_ros.inference.selection import status as selection_status
from segformer_ros.inference.trt import key as trt_key
from segformer_ros.ros.parameters import capture as parameters_capture
from segformer_ros.ros.parameters import costmap as parameters_costmap
from segformer_ros.ros.parameters import row as rows
from segformer_ros.segmentation import postprocessing
from segformer_ros.segmentation import preprocessing
from segformer_ros.segmentation.segmenter import SegmenterSettings

TRANSPORTS = ('raw', 'compressed')
# Their defaults stand where they are used.
_SELECTION, _SEGMENTER = selection_status.SelectionSettings(), SegmenterSettings()


class CameraParameters(NamedTuple):
    """The values of :data:`CAMERA_ROWS` for one camera; ``_`` stands for the dot in names."""

    name: str
    image_transport: str = rows.parameter(
        'raw', rows.CONFIGURE,
        'raw subscribes to image, compressed to image/compressed, ffmpeg to image/ffmpeg.',
        choices=TRANSPORTS + ('ffmpeg',))
    rotate: int = rows.parameter(
        0, rows.LIVE,
        'Degrees clockwise that turn the image upright; 180 for a camera mounted upside down. '
        'Outputs keep the orientation of the input.', choices=(0, 90, 180, 270))
    rectified: str = rows.parameter(
        'auto', rows.CONFIGURE,
        'Whether the image is rectified, so that P of CameraInfo counts; auto: if its topic is '
        'called image_rect or image_rect_color.', choices=('auto', 'yes', 'no'))
    depth_transport: str = rows.parameter(
        'none', rows.CONFIGURE,
        'Use a registered depth image instead of flat ground: raw subscribes to depth, '
        'compressed to depth/compressedDepth.', choices=('none',) + TRANSPORTS)
    image_topic: str = rows.parameter(
        '', rows.CONFIGURE,
        'Topic of the images, without /compressed or /ffmpeg; empty: the topic image, which can '
        'be remapped.')
    camera_info_topic: str = rows.parameter(
        '', rows.CONFIGURE, 'Topic of the CameraInfo; empty: the topic camera_info.')
    depth_topic: str = rows.parameter(
        '', rows.CONFIGURE,
        'Topic of the depth image, without /compressedDepth; empty: the topic depth.')
    self_mask: str = rows.parameter(
        '', rows.CONFIGURE,
        'Where the camera sees its own robot: path of a PNG that is black elsewhere, or a '
        'polygon as text, u v u v u v in shares of width and height.')
    mount_height: float = rows.parameter(
        0.0, rows.CONFIGURE,
        'Height of the lens above the ground, metres; above 0 the mount is taken from these '
        'parameters instead of TF.', range=(0.0, 200.0))
    mount_pitch: float = rows.parameter(
        0.0, rows.CONFIGURE,
        'Radians below the horizon.', range=(-1.6, 1.6))
    mount_roll: float = rows.parameter(
        0.0, rows.CONFIGURE,
        'Radians, right side down.', range=(-3.2, 3.2))
    mount_yaw: float = rows.parameter(
        0.0, rows.CONFIGURE,
        'Radians to the left of ahead.', range=(-3.2, 3.2))
    mount_x: float = rows.parameter(
        0.0, rows.CONFIGURE,
        'Metres ahead of the origin of ground_frame.', range=(-50.0, 50.0))
    mount_y: float = rows.parameter(
        0.0, rows.CONFIGURE,
        'Metres to the left of it.', range=(-50.0, 50.0))

    @property
    def mount(self) -> Mount:
        """Return how the camera is mounted."""
        return Mount(self.mount_height, self.mount_pitch, self.mount_roll, self.mount_yaw,
                     self.mount_x, self.mount_y)


class NodeParameters(NamedTuple):
    """The values of all rows at one moment, checked; ``cameras`` in given order."""

    costmap: parameters_costmap.CostmapParameters
    capture: parameters_capture.CaptureParameters
    autostart: bool = rows.parameter(
        True, rows.START,
        'Configure and activate at start, without a lifecycle manager.')
    keep_memory: bool = rows.parameter(
        True, rows.START,
        'Let the process keep the memory that images free, so that none is cleared anew for each '
        'frame (glibc); false leaves the allocator alone.')
    cameras: Tuple[CameraParameters, ...] = rows.parameter(
        [''], rows.START,
        "Names of the cameras; [''] is one camera without a name. Each name becomes a prefix of "
        'topics (front/image, ~/front/mask) and of parameters (front.rotate).')
    model: str = rows.parameter(
        'segformer_b0_ade20k', rows.CONFIGURE,
        'Name of a known model, or path of an ONNX file.')
    model_spec: str = rows.parameter(
        '', rows.CONFIGURE,
        'Path of the YAML that describes the model; empty: the known one of that name, or the '
        'file beside the ONNX file with the suffix .yaml.')
    next_model: str = rows.parameter(
        '', rows.LIVE,
        'What ~/load_model loads, as in model; it moves there when the network has taken over.')
    next_model_spec: str = rows.parameter(
        '', rows.LIVE, 'Its specification, as in model_spec.')
    next_cost_profile: str = rows.parameter(
        '', rows.LIVE,
        'Costs of its classes, as in cost_profile; empty: the same as now.')
    next_category_groups: str = rows.parameter(
        '', rows.LIVE,
        'Groups of its classes, as in category_groups; empty: those of '
        'next_cost_profile, or the same as now.')
    backend: str = rows.parameter(
        _SELECTION.backend, rows.CONFIGURE,
        'Runtime of the network; auto takes the fastest that works, and serves with onnxruntime '
        'while an engine is built. openvino is an error where it is not installed.',
        choices=selection_status.BACKENDS)
    precision: str = rows.parameter(
        _SELECTION.precision, rows.CONFIGURE,
        'Of TensorRT: fp16 keeps the parts in fp32 that need it, and gives way to fp32 if its '
        'masks differ; int8 needs a calibration (calibrate_int8), and gives way to fp16.',
        choices=trt_key.PRECISIONS)
    device: int = rows.parameter(0, rows.CONFIGURE, 'Number of the GPU.', range=(0, 63))
    cuda_graphs: bool = rows.parameter(
        False, rows.CONFIGURE,
        'Replay a frame on the GPU as one recorded graph: less CPU work; needs a driver of CUDA '
        '11.4 or later. pycuda, which has no graphs, is then passed over.')
    engine_cache: str = rows.parameter(
        '', rows.CONFIGURE,
        'Folder of the TensorRT engines and of what OpenVINO compiled; empty: the cache folder of '
        'the user.')
    workspace_mib: int = rows.parameter(
        0, rows.CONFIGURE,
        'Memory that building an engine may use for scratch, MiB; 0 chooses by free memory.',
        range=(0, 65536))
    execution_provider: str = rows.parameter(
        _SELECTION.provider, rows.CONFIGURE,
        'Execution provider of onnxruntime, such as CUDAExecutionProvider; empty: the fastest '
        'that gives the same masks.')
    openvino_device: str = rows.parameter(
        _SELECTION.openvino_device, rows.CONFIGURE,
        'What OpenVINO computes on, with backend auto or openvino; device counts GPUs.',
        choices=ov_backend.DEVICES)
    openvino_precision: str = rows.parameter(
        _SELECTION.openvino_precision, rows.CONFIGURE,
        'Of OpenVINO: less than fp32 is used only if its masks agree, and must be offered by the '
        'device.', choices=ov_backend.PRECISIONS)
    input_size: Tuple[int, int] = rows.parameter(
        [0, 0], rows.CONFIGURE,
        'Width and height that images are brought to for the network; [0, 0]: the size of the '
        'model. Smaller is faster and coarser; a network of a fixed size that is not a SegFormer '
        'refuses it.')
    deployment_graph: bool = rows.parameter(
        _SELECTION.rewrite, rows.CONFIGURE,
        'Run the graph that is optimized from the model for its runtime, 1.5 to 2 times as fast; '
        'false runs the file as it is.')
    threads: int = rows.parameter(
        _SELECTION.threads, rows.CONFIGURE,
        'CPU threads of the network, and of what runs before and after it (four at most); 0 '
        'takes all of up to two usable cores, else all but one.', range=(0, 256))
    resize: str = rows.parameter(
        _SEGMENTER.resize, rows.LIVE,
        'Filter that brings images to network size: pillow as the network was trained, opencv '
        'for less work and slightly other labels.', choices=preprocessing.RESIZES)
    postprocess: str = rows.parameter(
        _SEGMENTER.postprocess, rows.LIVE,
        'exact: the largest of the logits interpolated to image size; fast: the largest at '
        'logits size, an approximation.', choices=postprocessing.METHODS)
    threshold: float = rows.parameter(
        _SEGMENTER.threshold, rows.LIVE,
        'Confidence below which a pixel becomes unlabeled (255); 0 labels every pixel.',
        range=(0.0, 1.0))
    max_rate: float = rows.parameter(
        0.0, rows.LIVE,
        'Frames per second that are processed of each camera at most; 0 means no limit.',
        range=(0.0, 1000.0))
    overlay_alpha: float = rows.parameter(
        0.5, rows.LIVE,
        'Share of the class colour in the overlay: 0 is the image alone, 1 the colours alone.',
        range=(0.0, 1.0))
    jpeg_quality: int = rows.parameter(
        85, rows.LIVE,
        'Quality of the compressed overlay.', range=(1, 100))
    warn_after: float = rows.parameter(
        1.0, rows.LIVE,
        'Seconds without a new mask until diagnostics warn.', range=(0.01, 3600.0))
    error_after: float = rows.parameter(
        5.0, rows.LIVE,
        'Seconds without a new mask until diagnostics report an error.', range=(0.01, 3600.0))
    hang_timeout: float = rows.parameter(
        20.0, rows.LIVE,
        'Seconds that one frame may take until the backend counts as hanging and is replaced; 0 '
        'never replaces it.', range=(0.0, 3600.0))
    open_timeout: float = rows.parameter(
        300.0, rows.LIVE,
        'Seconds that opening a backend, and its first frame, may take; 0 means no limit.',
        range=(0.0, 3600.0))


NODE_ROWS = rows.rows_of(NodeParameters)
CAMERA_ROWS = tuple(row._replace(name=row.name.replace('mount_', 'mount.'))
                    for row in rows.rows_of(CameraParameters))
"""Of one camera: ``rotate`` with one unnamed camera, ``front.rotate`` with a camera front."""


def node_rows() -> Tuple[rows.Row, ...]:
    """Return the rows that do not belong to one camera."""
    return NODE_ROWS + parameters_costmap.COSTMAP_ROWS + parameters_capture.CAPTURE_ROWS


def camera_rows(cameras: Sequence[str]) -> List[rows.Row]:
    """
    Return the rows of all cameras under their full names.

    With named cameras the rows without a prefix stay: they are the defaults of every camera.
    """
    found = list(CAMERA_ROWS)
    for camera in cameras:
        found += [row._replace(name=prefixed(camera, row.name)) for row in CAMERA_ROWS if camera]
    return found


def with_general_default(row: rows.Row, values: Mapping[str, Any]) -> rows.Row:
    """
    Return a row of :func:`camera_rows` that starts from the row without a prefix.

    :param values: by full name, of the rows before it
    """
    return row._replace(default=values.get(row.name.split('.', 1)[-1], row.default))


def prefixed(camera: str, name: str) -> str:
    """Return the full name of a camera's parameter."""
    return f'{camera}.{name}' if camera else name


def snapshot(values: Mapping[str, Any]) -> NodeParameters:
    """
    Return frozen parameters from checked values by full name.

    :param values: one for every row of :func:`node_rows` and of :func:`camera_rows`
    """
    fields: Dict[str, Any] = {row.name: row.kind(values[row.name]) for row in NODE_ROWS}
    fields['cameras'] = tuple(
        CameraParameters(camera, **{
            row.name.replace('.', '_'): row.kind(values[prefixed(camera, row.name)])
            for row in CAMERA_ROWS})
        for camera in values['cameras'])
    width, height = fields['input_size']
    fields['input_size'] = (width, height)
    fields['costmap'] = parameters_costmap.costmap_parameters(values)
    fields['capture'] = parameters_capture.capture_parameters(values)
    return NodeParameters(**fields)


def combined_fault(values: Mapping[str, Any]) -> Optional[str]:
    """
    Return what is wrong between values that are each right.

    :param values: by full name, as they would be after a change
    """
    if values['warn_after'] > values['error_after']:
        return (f'Wrong value of error_after: got {values["error_after"]}; expected at least '
                f'warn_after, {values["warn_after"]}.')
    shared = _shared_topic(values)
    if shared is not None:
        return shared
    costmap = parameters_costmap.costmap_parameters(values)
    cameras = list(values['cameras'])
    if not costmap.has_odometry and len(cameras) > 1:
        return (f'Wrong value of odom_frame: got {costmap.odom_frame!r}, which is ground_frame '
                'too; expected a frame of odometry, since several cameras share one grid: '
                f'cameras {cameras}.')
    try:
        check_settings(costmap.settings)
    except ConfigurationError as error:
        return str(error)
    return None


def _shared_topic(values: Mapping[str, Any]) -> Optional[str]:
    """Return what is wrong where two cameras read the same images."""
    readers: Dict[str, str] = {}
    for camera in values['cameras']:
        name = prefixed(camera, 'image_topic')
        topic = values.get(name, '')
        if topic in readers:
            return (f'Wrong value of {name}: got {topic!r}, which {readers[topic]} is too; '
                    'expected a topic for each camera.')
        if topic:
            readers[topic] = name
    return None
