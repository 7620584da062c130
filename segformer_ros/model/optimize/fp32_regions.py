# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Which parts of a network keep 32 bits when the rest is computed with 16.

Half precision ends at 65504 and has 11 significant bits. Three parts of a SegFormer do not live
with that: layer normalisation (squares and sums of hundreds of values), softmax (exponentials),
and the decode head, where neighbouring logits lie so close that rounding moves the borders of
objects. They are found by structure, so that names given by an exporter do not matter, and by
one algorithm for ONNX graphs and for TensorRT's network of layers.
"""

from typing import Dict, List, NamedTuple, Sequence, Set, Tuple

SOFTMAX = 'softmax'
NORMALIZATION = 'normalization'
REDUCTION = 'reduction'
ELEMENTWISE = 'elementwise'
CONVOLUTION = 'convolution'
MATRIX_PRODUCT = 'matrix product'
CONSTANT = 'constant'
OTHER = 'other'


class Step(NamedTuple):
    """One node of a graph or layer of a network; tensors by name."""

    kind: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]


class Regions(NamedTuple):
    """Indices of the steps that keep 32 bits, by reason; a step may have several."""

    softmax: Set[int]
    normalization: Set[int]
    head: Set[int]

    def union(self) -> Set[int]:
        """Return every index."""
        return self.softmax | self.normalization | self.head


def find_fp32_regions(steps: Sequence[Step], constants: Sequence[str] = ()) -> Regions:
    """
    Find what keeps 32 bits.

    :param steps: in an order in which producers come before consumers
    :param constants: names of tensors that do not depend on the input (weights)
    """
    softmax = {index for index, step in enumerate(steps) if step.kind == SOFTMAX}
    plain = {index for index, step in enumerate(steps) if step.kind == NORMALIZATION}
    fixed = _constant_tensors(steps, constants)
    return Regions(softmax, plain | _normalization_chains(steps, fixed), _decode_head(steps))


def last_products(steps: Sequence[Step]) -> Set[int]:
    """Return the products that no other one follows: the classifier."""
    products = {index for index, step in enumerate(steps)
                if step.kind in (CONVOLUTION, MATRIX_PRODUCT)}
    return products - _upstream(steps, products)


def _decode_head(steps: Sequence[Step]) -> Set[int]:
    # What no attention comes after: the head, and what follows the last softmax of the encoder
    # (its projection and feed-forward part, at the smallest resolution). A softmax over the
    # classes at the very end is no attention: no product follows it. A network without
    # attention has the classifier as its head: the last product and what follows it.
    products = (CONVOLUTION, MATRIX_PRODUCT)
    before_product = _upstream(steps, {
        index for index, step in enumerate(steps) if step.kind in products})
    attention = {index for index, step in enumerate(steps)
                 if step.kind == SOFTMAX and index in before_product}
    if attention:
        return set(range(len(steps))) - _upstream(steps, attention) - attention
    return set(range(len(steps))) - before_product


def _upstream(steps: Sequence[Step], targets: Set[int]) -> Set[int]:
    # Indices of the steps whose result reaches a target, targets that reach another included.
    wanted: Set[str] = set()
    found: Set[int] = set()
    for index in range(len(steps) - 1, -1, -1):
        reaches = any(name in wanted for name in steps[index].outputs)
        if reaches:
            found.add(index)
        if reaches or index in targets:
            wanted.update(steps[index].inputs)
    return found


def _constant_tensors(steps: Sequence[Step], constants: Sequence[str]) -> Set[str]:
    fixed = set(constants)
    for step in steps:
        if step.kind == CONSTANT or (step.inputs and all(
                name in fixed for name in step.inputs)):
            fixed.update(step.outputs)
    return fixed


def _normalization_chains(steps: Sequence[Step], fixed: Set[str]) -> Set[int]:
    # Layer normalisation written out: mean, x - mean, square, mean, + epsilon, root, quotient,
    # gain, bias. From each mean, follow elementwise steps that see nothing but what was
    # averaged, constants, and the chain itself; a residual sum sees something else and ends it.
    consumers: Dict[str, List[int]] = {}
    for index, step in enumerate(steps):
        for name in step.inputs:
            consumers.setdefault(name, []).append(index)
    found: Set[int] = set()
    for start, step in enumerate(steps):
        if step.kind != REDUCTION or start in found:
            continue
        chain = {start}
        inside = set(step.outputs)
        seen = set(step.inputs) | fixed
        waiting = list(step.outputs)
        while waiting:
            for index in consumers.get(waiting.pop(), ()):
                inputs = steps[index].inputs
                if index in chain or steps[index].kind not in (ELEMENTWISE, REDUCTION) \
                        or not all(name in inside or name in seen for name in inputs):
                    continue
                chain.add(index)
                inside.update(steps[index].outputs)
                waiting.extend(steps[index].outputs)
        # A step that was looked at too early (its other input came later) gets its turn when
        # that input joins, since each output is followed to all its consumers.
        found |= chain
    return found
