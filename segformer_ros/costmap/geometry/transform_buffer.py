# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A transform tree for places without tf2: bags read offline, and ROS from wheels.

It answers as tf2 does: the pose of one frame in another at a time, interpolated along every
moving edge (positions linearly, rotations by slerp), never extrapolated. The rules come from
tf2's documentation; tf2's own code is not used.
"""

import abc
import bisect
import collections
import math
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.text import plain
from segformer_ros.common.time import stamp_to_seconds
from segformer_ros.costmap.geometry import transforms

MOST_FRAMES = 4096
"""Frames that are kept; robots have some hundreds, a broken publisher may invent one a message."""
LONGEST_NAME = 256
"""Characters; ROS names topics with 255 at most."""
MOST_STAMPS = 20000
"""Of one frame: 10 s at 2 kHz."""
MOST_TRANSFORMS = 200000
"""In all: 100 MB. Above it the frames that nobody asks for make way."""
MOST_WANTED = 64
"""Names that count as asked for; images name some of them."""
MOST_DEPTH = 64
"""Frames above one that is asked for that are kept with it; robots have some ten."""
MOST_CHAIN = 256
"""Frames above one that are looked at; each costs a lookup time, and some may be invented."""


class Transforms(abc.ABC):
    """Poses of frames in each other at a time; every method may be called from any thread."""

    source = ''
    """Where they come from, for diagnostics."""

    @abc.abstractmethod
    def lookup(self, target: str, source: str, stamp_ns: int) -> arrays.Float64:
        """
        Return target_from_source (4, 4) without waiting.

        :param stamp_ns: nanoseconds
        :raises TransformError: not known, or not yet
        """

    @abc.abstractmethod
    def knows(self, frame: str) -> bool:
        """Return whether any transform names a frame."""

    @abc.abstractmethod
    def clear(self) -> None:
        """Forget everything but static transforms, because time went back."""

    @abc.abstractmethod
    def destroy(self) -> None:
        """Take no more messages."""


class _Edge:
    """The history of one child in its parent; a static one has a single entry for all times."""

    def __init__(self, parent: str, static: bool) -> None:
        self.parent = parent
        self.static = static
        self.since = time.monotonic()
        self.arrived = 0.0
        self.stamps: List[float] = []
        self.translations: List[arrays.Float64] = []
        self.rotations: List[arrays.Float64] = []

    def insert(self, stamp: float, translation: arrays.Float64, rotation: arrays.Float64,
               cache_time: float) -> None:
        if self.static:
            self.stamps, self.translations, self.rotations = [stamp], [translation], [rotation]
            return
        place = bisect.bisect_left(self.stamps, stamp)
        if place < len(self.stamps) and self.stamps[place] == stamp:
            self.translations[place] = translation
            self.rotations[place] = rotation
            return
        self.stamps.insert(place, stamp)
        self.translations.insert(place, translation)
        self.rotations.insert(place, rotation)
        old = max(bisect.bisect_left(self.stamps, self.stamps[-1] - cache_time),
                  len(self.stamps) - MOST_STAMPS)
        if old > 0:
            del self.stamps[:old], self.translations[:old], self.rotations[:old]

    def at(self, stamp: float, child: str) -> arrays.Float64:
        """Return parent_from_child (4, 4)."""
        matrix = np.eye(4)
        place = 0 if self.static else bisect.bisect_left(self.stamps, stamp)
        if self.static or (place < len(self.stamps) and self.stamps[place] == stamp):
            rotation, matrix[:3, 3] = self.rotations[place], self.translations[place]
        elif 0 < place < len(self.stamps):
            before = self.stamps[place - 1]
            share = (stamp - before) / (self.stamps[place] - before)
            rotation = transforms.slerp(self.rotations[place - 1], self.rotations[place], share)
            matrix[:3, 3] = ((1.0 - share) * self.translations[place - 1]
                             + share * self.translations[place])
        else:
            late = place > 0
            raise TransformError(
                'No transform at that time', got='{:.3f} s {} one of {!r} in {!r}'.format(
                    stamp - self.stamps[-1] if late else self.stamps[0] - stamp,
                    'after the newest' if late else 'before the oldest', child, self.parent),
                expected=f'a stamp within {self.stamps[0]:.3f} .. {self.stamps[-1]:.3f}',
                remedy='Wait for the transform.' if late else
                'The image is older than the transforms kept; check the clocks.')
        matrix[:3, :3] = transforms.rotation_of(rotation)
        return matrix


class TransformBuffer:
    """
    The transforms of the last seconds.

    :param cache_time: seconds kept behind the newest transform of each frame; tf2 keeps 10
    """

    def __init__(self, cache_time: float = 10.0) -> None:
        self.cache_time = cache_time
        self._edges: Dict[str, _Edge] = {}
        self._wanted: 'collections.OrderedDict[str, None]' = collections.OrderedDict()
        self._transforms = 0

    def __contains__(self, child: object) -> bool:
        """Return whether a transform of a frame is kept."""
        return child in self._edges

    def insert(self, parent: str, child: str, stamp: float, translation: Sequence[float],
               quaternion: Sequence[float], static: bool = False) -> None:
        """
        Take in one geometry_msgs/TransformStamped.

        :param parent: header.frame_id; a leading slash, as ROS 1 bags have it, is dropped
        :param child: child_frame_id
        :param stamp: seconds; not used by a static transform
        :param translation: x, y, z of the child's origin in the parent, metres
        :param quaternion: x, y, z, w
        :param static: it holds for all times (/tf_static)
        :raises InvalidInputError: empty, equal or long names, numbers that are not finite, a
            quaternion near zero
        """
        parent, child = parent.lstrip('/'), child.lstrip('/')
        if not parent or not child or parent == child:
            raise InvalidInputError('Transform without two frames', got=f'{child!r} in {parent!r}',
                                    expected='two different names')
        if max(len(parent), len(child)) > LONGEST_NAME:
            raise InvalidInputError('Name of a frame is too long', got=plain(child, 60),
                                    expected=f'at most {LONGEST_NAME} characters')
        position = np.array(translation, np.float64)
        if not np.isfinite(position).all() or not math.isfinite(stamp):
            raise InvalidInputError('Transform is not finite',
                                    got=f'{child!r} in {parent!r}: {list(translation)} at {stamp}')
        rotation = transforms.unit_quaternion(quaternion)
        edge = self._edges.get(child)
        if (edge is None and len(self._edges) >= MOST_FRAMES) or \
                self._transforms >= MOST_TRANSFORMS:
            self._make_room()
            edge = self._edges.get(child)
        if edge is None or edge.parent != parent or edge.static != static:
            # A child has one parent; its history under another one has no meaning now.
            self._transforms -= 0 if edge is None else len(edge.stamps)
            edge = self._edges[child] = _Edge(parent, static)
        edge.arrived = time.monotonic()
        before = len(edge.stamps)
        edge.insert(stamp, position, rotation, self.cache_time)
        self._transforms += len(edge.stamps) - before

    def insert_message(self, message: Any, static: bool) -> None:
        """
        Take in a transform as :meth:`insert` does.

        :param message: with the fields of ``geometry_msgs/TransformStamped``
        """
        self.insert(message.header.frame_id, message.child_frame_id,
                    stamp_to_seconds(message.header.stamp),
                    *transforms.components_of(message.transform), static)

    def lookup(self, target: str, source: str, stamp: Optional[float] = None) -> arrays.Float64:
        """
        Return target_from_source (4, 4): the pose of ``source`` in ``target``.

        :param target: frame to express in
        :param source: frame to express
        :param stamp: seconds; the newest common time if None
        :raises TransformError: a frame is unknown, the two are not connected, or the time is
            outside what is kept
        """
        target, source = target.lstrip('/'), source.lstrip('/')
        if target == source:
            return np.eye(4)
        for frame in (target, source):
            if len(frame) > LONGEST_NAME:
                raise self._unknown(frame)
        self._want(target, source)
        up_target, up_source = self._chain(target), self._chain(source)
        above_target = set(up_target)
        common = next((frame for frame in up_source if frame in above_target), None)
        if common is None:
            raise TransformError(
                'Frames are not connected',
                got=f'{target!r} below {up_target[-1]!r}, {source!r} below {up_source[-1]!r}',
                expected='one tree', remedy='Publish the missing transform between the two.')
        up_target = up_target[:up_target.index(common)]
        up_source = up_source[:up_source.index(common)]
        if stamp is None:
            stamp = self._newest_common(up_target + up_source)
        return (transforms.inverse(self._climb(up_target, stamp))
                .dot(self._climb(up_source, stamp)))

    def knows(self, frame: str) -> bool:
        """Return whether any transform names a frame."""
        frame = frame.lstrip('/')
        return frame in self._edges or any(edge.parent == frame
                                           for edge in self._edges.values())

    def clear(self) -> None:
        """Forget everything but static transforms, as after a jump back in time."""
        self._keep([child for child, edge in self._edges.items() if edge.static])

    def _want(self, *frames: str) -> None:
        """Remember which frames are asked for: the robot's own, as its parameters name them."""
        for frame in frames:
            self._wanted[frame] = None
            self._wanted.move_to_end(frame)
        while len(self._wanted) > MOST_WANTED:
            self._wanted.popitem(last=False)

    def _make_room(self) -> None:
        """
        Forget frames that nobody asks for: those not seen for the cache time, else a quarter.

        A quarter at once, so that who invents frames does not make each of them a search.
        Static ones come once and have no age: they go last, and the robot's own, which came
        before a stranger's, after those.
        """
        needed = set()
        for wanted in self._wanted:
            child = wanted
            for _ in range(MOST_DEPTH):
                if child not in self._edges or child in needed:
                    break
                needed.add(child)
                child = self._edges[child].parent

        def worth(child: str) -> Tuple[bool, float]:
            edge = self._edges[child]
            return edge.static, -edge.since if edge.static else edge.arrived

        others = sorted(set(self._edges) - needed, key=worth)
        seen_last = time.monotonic() - self.cache_time
        stale = sum(not self._edges[child].static and self._edges[child].arrived < seen_last
                    for child in others)
        self._keep(list(needed) + others[max(stale, (len(others) + 3) // 4):])

    def _keep(self, children: List[str]) -> None:
        self._edges = {child: self._edges[child] for child in children}
        self._transforms = sum(len(edge.stamps) for edge in self._edges.values())

    def _chain(self, frame: str) -> List[str]:
        if not self.knows(frame):
            raise self._unknown(frame)
        chain, passed = [frame], {frame}
        while chain[-1] in self._edges and len(chain) <= MOST_CHAIN:
            parent = self._edges[chain[-1]].parent
            if parent in passed:
                if self._forget_stale(chain[chain.index(parent):]):
                    return self._chain(frame)
                raise TransformError('Transforms form a loop', got=' -> '.join(chain + [parent]),
                                     remedy='Give each frame one parent.')
            chain.append(parent)
            passed.add(parent)
        return chain

    def _forget_stale(self, loop: List[str]) -> bool:
        """Forget edges of a loop that nobody publishes any more; return whether there are any."""
        moving = [child for child in loop if not self._edges[child].static]
        newest = max([edge.stamps[-1] for edge in self._edges.values() if not edge.static],
                     default=-math.inf)
        stale = [child for child in moving
                 if self._edges[child].stamps[-1] < newest - self.cache_time]
        self._keep([child for child in self._edges if child not in stale])
        return bool(stale)

    def _unknown(self, frame: str) -> TransformError:
        known = sorted(set(self._edges) | {edge.parent for edge in self._edges.values()})
        return TransformError('Unknown frame', got=repr(plain(frame, LONGEST_NAME)),
                              expected=f"one of {', '.join(known) or '(none yet)'}",
                              remedy='Check the name, and that its transform is published.')

    def _newest_common(self, children: Sequence[str]) -> float:
        ends = [self._edges[child].stamps[-1] for child in children
                if not self._edges[child].static]
        return min(ends) if ends else 0.0

    def _climb(self, children: Sequence[str], stamp: float) -> arrays.Float64:
        matrix = np.eye(4)
        for child in children:
            matrix = self._edges[child].at(stamp, child).dot(matrix)
        return matrix
