# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decode Bayer and packed YUV 4:2:2 pictures with cv_bridge, where it is installed and works."""

import logging
from typing import Any, Optional, Set

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.text import plain
from segformer_ros.segmentation.images.decoding import Encoding

_LOGGER = logging.getLogger(__name__)


class CvBridgeDecoder:
    """
    Decode with cv_bridge, which is imported when the first such image comes.

    Where it is absent, broken or refuses an image, :meth:`to_rgb` returns None and the caller
    converts with OpenCV; :attr:`status` says which of the two is in use and why.
    """

    def __init__(self) -> None:
        self._tried = False
        self._bridge: Optional[Any] = None
        self._told: Set[str] = set()
        self.status = 'not needed yet'

    def to_rgb(self, message: Any, encoding: Encoding) -> Optional[arrays.UInt8]:
        """
        Convert a checked Bayer or packed YUV 4:2:2 image.

        :param message: a ``sensor_msgs/Image`` whose layout was checked
        :param encoding: its layout
        :return: (H, W, 3) uint8 RGB, or None where cv_bridge cannot be used
        """
        if not self._tried:
            self._tried = True
            try:
                from cv_bridge import CvBridge
                self._bridge = CvBridge()
            except Exception as error:  # an ABI clash raises AttributeError, SystemError, ...
                self._fall_back('cannot be used', error)
        if self._bridge is None:
            return None
        try:
            # 'rgb8' from 16 bit samples scales them, as the OpenCV path does.
            picture = self._bridge.imgmsg_to_cv2(_compacted(message, encoding), 'rgb8')
        except Exception as error:  # cv_bridge raises whatever its compiled half raises
            self._fall_back(f'refused {message.encoding}', error)
            return None
        self.status = 'cv_bridge'
        return np.asarray(picture)

    def _fall_back(self, reason: str, error: Exception) -> None:
        self.status = f'OpenCV, because cv_bridge {reason}: {type(error).__name__}: {plain(error)}'
        # An image that is refused comes again and again, between others or with another text.
        if reason not in self._told:
            self._told.add(reason)
            _LOGGER.warning('Bayer and YUV 4:2:2 images are decoded by %s', self.status)


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
