# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The images of several cameras in one file of a recording, as they were received."""

import heapq
from typing import Dict, Iterator, Optional, Tuple, Union

from segformer_ros.evaluation.sources import bag_source
from segformer_ros.evaluation.sources import frames as source_frames


class BagCameras(bag_source.RecordedSource):
    """
    All cameras of a robot in one file.

    :param name: for reports
    :param group: the recording
    :param sources: of one file, by the camera's name
    """

    def __init__(self, name: str, group: str, sources: Dict[str, bag_source.BagSource]) -> None:
        first = next(iter(sources.values()))
        super().__init__(name, group, first.part, first.all_parts, {
            source.topic: camera for camera, source in sources.items()})
        self._sources = list(sources.values())

    def expected_frames(self) -> Optional[int]:
        """Return the sum over all cameras."""
        expected = [source.expected_frames() for source in self._sources]
        return None if None in expected else sum(frames or 0 for frames in expected)

    def mask_groups(self) -> Dict[str, str]:
        """Return those of the single cameras."""
        return {source.topic: source.group for source in self._sources}

    def frames(self) -> Iterator[Union[source_frames.Frame, source_frames.LeftOut]]:
        """Read the file from its beginning; positions count the images of all cameras."""
        merged = heapq.merge(*[_numbered(number, source)
                               for number, source in enumerate(self._sources)],
                             key=lambda each: each[:2])
        for position, (_, _, item) in enumerate(merged):
            yield item if isinstance(item, source_frames.LeftOut) else item._replace(
                position=position, name=f'{self.cameras[item.topic]} {item.name}')


def _numbered(number: int, source: bag_source.BagSource) -> Iterator[
        Tuple[int, int, Union[source_frames.Frame, source_frames.LeftOut]]]:
    """Yield (time received, number, item)."""
    for time_ns, item in source.timed_frames():
        yield time_ns, number, item
