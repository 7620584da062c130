# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How large the values inside a network become: histograms over some frames."""

from typing import Any, Dict, Mapping, Sequence

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.model.optimize import verify
from segformer_ros.model.optimize.writer import import_onnx

BINS = 2048


class Histogram:
    """
    Magnitudes of one tensor, over all frames.

    Bins begin at zero. When a value lies beyond the last one, their width is doubled, as often
    as is needed, so no frame has to be seen twice.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.end = 0.0
        """Where the last bin ends."""
        self.largest = 0.0

    def add(self, values: arrays.Array) -> None:
        """
        Count the values of a frame.

        :raises InvalidInputError: not every one is finite
        """
        magnitudes = np.abs(np.asarray(values, np.float32)).ravel()
        largest = float(magnitudes.max()) if magnitudes.size else 0.0
        if not np.isfinite(largest):
            raise InvalidInputError('Network has a value that is not finite', got=largest,
                                    remedy='Leave out the frame, or use precision: fp32.')
        self.largest = max(self.largest, largest)
        self.end = self.end or largest
        while self.end < largest:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(axis=1),
                                          np.zeros(BINS // 2, np.int64)])
            self.end *= 2.0
        # An end of zero: nothing but zeros so far.
        self.counts += np.histogram(magnitudes, BINS, (0.0, self.end or 1.0))[0]

    def quantile(self, share: float) -> float:
        """
        Return the magnitude that a share of all values does not exceed, to one bin.

        :param share: 0..1; of 1 the largest magnitude itself
        """
        if share >= 1.0 or not self.counts.any():
            return self.largest
        reached = int(np.searchsorted(np.cumsum(self.counts), share * self.counts.sum()))
        return min((reached + 1) * self.end / BINS, self.largest)

    def share_above(self, limit: float) -> float:
        """Return the share 0..1 of all values that are larger than a limit, to one bin."""
        total = int(self.counts.sum())
        if limit >= self.largest or not total:
            return 0.0
        # Exact where a bin ends: ends have the 24 bits of a float32, BINS is a power of two.
        first = int(np.ceil(limit / self.end * BINS))
        return float(self.counts[first:].sum()) / total


def observe(model: Any, tensors: Sequence[str],
            frames: 'Sequence[Mapping[str, arrays.Array]]') -> Dict[str, Histogram]:
    """
    Run a network on some frames and return how large each tensor became.

    A frame's tensors lie in memory together, at most: of SegFormer-B0 at 512 x 512 170 MB.

    :param model: an ``onnx.ModelProto``; not changed
    :param tensors: names of float32 tensors inside it
    :param frames: input tensors
    :raises BackendError: onnxruntime is not installed or does not run the network
    :raises InvalidInputError: a value is not finite
    """
    onnx = import_onnx()
    copy = type(model)()
    copy.CopyFrom(model)
    inputs = {entry.name for entry in copy.graph.input}
    inside = [name for name in tensors if name not in inputs]
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_tensor_value_info(
        name, onnx.TensorProto.FLOAT, None) for name in inside)
    found = {name: Histogram() for name in tensors}
    session = verify.open_session(copy.SerializeToString())
    for frame in frames:
        try:
            values = dict(zip(inside, session.run(inside, dict(frame))))
        except Exception as error:  # onnxruntime's own types are not exported in 1.10
            raise BackendError('Graph cannot be run', got=error) from error
        values.update((name, frame[name]) for name in tensors if name in inputs)
        for name in tensors:
            found[name].add(values[name])
    return found
