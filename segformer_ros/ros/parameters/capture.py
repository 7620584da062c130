# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The parameters of capture: one row each, named ``capture.`` and the field."""

import os
from typing import Any, List, Mapping, NamedTuple

from segformer_ros.capture import recorder
from segformer_ros.capture import store
from segformer_ros.capture.judge import Thresholds
from segformer_ros.common.private_files import cache_root
from segformer_ros.ros.parameters import row as rows

PREFIX = 'capture.'
_THRESHOLDS, _LIMITS = Thresholds(), store.Limits()
_RECORDER = recorder.RecorderSettings('')


class CaptureParameters(NamedTuple):
    """The values of :data:`CAPTURE_ROWS`."""

    enabled: bool = rows.parameter(
        False, rows.LIVE,
        'Keep frames that are worth labelling. ~/capture keeps one in any case.')
    folder: str = rows.parameter(
        '', rows.LIVE,
        'Folder of the frames; empty: captures in the cache folder of the user.')
    max_mib: int = rows.parameter(
        _LIMITS.max_bytes // store.MIB, rows.LIVE,
        'Size of that folder at most, MiB.', range=(1, 1048576))
    max_frames: int = rows.parameter(
        _LIMITS.max_frames, rows.LIVE,
        'Frames in it at most. The manifest, a kilobyte a frame, is written anew for each.',
        range=(1, 20000))
    min_free_mib: int = rows.parameter(
        _LIMITS.min_free_bytes // store.MIB, rows.LIVE,
        'MiB that stay free on its disk; below, nothing is kept.', range=(0, 1048576))
    drop: str = rows.parameter(
        _LIMITS.drop, rows.LIVE,
        'What makes way where the folder is full: oldest frames, or newest, so that nothing more '
        'is kept.', choices=(store.OLDEST, store.NEWEST))
    max_rate: float = rows.parameter(
        _RECORDER.max_rate, rows.LIVE,
        'Frames a second that are kept at most, of all cameras together; ~/capture does not '
        'count.', range=(0.001, 10.0))
    low_confidence: float = rows.parameter(
        _THRESHOLDS.low_confidence, rows.LIVE,
        'Confidence below which a pixel is unsure.', range=(0.0, 1.0))
    unsure_share: float = rows.parameter(
        _THRESHOLDS.unsure_share, rows.LIVE,
        'Share of unsure pixels from which a frame is kept; 0 does not look.', range=(0.0, 1.0))
    flicker_share: float = rows.parameter(
        _THRESHOLDS.flicker_share, rows.LIVE,
        'Share of pixels that change their class while the view stands still, from which a frame '
        'is kept; 0 does not look.', range=(0.0, 1.0))
    depth_share: float = rows.parameter(
        _THRESHOLDS.depth_share, rows.LIVE,
        'Share of measured pixels whose class the depth image contradicts, from which a frame is '
        'kept; 0 does not look.', range=(0.0, 1.0))
    lidar_topic: str = rows.parameter(
        '', rows.CONFIGURE,
        'Topic of a sensor_msgs/PointCloud2 that the costmap is compared with, for capture alone; '
        'empty: no lidar is read.')
    lidar_share: float = rows.parameter(
        _THRESHOLDS.lidar_share, rows.LIVE,
        'Share of the points of the lidar that contradict the class and the costmap, from which a '
        'frame is kept; 0 does not look, and no lidar is read.', range=(0.0, 1.0))
    trickle_period: float = rows.parameter(
        _THRESHOLDS.trickle_period, rows.LIVE,
        'Seconds without a kept frame of a camera after which one is kept whatever it shows; 0 '
        'never.', range=(0.0, 86400.0))
    blur: bool = rows.parameter(
        False, rows.LIVE,
        'Blur blur_classes in the image before it is written, as far as the mask shows them.')
    blur_classes: List[str] = rows.parameter(
        ['person', 'car'], rows.LIVE,
        'Classes to blur: person (riders too), car (all motor vehicles), names of classes, or of '
        'groups of category_groups. One that the network does not have is refused.')

    def recorder_settings(self) -> recorder.RecorderSettings:
        """Return the same as the recorder takes it."""
        return recorder.RecorderSettings(
            os.path.expanduser(self.folder) or os.path.join(cache_root(), 'captures'),
            self.enabled, self.max_rate, tuple(self.blur_classes) if self.blur else (),
            store.Limits(self.max_mib * store.MIB, self.max_frames, self.min_free_mib * store.MIB,
                         self.drop),
            Thresholds(self.low_confidence, self.unsure_share, self.flicker_share,
                       self.depth_share, self.lidar_share, self.trickle_period))


CAPTURE_ROWS = tuple(row._replace(name=PREFIX + row.name)
                     for row in rows.rows_of(CaptureParameters))


def capture_parameters(values: Mapping[str, Any]) -> CaptureParameters:
    """
    Return frozen parameters from checked values.

    :param values: by full name, one for every row of :data:`CAPTURE_ROWS`
    """
    return CaptureParameters(**{row.name[len(PREFIX):]: row.kind(values[row.name])
                                for row in CAPTURE_ROWS})
