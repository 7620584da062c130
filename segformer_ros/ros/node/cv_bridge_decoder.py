# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Ask cv_bridge for bayer and packed yuv pictures, where it is installed and sound."""

import subprocess
import sys
from typing import Any, Optional, TYPE_CHECKING

import numpy as np
from segformer_ros.segmentation.images.encodings import Encoding

if TYPE_CHECKING:
    import numpy.typing as npt

# cv_bridge swallows a failed import of its compiled half and a numpy of another ABI can end the
# process at the first conversion, so one conversion is tried where nothing can be lost.
PROBE = '''
import cv_bridge
import numpy
import sensor_msgs.msg
message = sensor_msgs.msg.Image(height=4, width=4, step=4, encoding='bayer_rggb8')
message.data = bytes(bytearray(range(16)))
picture = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')
assert picture.shape == (4, 4, 3) and picture.dtype == numpy.uint8, picture.shape
'''
PROBE_TIMEOUT = 20.0
"""Seconds; importing cv_bridge takes some seconds on the original Nano's SD card."""


class CvBridgeDecoder:
    """
    cv_bridge, tried once in a child process before it is used.

    Where it is absent, broken or refuses an image, :meth:`to_rgb` returns None and the caller
    converts with OpenCV; :attr:`status` says which of the two is in use and why.
    """

    def __init__(self) -> None:
        self._tried = False
        self._bridge: Optional[Any] = None
        self.status = 'not needed yet'

    def to_rgb(self, message: Any, encoding: Encoding) -> Optional['npt.NDArray[np.uint8]']:
        """
        Convert a checked bayer or packed yuv image.

        :param message: a ``sensor_msgs/Image`` whose layout was checked
        :param encoding: its layout
        :return: (H, W, 3) uint8 RGB, or None where cv_bridge cannot be used
        """
        if not self._tried:
            self._tried = True
            self._bridge = self._load()
        if self._bridge is None:
            return None
        try:
            # 'rgb8' from 16 bit samples scales them, as the OpenCV path does.
            picture = self._bridge.imgmsg_to_cv2(_compacted(message, encoding), 'rgb8')
        except Exception as error:  # cv_bridge raises whatever its compiled half raises
            self.status = f'OpenCV, because cv_bridge refused {message.encoding}: {error}'
            return None
        self.status = 'cv_bridge'
        return np.asarray(picture)

    def _load(self) -> Optional[Any]:
        reason = probe()
        if reason is None:
            try:
                import cv_bridge
                return cv_bridge.CvBridge()
            except Exception as error:  # an ABI clash raises AttributeError, SystemError, ...
                reason = f'{type(error).__name__}: {error}'
        self.status = 'OpenCV, because cv_bridge cannot be used: ' + reason
        return None


def probe() -> Optional[str]:
    """
    Convert one small picture with cv_bridge in a child process.

    :return: None where that works, else why it does not
    """
    try:
        child = subprocess.Popen([sys.executable, '-c', PROBE], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 universal_newlines=True)
    except OSError as error:
        return str(error)
    try:
        _, errors = child.communicate(timeout=PROBE_TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return f'no answer within {PROBE_TIMEOUT:.0f} s'
    if child.returncode == 0:
        return None
    if child.returncode < 0:
        return f'its process ended with signal {-child.returncode}'
    lines = errors.strip().splitlines()
    return lines[-1] if lines else f'exit status {child.returncode}'


def _compacted(message: Any, encoding: Encoding) -> Any:
    """Return the message with unpadded rows: cv_bridge garbles some padded steps."""
    row_bytes = message.width * encoding.pixel_bytes
    if message.step == row_bytes:
        return message
    from sensor_msgs.msg import Image
    rows = np.frombuffer(message.data, np.uint8).reshape(-1, message.step)[:, :row_bytes]
    return Image(header=message.header, height=message.height, width=message.width,
                 encoding=message.encoding, is_bigendian=message.is_bigendian, step=row_bytes,
                 data=rows.tobytes())
