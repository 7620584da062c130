# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Follow what may move from image to image, and measure how fast it goes.

A velocity is a line laid by least squares through the places of the last second, by their
errors. It counts where the line fits, where it is clearly more than those errors could make it,
and where the thing still went on in the newest image.
"""

import math
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.costmap.motion.sightings import Sighting

WINDOW = 1.0
"""Seconds of places through which a line is laid; a track that is not seen for longer ends."""
LEAST_SPEED = 0.3
"""Metres per second; what is slower may be the drift of an odometry or of a pitch."""
MOST_SPEED = 3.0
"""Metres per second at which something is still followed from one image to the next."""
LEAST_IMAGES = 3
MOST_TRACKS = 32
# Of one track; images that come faster replace each other.
_MOST_SAMPLES = 12
_LEAST_STEP = 0.08
# Seconds that the places have to span, and over which a thing has to have gone on, lately.
_LEAST_SPAN, _STEP, _LONGEST_STEP = 0.25, 0.2, 0.5
# Share of what its velocity says below which a thing stays behind, and by how many standard
# deviations.
_GOES_ON, _SHORT = 0.4, 1.5
# Standard deviations that a speed must be above 0, and that a place may be off a line that fits;
# the squared residual of such a line, by degree of freedom.
_CLEARLY, _OFF, _FITS = 3.0, 3.0, 4.0
# Metres per second that errors which all places share may make.
_SHARED = 0.08
# Metres that a thing may be off where it is expected, beyond its errors, and at most.
_GATE, _WIDEST_GATE = 0.3, 1.2
# Metres; of wider things both ends have to go.
_WIDE = 0.9


class Motion(NamedTuple):
    """
    Where something is and goes, in odom.

    ``x``, ``y`` metres at ``stamp``, seconds; ``vx``, ``vy`` metres per second; ``error`` of the
    place and ``speed_error`` of the velocity, standard deviations; ``radius`` metres.
    """

    x: float
    y: float
    stamp: float
    vx: float
    vy: float
    error: float
    speed_error: float
    radius: float


class _Line(NamedTuple):
    """A line through places: at the newest stamp, with its velocity and their errors."""

    x: float
    y: float
    vx: float
    vy: float
    error: float
    speed_error: float
    misfit: float
    farthest: float


class _Track:
    """One thing: its places by rising stamp."""

    def __init__(self) -> None:
        self.samples: List[Tuple[float, Sighting]] = []
        self.seen = -math.inf
        self.is_missed = False
        self._missed: List[float] = []
        self.motion: Optional[Motion] = None

    def expected(self, stamp: float) -> Tuple[float, float, float]:
        """Return x, y where it is looked for at a time, and how far from there, metres."""
        if self.motion is not None:
            passed = stamp - self.motion.stamp
            x, y = self.motion.x + passed * self.motion.vx, self.motion.y + passed * self.motion.vy
            gate = _GATE + abs(passed) * LEAST_SPEED
        else:
            last = self.samples[-1]
            x, y = last[1].x, last[1].y
            gate = _GATE + abs(stamp - last[0]) * MOST_SPEED
        return x, y, min(_WIDEST_GATE, gate)

    def miss(self, stamp: float) -> None:
        """Take an image that shows where it is expected, and not the thing."""
        self.is_missed = True
        if not self._missed or stamp - self._missed[-1] >= _LEAST_STEP:
            self._missed.append(stamp)
            del self._missed[:-_MOST_SAMPLES]

    @property
    def is_often_missed(self) -> bool:
        """Whether as many images missed it as saw it: labels that flicker here and there."""
        first = self.samples[0][0]
        return sum(stamp >= first for stamp in self._missed) >= len(self.samples)

    def add(self, stamp: float, sighting: Sighting) -> None:
        """Take a place."""
        samples = self.samples
        samples.append((stamp, sighting))
        samples.sort(key=lambda sample: sample[0])
        newest = samples[-1][0]
        while samples[0][0] < newest - WINDOW - 1e-6:
            del samples[0]
        if len(samples) > 2 and 0.0 < samples[-1][0] - samples[-3][0] < _LEAST_STEP:
            del samples[-2]
        del samples[:-_MOST_SAMPLES]
        self.motion = _motion(samples)


def _everywhere(x: float, y: float) -> bool:
    return True


class Tracker:
    """What one grid's cameras see moving; all places in odom, all times on one clock."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._tracks: List[_Track] = []
        self._stamps: Dict[str, float] = {}
        self._newest = -math.inf

    def take(self, camera: str, sightings: Sequence[Sighting], stamp: float,
             shows: Callable[[float, float], bool] = _everywhere) -> None:
        """
        Take in one image; one at or before its camera's last stamp is ignored.

        :param camera: name
        :param sightings: of the image
        :param stamp: seconds
        :param shows: whether a place, x, y in odom, lies in the image: what was expected there
            and is missing has no motion any more
        """
        if stamp <= self._stamps.get(camera, -math.inf):
            return
        self._stamps[camera] = stamp
        self._newest = max(self._newest, stamp)
        self._tracks = [track for track in self._tracks if track.seen >= self._newest - WINDOW]
        if stamp < self._newest - WINDOW:
            return
        pairs = self._pairs(sightings, stamp)
        for track in self._tracks:
            # Whoever saw it elsewhere since knows better.
            if track not in pairs and track.seen < stamp and shows(*track.expected(stamp)[:2]):
                track.miss(stamp)
        for track, sighting in pairs.items():
            track.is_missed = False
            track.seen = max(track.seen, stamp)
            if sighting.whole:
                track.add(stamp, sighting)
        taken = list(pairs.values())
        for sighting in sightings:
            if sighting.whole and not any(sighting is other for other in taken) and len(
                    self._tracks) < MOST_TRACKS:
                track = _Track()
                track.seen = stamp
                track.add(stamp, sighting)
                self._tracks.append(track)

    def motions(self, since: float) -> List[Motion]:
        """
        Return what moves.

        Left out is who was missed in the last image that shows where they go, or in as many images
        of the last second as saw them.

        Whoever another camera saw, even in an image somewhat older, is there again: a camera that
        lags and sees somebody counts more than one whose view of them is blocked.

        :param since: seconds; what was measured before is left out
        """
        return [track.motion for track in self._tracks if not track.is_missed
                and track.motion is not None and track.motion.stamp >= since
                and not track.is_often_missed]

    def _pairs(self, sightings: Sequence[Sighting], stamp: float) -> 'Dict[_Track, Sighting]':
        """Return which sighting is which track: the nearest two first."""
        near = []
        for row, track in enumerate(self._tracks):
            x, y, gate = track.expected(stamp)
            for column, sighting in enumerate(sightings):
                off = math.hypot(sighting.x - x, sighting.y - y)
                if off <= gate + sighting.error:
                    near.append((off, row, column))
        pairs: Dict[_Track, Sighting] = {}
        taken = set()
        for _, row, column in sorted(near):
            if self._tracks[row] not in pairs and column not in taken:
                pairs[self._tracks[row]] = sightings[column]
                taken.add(column)
        return pairs


def _motion(samples: Sequence[Tuple[float, Sighting]]) -> Optional[Motion]:
    """Return how something goes by its places, None where that is not known or it stands."""
    newest, last = samples[-1]
    for first in range(len(samples) - LEAST_IMAGES + 1):
        used = samples[first:]
        if newest - used[0][0] < _LEAST_SPAN - 1e-6:
            return None
        line = _line([(stamp, s.x, s.y, s.error) for stamp, s in used])
        if line.misfit <= _FITS and line.farthest <= _OFF:
            break
    else:
        return None
    speed = math.hypot(line.vx, line.vy)
    if speed < max(LEAST_SPEED, _CLEARLY * line.speed_error):
        return None
    if speed > MOST_SPEED or _stays_behind(used, line, speed):
        return None
    extent = max(s.extent for _, s in used)
    if extent > _WIDE and not all(_goes(used, end, line) for end in (0, 1)):
        return None
    return Motion(line.x, line.y, newest, line.vx, line.vy, line.error, line.speed_error,
                  0.5 * last.extent)


def _stays_behind(samples: Sequence[Tuple[float, Sighting]], line: _Line, speed: float) -> bool:
    """Return whether something made much less of its way lately than its velocity says."""
    newest, last = samples[-1]
    for stamp, old in samples:
        passed = newest - stamp
        if _STEP - 1e-6 <= passed <= _LONGEST_STEP + 1e-6:
            made = ((last.x - old.x) * line.vx + (last.y - old.y) * line.vy) / speed
            short = speed * passed - made
            if made < _GOES_ON * speed * passed and short > _SHORT * math.hypot(last.error,
                                                                                old.error):
                return True
    return False


def _goes(samples: Sequence[Tuple[float, Sighting]], end: int, line: _Line) -> bool:
    """Return whether one end of a wide thing goes at least half as fast as its middle."""
    ends = [(stamp, s.right if end else s.left, s.error) for stamp, s in samples]
    own = _line([(stamp, place[0], place[1], error) for stamp, place, error in ends])
    squared = line.vx * line.vx + line.vy * line.vy
    return own.vx * line.vx + own.vy * line.vy >= 0.5 * squared


def _line(places: Sequence[Tuple[float, float, float, float]]) -> _Line:
    """Return the line through places: stamp, x, y, error; three or more of them."""
    weights = [1.0 / (error * error) for _, _, _, error in places]
    total = sum(weights)
    newest = places[-1][0]
    times = [stamp - newest for stamp, _, _, _ in places]
    middle = sum(w * t for w, t in zip(weights, times)) / total
    spread = sum(w * (t - middle) ** 2 for w, t in zip(weights, times))
    means, speeds, squares, farthest = [], [], 0.0, 0.0
    for axis in (1, 2):
        values = [place[axis] for place in places]
        mean = sum(w * value for w, value in zip(weights, values)) / total
        speed = sum(w * (t - middle) * value
                    for w, t, value in zip(weights, times, values)) / spread
        off = [w * (value - mean - speed * (t - middle)) ** 2
               for w, t, value in zip(weights, times, values)]
        squares += sum(off)
        farthest = max(farthest, math.sqrt(max(off)))
        means.append(mean - speed * middle)
        speeds.append(speed)
    return _Line(means[0], means[1], speeds[0], speeds[1],
                 math.sqrt(1.0 / total + middle * middle / spread),
                 math.hypot(_SHARED, math.sqrt(1.0 / spread)),
                 squares / (2.0 * (len(places) - 2)), farthest)
