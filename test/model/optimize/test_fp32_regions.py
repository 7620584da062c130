# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What keeps 32 bits is found by structure: normalisation, softmax, decode head."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from segformer_ros.model.optimize import fp32_regions
from segformer_ros.model.optimize.fp32_regions import CONSTANT
from segformer_ros.model.optimize.fp32_regions import CONVOLUTION
from segformer_ros.model.optimize.fp32_regions import ELEMENTWISE
from segformer_ros.model.optimize.fp32_regions import find_fp32_regions
from segformer_ros.model.optimize.fp32_regions import MATRIX_PRODUCT
from segformer_ros.model.optimize.fp32_regions import NORMALIZATION
from segformer_ros.model.optimize.fp32_regions import OTHER
from segformer_ros.model.optimize.fp32_regions import REDUCTION
from segformer_ros.model.optimize.fp32_regions import SOFTMAX
from segformer_ros.model.optimize.fp32_regions import Step


def norm_chain(x, name):
    """Return layer normalisation of ``x`` written out, giving ``name``."""
    rows = [(REDUCTION, [x], 'mean'), (ELEMENTWISE, [x, 'mean'], 'centred'),
            (ELEMENTWISE, ['centred', 'two'], 'square'), (REDUCTION, ['square'], 'variance'),
            (ELEMENTWISE, ['variance', 'epsilon'], 'sum'), (ELEMENTWISE, ['sum'], 'root'),
            (ELEMENTWISE, ['centred', 'root'], 'quotient'),
            (ELEMENTWISE, ['quotient', 'gain'], 'scaled'), (ELEMENTWISE, ['scaled', 'bias'], '')]
    own = {row[2] for row in rows}
    steps = []
    for kind, inputs, output in rows:
        steps.append(Step(kind, tuple(name + i if i in own else i for i in inputs),
                          (name + output if output else name,)))
    return steps


WEIGHTS = ('two', 'epsilon', 'gain', 'bias', 'w')


def test_written_out_normalisation_is_found_whole_and_nothing_else():
    steps = ([Step(CONVOLUTION, ('image', 'w'), ('x',))] + norm_chain('x', 'n')
             + [Step(MATRIX_PRODUCT, ('n', 'w'), ('p',)),
                # The residual sum sees what was not averaged: it is no part.
                Step(ELEMENTWISE, ('x', 'p'), ('residual',)),
                Step(ELEMENTWISE, ('n', 'p'), ('other',))])
    assert find_fp32_regions(steps, WEIGHTS).normalization == set(range(1, 10))


def test_normalisation_after_normalisation_is_found_through_their_common_tensor():
    steps = norm_chain('x', 'n') + norm_chain('n', 'm')
    assert find_fp32_regions(steps, WEIGHTS).normalization == set(range(18))


def test_weights_may_be_steps_of_their_own_and_pass_through_others():
    steps = [Step(CONSTANT, (), ('raw',)), Step(OTHER, ('raw',), ('gain',))]
    steps += norm_chain('x', 'n')
    found = find_fp32_regions(steps, ('two', 'epsilon', 'bias')).normalization
    assert found == set(range(2, 11))


def test_single_normalisation_and_softmax_are_found():
    steps = [Step(NORMALIZATION, ('x', 'gain', 'bias'), ('n',)), Step(SOFTMAX, ('n',), ('s',)),
             Step(MATRIX_PRODUCT, ('s', 'x'), ('o',))]
    regions = find_fp32_regions(steps, WEIGHTS)
    assert regions.normalization == {0}
    assert regions.softmax == {1}


def test_head_is_what_no_attention_comes_after():
    steps = [
        Step(CONVOLUTION, ('image', 'w'), ('a',)),      # 0 encoder
        Step(SOFTMAX, ('a',), ('b',)),                  # 1
        Step(MATRIX_PRODUCT, ('b', 'a'), ('c',)),       # 2 leads to the next attention
        Step(MATRIX_PRODUCT, ('c', 'w'), ('h1',)),      # 3 head, from the first stage
        Step(SOFTMAX, ('c',), ('d',)),                  # 4
        Step(MATRIX_PRODUCT, ('d', 'c'), ('e',)),       # 5 after the last attention
        Step(OTHER, ('h1', 'e'), ('f',)),               # 6 head
        Step(CONVOLUTION, ('f', 'w'), ('logits',))]     # 7 head
    assert find_fp32_regions(steps, WEIGHTS).head == {3, 5, 6, 7}


def test_softmax_over_the_classes_is_no_attention():
    steps = [
        Step(CONVOLUTION, ('image', 'w'), ('a',)), Step(SOFTMAX, ('a',), ('b',)),
        Step(MATRIX_PRODUCT, ('b', 'a'), ('c',)), Step(CONVOLUTION, ('c', 'w'), ('logits',)),
        Step(SOFTMAX, ('logits',), ('probabilities',))]
    assert find_fp32_regions(steps, WEIGHTS).head == {2, 3, 4}


def test_network_without_attention_keeps_its_classifier():
    steps = [
        Step(CONVOLUTION, ('image', 'w'), ('a',)), Step(ELEMENTWISE, ('a',), ('b',)),
        Step(CONVOLUTION, ('b', 'w'), ('c',)), Step(OTHER, ('c',), ('logits',))]
    assert find_fp32_regions(steps, WEIGHTS).head == {2, 3}


@settings(deadline=None, max_examples=60)
@given(strategies.data())
def test_head_is_exactly_the_steps_that_reach_no_attention(data):
    kinds = [SOFTMAX, MATRIX_PRODUCT, ELEMENTWISE, OTHER]
    count = data.draw(strategies.integers(1, 14))
    steps = []
    for index in range(count):
        sources = data.draw(strategies.lists(
            strategies.integers(-1, index - 1), min_size=1, max_size=3))
        steps.append(Step(data.draw(strategies.sampled_from(kinds)),
                          tuple(f't{source}' for source in sources),
                          (f't{index}',)))

    def reaches(index, wanted):
        # By following every path forwards.
        name = steps[index].outputs[0]
        return any(name in step.inputs and (later in wanted or reaches(later, wanted))
                   for later, step in enumerate(steps))

    products = {i for i, step in enumerate(steps) if step.kind == MATRIX_PRODUCT}
    attention = {i for i, step in enumerate(steps)
                 if step.kind == SOFTMAX and reaches(i, products)}
    anchors = attention or products
    expected = {i for i in range(count) if not reaches(i, anchors) and i not in attention}
    assert find_fp32_regions(steps).head == expected
    assert fp32_regions.find_fp32_regions(steps).union() >= expected
