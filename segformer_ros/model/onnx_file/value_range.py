# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Between which numbers the values of a tensor lie, as far as the steps before it tell."""

import math
from typing import Any, Callable, Dict, FrozenSet, Mapping, NamedTuple, Optional

_DEEPEST = 24
# What is smaller is not divided by here: the quotient may be infinite.
_LEAST = 1e-300
_UNIT = ('HardSigmoid', 'Sigmoid', 'Softmax', 'Equal', 'Greater', 'GreaterOrEqual', 'Less',
         'LessOrEqual', 'And', 'Or', 'Xor', 'IsNaN')
_FROM_ZERO = ('Abs', 'Exp', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'Softplus', 'Sqrt')
# What comes of these is the same for a value and its negative.
_EVEN = ('Abs', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare')
_SAME = ('Cast', 'Expand', 'Flatten', 'Gather', 'Identity', 'MaxPool', 'ReduceMax', 'ReduceMean',
         'ReduceMin', 'Reshape', 'Slice', 'Squeeze', 'Transpose', 'Unsqueeze')
# These make of a logit a value in 0..1 that is above 0.5 where the logit is above 0.
SQUASHING = ('Exp', 'HardSigmoid', 'Sigmoid', 'Softmax', 'Tanh')
# These do not: what comes of them is cut off, or a label.
_CUTTING = ('Clip', 'Relu', 'Where', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual',
            'Not', 'And', 'Or', 'Pow', 'ArgMax', 'Round', 'Floor', 'Ceil')


# In the operators of a range: the least becomes the largest. Twice is not at all.
NEGATED = frozenset(['Neg'])
LEAST = frozenset(['ArgMin'])
"""Of labels: those of the smallest scores, also where an argmax has negated ones."""
LIKELIHOODS = ('Log', 'LogSoftmax', 'Sigmoid', 'Softmax')


class Range(NamedTuple):
    """Bounds of a tensor's values, which may be infinite, and the operators that gave them."""

    low: float
    high: float
    ops: FrozenSet[str] = frozenset()

    @property
    def is_unit(self) -> bool:
        """Return whether the values lie in 0..1."""
        return self.low >= 0.0 and self.high <= 1.0

    @property
    def is_squashed(self) -> bool:
        """Return whether they are logits that were pressed into 0..1, and nothing else."""
        return self.is_unit and bool(self.ops.intersection(SQUASHING)) \
            and not self.ops.intersection(_CUTTING)


UNKNOWN = Range(-math.inf, math.inf)


class ValueRanges:
    """
    Bounds by tensor.

    :param producer: returns the node that computes a tensor, None for inputs and constants
    :param numbers: the values of constants of one element; None is another constant
    :param channels: returns the number of classes that an argmax chooses from, if it is known
    """

    def __init__(self, producer: Callable[[str], Optional[Any]],
                 numbers: Mapping[str, Optional[float]],
                 channels: Callable[[str], Optional[int]]) -> None:
        self._producer = producer
        self._numbers = numbers
        self._channels = channels
        self._found: Dict[str, Range] = {}

    def of(self, name: str, depth: int = 0) -> Range:
        """Return the bounds of a tensor."""
        if name in self._numbers:
            number = self._numbers[name]
            return UNKNOWN if number is None else Range(number, number)
        if name not in self._found and depth < _DEEPEST:
            self._found[name] = UNKNOWN  # of a loop in a hostile file
            node = self._producer(name)
            if node is not None:
                self._found[name] = self._computed(node, name, depth + 1)
        return self._found.get(name, UNKNOWN)

    def _computed(self, node: Any, name: str, depth: int) -> Range:
        op, inputs = node.op, [each for each in node.inputs if each]
        if op == 'TopK' and name == node.outputs[-1] and len(node.outputs) > 1:
            return self._label(inputs, depth, not node.integers.get('largest', 1))
        if name != node.outputs[0]:
            return UNKNOWN
        if op in _UNIT:
            return Range(0.0, 1.0, frozenset([op]))
        if op == 'Tanh':
            return Range(-1.0, 1.0, frozenset([op]))
        if op == 'LogSoftmax':
            return Range(-math.inf, 0.0, frozenset([op]))
        if not inputs:
            return UNKNOWN
        if op in ('ArgMax', 'ArgMin'):
            return self._label(inputs, depth, op == 'ArgMin')
        if self._is_share(node):
            return Range(0.0, 1.0, frozenset(['Softmax']))
        many = self._many(op, node, inputs, depth)
        if many is not None:
            return many
        first = self.of(inputs[0], depth)
        if op in _SAME:
            return first
        low, high = first.low, first.high
        ops = first.ops | frozenset([op])
        if op in _EVEN:
            ops -= NEGATED
        if op in _FROM_ZERO:
            return Range(0.0, math.inf, ops)
        if op == 'Relu':
            return Range(max(low, 0.0), max(high, 0.0), ops)
        if op == 'Neg':
            return Range(-high, -low, first.ops ^ NEGATED)
        if op == 'Log' and low >= 0.0:
            return Range(-math.inf if low < _LEAST else math.log(low),
                         math.inf if math.isinf(high) else math.log(max(high, _LEAST)), ops)
        if op == 'Not':
            ops ^= NEGATED
            return Range(1.0 - high, 1.0 - low, ops) if first.is_unit else Range(0.0, 1.0, ops)
        if op == 'Reciprocal' and low >= _LEAST:
            return Range(1.0 / high, 1.0 / low, first.ops ^ NEGATED)
        if op in ('Round', 'Floor', 'Ceil') and math.isfinite(low + high):
            return Range(math.floor(low), math.ceil(high), ops)
        return UNKNOWN

    def _many(self, op: str, node: Any, inputs: Any, depth: int) -> Optional[Range]:
        """Return the bounds of an operator of several inputs, None of another one."""
        if op in ('Resize', 'Upsample'):
            # A cubic one overshoots a little, which makes no logits of probabilities.
            return self.of(inputs[0], depth)
        if op == 'Clip':
            first = self.of(node.inputs[0], depth)
            bounds = [self.of(each, depth) if each else UNKNOWN
                      for each in (tuple(node.inputs[1:]) + ('', ''))[:2]]
            low, high = max(first.low, bounds[0].low), min(first.high, bounds[1].high)
            return Range(low, max(low, high), first.ops | frozenset([op]))
        if op not in ('Add', 'Concat', 'Div', 'Max', 'Mean', 'Min', 'Mul', 'Pow', 'Sub', 'Sum',
                      'Where'):
            return None
        parts = [self.of(each, depth) for each in inputs[op == 'Where':]]
        if not parts:
            return UNKNOWN
        ops = frozenset().union(*(part.ops for part in parts))  # type: FrozenSet[str]
        changing = [part for part in parts if part.low != part.high]
        if len(changing) != 1 and not all(NEGATED.issubset(part.ops) for part in changing):
            ops -= NEGATED
        if op in ('Concat', 'Mean', 'Where'):
            low, high = min(part.low for part in parts), max(part.high for part in parts)
            return Range(low, high, ops | frozenset(['Where'] if op == 'Where' else []))
        if op in ('Max', 'Min'):
            pick = max if op == 'Max' else min
            return Range(pick(part.low for part in parts), pick(part.high for part in parts),
                         ops | frozenset(['Clip']))
        if op in ('Add', 'Sum'):
            return _range(sum(part.low for part in parts), sum(part.high for part in parts), ops)
        if len(parts) != 2:
            return UNKNOWN
        one, other = parts
        if op in ('Sub', 'Div') and changing == [other]:
            ops ^= NEGATED
        if op in ('Mul', 'Div') and any(part.low == part.high < 0.0 for part in parts):
            ops ^= NEGATED
        if op == 'Sub':
            return _range(one.low - other.high, one.high - other.low, ops)
        if op == 'Pow':
            if other.low == other.high == 2.0 and one.low < 0.0:
                return Range(0.0, math.inf, (ops - NEGATED) | frozenset([op]))
            # What is in 0..1 stays there; what is not below 0 is not below it.
            if one.low >= 0.0 and other.low == other.high and other.low > 0.0:
                return Range(0.0, 1.0 if one.high <= 1.0 else math.inf, ops | frozenset([op]))
            return UNKNOWN
        if op == 'Div':
            if other.low == other.high <= -_LEAST:
                one, other = Range(-one.high, -one.low), Range(-other.high, -other.low)
            if other.low < 0.0:
                return UNKNOWN
            if other.low < _LEAST:
                return Range(0.0, math.inf, ops) if one.low >= 0.0 else UNKNOWN
            other = Range(0.0 if math.isinf(other.high) else 1.0 / other.high, 1.0 / other.low)
        products = [_product(left, right) for left in one[:2] for right in other[:2]]
        return _range(min(products), max(products), ops)

    def _label(self, inputs: Any, depth: int, is_least: bool) -> Range:
        channels = self._channels(inputs[0])
        scores = self.of(inputs[0], depth)
        # A distance is negated to choose the nearest class, which is the likeliest.
        is_distance = scores.high <= 0.0 and not scores.ops.intersection(LIKELIHOODS)
        is_negated = NEGATED.issubset(scores.ops) and not is_distance
        return Range(0.0, math.inf if channels is None else channels - 1.0,
                     LEAST if is_least or is_negated else frozenset(['ArgMax']))

    def _is_share(self, node: Any) -> bool:
        """Return whether positive values are divided by their own sum, as a softmax does."""
        if node.op != 'Div' or len(node.inputs) != 2:
            return False
        total = self._producer(node.inputs[1])
        return total is not None and total.op in ('ReduceSum', 'ReduceL1') \
            and total.inputs[:1] == node.inputs[:1] and self.of(node.inputs[0], 1).low >= 0.0


def _range(low: float, high: float, ops: FrozenSet[str]) -> Range:
    return UNKNOWN if math.isnan(low) or math.isnan(high) else Range(low, high, ops)


def _product(one: float, other: float) -> float:
    return 0.0 if 0.0 in (one, other) else one * other
