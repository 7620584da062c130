# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The last input tensors that the robot's cameras gave, in the form that an engine takes."""

import collections
from typing import Any, Deque, Dict, Mapping, NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.model.spec import ModelSpec

LIVE_FRAMES = 8


class LiveFrames:
    """
    A ring of copies of the newest frames; once full, it allocates nothing.

    :param size: how many are kept
    """

    def __init__(self, size: int = LIVE_FRAMES) -> None:
        self._size = size
        self._kept: Deque[Dict[str, arrays.Array]] = collections.deque()

    def __len__(self) -> int:
        """Return how many frames are kept."""
        return len(self._kept)

    def offer(self, inputs: Mapping[str, arrays.Array]) -> None:
        """Keep a copy of a frame, in place of the oldest if there are enough."""
        frame = self._kept.popleft() if len(self._kept) == self._size else {
            name: np.empty_like(array) for name, array in inputs.items()}
        for name, array in inputs.items():
            np.copyto(frame[name], array)
        self._kept.append(frame)

    def clear(self) -> None:
        """Forget the frames."""
        self._kept.clear()

    def frames(self, source: ModelSpec, target: ModelSpec) -> Tuple[Dict[str, arrays.Array], ...]:
        """
        Return the frames, oldest first, as another network takes them.

        :param source: of the network that they were made for
        :param target: of the network that is to get them
        """
        return tuple(convert_frame(frame, source, target) for frame in self._kept)


def convert_frame(frame: Mapping[str, arrays.Array], source: ModelSpec,
                  target: ModelSpec) -> Dict[str, arrays.Array]:
    """
    Return an input tensor in the form that another network takes of the same picture.

    Between a uint8 input and one that is normalised outside the graph no information is lost:
    levels are whole numbers, and come back as such, from float16 too.

    :raises InvalidInputError: the networks take pictures of different size
    """
    array = frame[source.input_name]
    if source.input_size_wh != target.input_size_wh:
        raise InvalidInputError('Frame has the wrong size', got=source.input_size_wh,
                                expected=target.input_size_wh)
    if source.color_order == 'bgr':
        array = np.flip(array, 3 if source.input_layout == 'nhwc' else 1)
    if source.input_layout != target.input_layout:
        order = (0, 2, 3, 1) if target.input_layout == 'nhwc' else (0, 3, 1, 2)
        array = array.transpose(order)
    to_levels = target.input_dtype == 'uint8'
    if to_levels != (source.input_dtype == 'uint8'):
        spec = source if to_levels else target
        shape = (1, 1, 1, 3) if target.input_layout == 'nhwc' else (1, 3, 1, 1)
        mean = np.reshape(spec.mean, shape)
        std = np.reshape(spec.std, shape)
        if to_levels:
            array = np.clip(np.rint((array * std + mean) * 255.0), 0.0, 255.0)
        else:
            array = (array / 255.0 - mean) / std
    if target.color_order == 'bgr':
        array = np.flip(array, 3 if target.input_layout == 'nhwc' else 1)
    return {target.input_name: np.ascontiguousarray(array, dtype=target.input_dtype)}


# Input tensors of one frame, by name.
Frame = Dict[str, arrays.Array]


class Frames(NamedTuple):
    """Frames to compare on."""

    live: Tuple[Frame, ...]
    bundled: Tuple[Frame, ...]


def save_frames(path: str, frames: Frames) -> None:
    """Write frames to a file; ``validation`` reads it in the other process."""
    stored: Dict[str, Any] = {
        f'{source}/{number}/{name}': array
        for source, group in zip(frames._fields, frames)
        for number, frame in enumerate(group) for name, array in frame.items()}
    with open(path, 'wb') as stream:
        np.savez(stream, **stored)


def load_frames(path: str) -> Frames:
    """Read what :func:`save_frames` wrote."""
    groups: Dict[str, Dict[int, Frame]] = {name: {} for name in Frames._fields}
    with np.load(path, allow_pickle=False) as stored:
        for key in stored.files:
            source, number, name = key.split('/', 2)
            groups[source].setdefault(int(number), {})[name] = stored[key]
    return Frames(*(tuple(group[number] for number in sorted(group))
                    for group in groups.values()))
