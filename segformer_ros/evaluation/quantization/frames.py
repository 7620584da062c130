# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which of a user's images calibrate, and which are held out to judge the outcome."""

from typing import List, NamedTuple, Sequence, Tuple

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.sources import frames as source_frames
from segformer_ros.inference.base.frames import Frame as Tensors
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.preprocessing import Preprocessor

FEWEST = 3
NAMED = 3
"""Images that could not be used, of which the report tells names and reasons."""
HELD_OUT = 3
"""One frame of so many is held out."""


class Frames(NamedTuple):
    """
    Input tensors of a network, in two parts that share no frame.

    ``images`` is how many there were to choose from, ``left_out`` how many could not be used,
    ``left_out_first`` the first few of these, each with the reason.
    """

    calibration: Tuple[Tensors, ...]
    held_out: Tuple[Tensors, ...]
    images: int
    left_out: int
    left_out_first: Tuple[str, ...] = ()


class Thinned:
    """
    Keeps at most so many of a stream of items, evenly spaced, whatever its length.

    When it is full, every second one is let go, and half as many of the next are taken.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._kept: List[Tensors] = []
        self.seen = 0

    @property
    def is_wanted(self) -> bool:
        """Return whether the next one would be kept."""
        return self.seen % self._step == 0

    def add(self, tensors: Tensors) -> None:
        """Take the next one, which is wanted."""
        self._kept.append(tensors)
        if len(self._kept) > self._most:
            del self._kept[1::2]
            self._step *= 2

    @property
    def kept(self) -> List[Tensors]:
        """Return what is kept, in its order."""
        return list(self._kept)


def read_frames(inputs: source_frames.Inputs, spec: ModelSpec, most: int) -> Frames:
    """
    Read images, bring them to the network's size and part them.

    :param inputs: bags or photos
    :param spec: of the network
    :param most: frames of each input at most, both parts together
    :raises InvalidInputError: fewer than :data:`FEWEST` images can be used
    """
    preprocessor = Preprocessor(spec, None)
    calibration: List[Tensors] = []
    held_out: List[Tensors] = []
    images, left_out = 0, sum(each.frames for each in inputs.left_out)
    first = [f'{each.name}: {each.message}' for each in inputs.left_out][:NAMED]
    for source in inputs.sources:
        thinned = Thinned(most)
        for item in source.frames():
            if not isinstance(item, source_frames.Frame):
                left_out += item.frames
                first += [f'{item.name}: {item.message}'][:NAMED - len(first)]
                continue
            if thinned.is_wanted:
                thinned.add({spec.input_name: preprocessor.run(item.image, 'pillow').copy()})
            thinned.seen += 1
        images += thinned.seen
        parts = _parted(thinned.kept, source)
        calibration += parts[0]
        held_out += parts[1]
    if images < FEWEST or not calibration or not held_out:
        raise InvalidInputError('Too few images to calibrate on', got=images,
                                expected=f'{FEWEST} of one camera or folder; some hundred serve '
                                         'well',
                                remedy='Record some minutes where the robot works.')
    return Frames(tuple(calibration), tuple(held_out), images, left_out, tuple(first))


def _parted(frames: Sequence[Tensors],
            source: source_frames.FrameSource) -> Tuple[List[Tensors], List[Tensors]]:
    """
    Part the frames of one source.

    The end of a recording is held out, since neighbours in time look alike and would flatter;
    of photos every third one.
    """
    if source.consecutive:
        last = len(frames) - len(frames) // HELD_OUT
        return list(frames[:last]), list(frames[last:])
    return ([frame for number, frame in enumerate(frames, 1) if number % HELD_OUT],
            [frame for number, frame in enumerate(frames, 1) if not number % HELD_OUT])
