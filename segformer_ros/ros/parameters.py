# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: one row each; defaults stand here and nowhere else."""

from typing import Any
from typing import Dict
from typing import List
from typing import Mapping
from typing import NamedTuple
from typing import Optional
from typing import Sequence
from typing import Tuple

START = 'at start'
"""Read once when the process starts (``read_only`` for ROS tools)."""
CONFIGURE = 'while unconfigured'
"""Read by each configure; refused while the node holds what was made from it."""
LIVE = 'any time'
"""Used from the next frame on."""

BACKENDS = ('auto', 'onnxruntime')
TRANSPORTS = ('raw', 'compressed')


class Row(NamedTuple):
    """
    One parameter.

    ``range`` is inclusive. ``choices`` are all values that are accepted. A double row takes
    whole numbers too, since YAML and ``ros2 param set`` write 10.0 as 10.
    """

    name: str
    kind: type
    default: Any
    when: str
    description: str
    range: Optional[Tuple[float, float]] = None
    choices: Optional[Tuple[Any, ...]] = None


NODE_ROWS = (
    Row('autostart', bool, True, START,
        'Configure and activate at start, without a lifecycle manager.'),
    Row('cameras', list, [''], START,
        "Names of the cameras; [''] is one camera without a name. Each name becomes a prefix "
        'of topics (front/image, ~/front/mask) and of parameters (front.rotate).'),
    Row('model', str, 'segformer_b0_ade20k', CONFIGURE,
        'Name of a known model, or path of an ONNX file.'),
    Row('model_spec', str, '', CONFIGURE,
        'Path of the YAML that describes the model; empty: the known one of that name, or the '
        'file beside the ONNX file with the suffix .yaml.'),
    Row('backend', str, 'auto', CONFIGURE,
        'Runtime of the network; auto takes the fastest that works.', choices=BACKENDS),
    Row('threads', int, 0, CONFIGURE,
        'CPU threads of the network; 0 takes all of up to two cores, else all but one.',
        range=(0, 256)),
    Row('resize', str, 'pillow', LIVE,
        'Filter that brings images to network size: pillow as the network was trained, opencv '
        'for less work and slightly other labels.', choices=('pillow', 'opencv')),
    Row('postprocess', str, 'exact', LIVE,
        'exact: the largest of the logits interpolated to image size; fast: the largest at '
        'logits size, an approximation.', choices=('exact', 'fast')),
    Row('threshold', float, 0.0, LIVE,
        'Confidence below which a pixel becomes unlabeled (255); 0 labels every pixel.',
        range=(0.0, 1.0)),
    Row('max_rate', float, 0.0, LIVE,
        'Frames per second that are processed of each camera at most; 0 is no limit.',
        range=(0.0, 1000.0)),
    Row('overlay_alpha', float, 0.5, LIVE,
        'Share of the class colour in the overlay: 0 is the image alone, 1 the colours alone.',
        range=(0.0, 1.0)),
    Row('jpeg_quality', int, 85, LIVE,
        'Quality of the compressed overlay.', range=(1, 100)),
    Row('warn_after', float, 1.0, LIVE,
        'Seconds without a new mask until diagnostics warn.', range=(0.01, 3600.0)),
    Row('error_after', float, 5.0, LIVE,
        'Seconds without a new mask until diagnostics report an error.', range=(0.01, 3600.0)),
)
CAMERA_ROWS = (
    Row('image_transport', str, 'raw', CONFIGURE,
        'raw subscribes to image, compressed to image/compressed.', choices=TRANSPORTS),
    Row('rotate', int, 0, LIVE,
        'Degrees clockwise that turn the image upright; 180 for a camera mounted upside down. '
        'Outputs keep the orientation of the input.', choices=(0, 90, 180, 270)),
)
"""Of one camera: ``rotate`` with one unnamed camera, ``front.rotate`` with a camera front."""


class CameraParameters(NamedTuple):
    """The values of :data:`CAMERA_ROWS` for one camera."""

    name: str
    image_transport: str
    rotate: int


class NodeParameters(NamedTuple):
    """The values of :data:`NODE_ROWS` at one moment, checked; ``cameras`` in given order."""

    autostart: bool
    cameras: Tuple[CameraParameters, ...]
    model: str
    model_spec: str
    backend: str
    threads: int
    resize: str
    postprocess: str
    threshold: float
    max_rate: float
    overlay_alpha: float
    jpeg_quality: int
    warn_after: float
    error_after: float


def camera_rows(cameras: Sequence[str]) -> List[Row]:
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
    return '{}.{}'.format(camera, name) if camera else name


def snapshot(values: Mapping[str, Any]) -> NodeParameters:
    """
    Return frozen parameters from checked values by full name.

    :param values: one for every row of :data:`NODE_ROWS` and of :func:`camera_rows`
    """
    fields: Dict[str, Any] = {row.name: row.kind(values[row.name]) for row in NODE_ROWS}
    fields['cameras'] = tuple(
        CameraParameters(camera, **{row.name: row.kind(values[prefixed(camera, row.name)])
                                    for row in CAMERA_ROWS})
        for camera in values['cameras'])
    return NodeParameters(**fields)
