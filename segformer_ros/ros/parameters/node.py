# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: one row each; defaults stand here and nowhere else."""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from segformer_ros.inference.selection.status import BACKENDS
from segformer_ros.ros.parameters import costmap as parameters_costmap
from segformer_ros.ros.parameters import row as parameters_row

TRANSPORTS = ('raw', 'compressed')

NODE_ROWS = (
    parameters_row.Row('autostart', bool, True, parameters_row.START,
                       'Configure and activate at start, without a lifecycle manager.'),
    parameters_row.Row(
        'keep_memory', bool, True, parameters_row.START,
        'Let the process keep the memory that images free, so that none is cleared anew for '
        'each frame (glibc); false leaves the allocator alone.'),
    parameters_row.Row(
        'cameras', list, [''], parameters_row.START,
        "Names of the cameras; [''] is one camera without a name. Each name becomes a prefix "
        'of topics (front/image, ~/front/mask) and of parameters (front.rotate).'),
    parameters_row.Row('model', str, 'segformer_b0_ade20k', parameters_row.CONFIGURE,
                       'Name of a known model, or path of an ONNX file.'),
    parameters_row.Row(
        'model_spec', str, '', parameters_row.CONFIGURE,
        'Path of the YAML that describes the model; empty: the known one of that name, or the '
        'file beside the ONNX file with the suffix .yaml.'),
    parameters_row.Row(
        'backend', str, 'auto', parameters_row.CONFIGURE,
        'Runtime of the network; auto takes the fastest that works, and serves with onnxruntime '
        'while an engine is built.', choices=BACKENDS),
    parameters_row.Row(
        'precision', str, 'fp16', parameters_row.CONFIGURE,
        'Of TensorRT: fp16 keeps the parts in fp32 that need it, and gives way to fp32 if its '
        'masks differ.', choices=('fp16', 'fp32')),
    parameters_row.Row('device', int, 0, parameters_row.CONFIGURE, 'Number of the GPU.',
                       range=(0, 63)),
    parameters_row.Row(
        'cuda_graphs', bool, False, parameters_row.CONFIGURE,
        'Replay a frame on the GPU as one recorded graph: less CPU work; needs a driver of CUDA '
        '11.4 or later. pycuda, which has no graphs, is then passed over.'),
    parameters_row.Row('engine_cache', str, '', parameters_row.CONFIGURE,
                       'Folder of the TensorRT engines; empty: the cache folder of the user.'),
    parameters_row.Row(
        'workspace_mib', int, 0, parameters_row.CONFIGURE,
        'Memory that building an engine may use for scratch, MiB; 0 chooses by free memory.',
        range=(0, 65536)),
    parameters_row.Row(
        'execution_provider', str, '', parameters_row.CONFIGURE,
        'Execution provider of onnxruntime, such as CUDAExecutionProvider; empty: the fastest '
        'that gives the same masks.'),
    parameters_row.Row(
        'deployment_graph', bool, True, parameters_row.CONFIGURE,
        'Run the graph that is prepared from the model for its runtime, 1.5 to 2 times as fast; '
        'false runs the file as it is.'),
    parameters_row.Row(
        'threads', int, 0, parameters_row.CONFIGURE,
        'CPU threads of the network, and of what runs before and after it (four at most); 0 takes '
        'all of up to two cores, else all but one.', range=(0, 256)),
    parameters_row.Row(
        'resize', str, 'pillow', parameters_row.LIVE,
        'Filter that brings images to network size: pillow as the network was trained, opencv '
        'for less work and slightly other labels.', choices=('pillow', 'opencv')),
    parameters_row.Row(
        'postprocess', str, 'exact', parameters_row.LIVE,
        'exact: the largest of the logits interpolated to image size; fast: the largest at '
        'logits size, an approximation.', choices=('exact', 'fast')),
    parameters_row.Row(
        'threshold', float, 0.0, parameters_row.LIVE,
        'Confidence below which a pixel becomes unlabeled (255); 0 labels every pixel.',
        range=(0.0, 1.0)),
    parameters_row.Row(
        'max_rate', float, 0.0, parameters_row.LIVE,
        'Frames per second that are processed of each camera at most; 0 is no limit.',
        range=(0.0, 1000.0)),
    parameters_row.Row(
        'overlay_alpha', float, 0.5, parameters_row.LIVE,
        'Share of the class colour in the overlay: 0 is the image alone, 1 the colours alone.',
        range=(0.0, 1.0)),
    parameters_row.Row('jpeg_quality', int, 85, parameters_row.LIVE,
                       'Quality of the compressed overlay.', range=(1, 100)),
    parameters_row.Row('warn_after', float, 1.0, parameters_row.LIVE,
                       'Seconds without a new mask until diagnostics warn.', range=(0.01, 3600.0)),
    parameters_row.Row('error_after', float, 5.0, parameters_row.LIVE,
                       'Seconds without a new mask until diagnostics report an error.',
                       range=(0.01, 3600.0)),
    parameters_row.Row(
        'hang_timeout', float, 20.0, parameters_row.LIVE,
        'Seconds that one frame may take until the backend counts as hanging and is replaced; 0 '
        'never replaces it.', range=(0.0, 3600.0)),
    parameters_row.Row(
        'open_timeout', float, 300.0, parameters_row.LIVE,
        'Seconds that opening a backend, and its first frame, may take; 0 is no limit.',
        range=(0.0, 3600.0)),
)
CAMERA_ROWS = (
    parameters_row.Row('image_transport', str, 'raw', parameters_row.CONFIGURE,
        'raw subscribes to image, compressed to image/compressed.', choices=TRANSPORTS),
    parameters_row.Row('rotate', int, 0, parameters_row.LIVE,
        'Degrees clockwise that turn the image upright; 180 for a camera mounted upside down. '
        'Outputs keep the orientation of the input.', choices=(0, 90, 180, 270)),
    parameters_row.Row('rectified', str, 'auto', parameters_row.CONFIGURE,
        'Whether the image is rectified, so that P of CameraInfo counts; auto: if its topic is '
        'called image_rect or image_rect_color.', choices=('auto', 'yes', 'no')),
    parameters_row.Row('depth_transport', str, 'none', parameters_row.CONFIGURE,
        'Use a registered depth image instead of flat ground: raw subscribes to depth, '
        'compressed to depth/compressedDepth.', choices=('none',) + TRANSPORTS),
    parameters_row.Row('self_mask', str, '', parameters_row.CONFIGURE,
        'Where the camera sees its own robot: path of a PNG that is black elsewhere, or a '
        'polygon as text, u v u v u v in shares of width and height.'),
    parameters_row.Row('mount.height', float, 0.0, parameters_row.CONFIGURE,
        'Height of the lens above the ground, metres; above 0 the mount is taken from these '
        'parameters instead of TF.', range=(0.0, 200.0)),
    parameters_row.Row('mount.pitch', float, 0.0, parameters_row.CONFIGURE,
        'Radians below the horizon.', range=(-1.6, 1.6)),
    parameters_row.Row('mount.roll', float, 0.0, parameters_row.CONFIGURE,
        'Radians, right side down.', range=(-3.2, 3.2)),
    parameters_row.Row('mount.yaw', float, 0.0, parameters_row.CONFIGURE,
        'Radians to the left of ahead.', range=(-3.2, 3.2)),
    parameters_row.Row('mount.x', float, 0.0, parameters_row.CONFIGURE,
        'Metres ahead of the origin of ground_frame.', range=(-50.0, 50.0)),
    parameters_row.Row('mount.y', float, 0.0, parameters_row.CONFIGURE,
        'Metres to the left of it.', range=(-50.0, 50.0)),
)
"""Of one camera: ``rotate`` with one unnamed camera, ``front.rotate`` with a camera front."""


class CameraParameters(NamedTuple):
    """The values of :data:`CAMERA_ROWS` for one camera; ``_`` stands for the dot in names."""

    name: str
    image_transport: str
    rotate: int
    rectified: str
    depth_transport: str
    self_mask: str
    mount_height: float
    mount_pitch: float
    mount_roll: float
    mount_yaw: float
    mount_x: float
    mount_y: float


class NodeParameters(NamedTuple):
    """The values of all rows at one moment, checked; ``cameras`` in given order."""

    autostart: bool
    keep_memory: bool
    cameras: Tuple[CameraParameters, ...]
    model: str
    model_spec: str
    backend: str
    precision: str
    device: int
    cuda_graphs: bool
    engine_cache: str
    workspace_mib: int
    execution_provider: str
    deployment_graph: bool
    threads: int
    resize: str
    postprocess: str
    threshold: float
    max_rate: float
    overlay_alpha: float
    jpeg_quality: int
    warn_after: float
    error_after: float
    hang_timeout: float
    open_timeout: float
    costmap: parameters_costmap.CostmapParameters


def node_rows() -> Tuple[parameters_row.Row, ...]:
    """Return the rows that do not belong to one camera."""
    return NODE_ROWS + parameters_costmap.COSTMAP_ROWS


def camera_rows(cameras: Sequence[str]) -> List[parameters_row.Row]:
    """
    Return the rows of all cameras under their full names.

    With named cameras the rows without a prefix stay: they are the defaults of every camera.
    """
    rows = list(CAMERA_ROWS)
    for camera in cameras:
        rows += [row._replace(name=prefixed(camera, row.name)) for row in CAMERA_ROWS if camera]
    return rows


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
    fields['costmap'] = parameters_costmap.costmap_parameters(values)
    return NodeParameters(**fields)
