# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Leave out of a network what it makes of its logits at the end."""

from typing import Any, List, NamedTuple, Optional

import numpy as np

from segformer_ros.model import spec as model_spec
from segformer_ros.model.optimize import reader
from segformer_ros.model.optimize import segformer_layers as layers

# The step that a kind of output may have at its very end.
_STEPS = {model_spec.LOGITS: 'LogSoftmax', model_spec.PROBABILITIES: 'Softmax',
          model_spec.BINARY_PROBABILITIES: 'Sigmoid'}


# The ways in which a Resize takes its pixels' places as this package does: at their centres.
_CENTRED = (b'half_pixel', b'pytorch_half_pixel')
_CORNERS = b'align_corners'


class Tail(NamedTuple):
    """
    What a network makes of its logits at the end, all of which can be left out.

    ``logits`` is the tensor before it. ``step`` is the operator that makes probabilities of
    them, or nothing; before an argmax it changes no label, and is nothing too. ``resize`` is how
    the network enlarges its logits where that cannot be left out, or nothing: pixels at other
    places than this package's.
    """

    logits: str
    step: str
    resize: str = ''


class Body(NamedTuple):
    """
    A network with logits of every class under the output's name.

    ``cut`` is the operator that was left out, or nothing.
    """

    model: Any
    spec: model_spec.ModelSpec
    cut: str


def without_tail(model: Any, spec: model_spec.ModelSpec) -> Body:
    """
    Return the network without its softmax or sigmoid; of one channel it makes two classes.

    :param model: an ``onnx.ModelProto``; not changed
    :param spec: of it
    :raises UnsupportedGraphError: its output comes of logits in a way not known here
    """
    last = next((node for node in model.graph.node if spec.output_name in node.output), None)
    step = _STEPS.get(spec.output_kind)
    cut = last.op_type if last is not None and last.op_type == step else ''
    if not cut and spec.output_kind not in (model_spec.LOGITS, model_spec.BINARY_LOGITS):
        raise reader.UnsupportedGraphError(
            f'{spec.output_kind} that are not made by a last '
            f'{_STEPS.get(spec.output_kind, "known step")}')
    if not cut and spec.output_kind == model_spec.LOGITS:
        return Body(model, spec, '')
    body = type(model)()
    body.CopyFrom(model)
    nodes: List[Any] = [node for node in body.graph.node if spec.output_name not in node.output]
    if cut and last is not None:
        _rename(nodes, last.input[0], spec.output_name)
    else:
        nodes = list(body.graph.node)
    if spec.output_kind in model_spec.BINARY:
        nodes = _with_rest(body, nodes, spec.output_name)
        spec = spec._replace(num_classes=2)
        _declare(body, spec)
    del body.graph.node[:]
    body.graph.node.extend(nodes)
    return Body(body, spec._replace(output_kind=model_spec.LOGITS), cut)


def find_tail(model: Any, spec: model_spec.ModelSpec) -> Tail:
    """
    Find what follows the logits: a bilinear resize, a softmax or sigmoid, an argmax.

    Steps that only move values are skipped. Whether a network without them gives the same is
    not known here: whoever leaves them out must compare.

    :param model: an ``onnx.ModelProto``; not changed
    :param spec: of it
    :raises UnsupportedGraphError: its output comes of logits in a way not known here
    """
    graph = reader.GraphReader(model)
    tensor, step = spec.output_name, ''
    wanted = 'ArgMax' if spec.output_kind == model_spec.LABELS else _STEPS.get(spec.output_kind)
    last = None if wanted is None else graph.node(tensor, wanted)
    if last is not None:
        tensor, step = last.input[0], last.op_type
    elif spec.output_kind not in (model_spec.LOGITS, model_spec.BINARY_LOGITS):
        raise reader.UnsupportedGraphError(f'{spec.output_kind} that are not made by a last '
                                           f'{wanted}')
    if step == 'ArgMax':
        softmax = graph.node(tensor, 'Softmax', 'LogSoftmax')
        tensor, step = tensor if softmax is None else softmax.input[0], ''
    resize = graph.node(tensor, 'Resize')
    kept = ''
    if resize is not None:
        mode = reader.attribute(resize, 'mode', b'nearest')
        corners = reader.attribute(resize, 'coordinate_transformation_mode', b'half_pixel')
        if mode != b'linear' or corners not in _CENTRED + (_CORNERS,) or reader.attribute(
                resize, 'antialias', 0):
            raise reader.UnsupportedGraphError(f'the network resizes its logits with {mode} '
                                               f'{corners}')
        tensor = resize.input[0]
        kept = _CORNERS.decode('ascii') if corners == _CORNERS else ''
    return Tail(graph.source(tensor), step, kept)


def network_with_rest(network: layers.Segformer) -> layers.Segformer:
    """Return a network of one class with a second one, the rest, whose logit is 0."""
    weight, bias = network.head.classifier
    return network._replace(head=network.head._replace(classifier=layers.Linear(
        np.concatenate([weight, np.zeros_like(weight)], axis=1),
        np.concatenate([bias, np.zeros_like(bias)]))))


def _rename(nodes: List[Any], before: str, after: str) -> None:
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [after if name == before else name for name in names]


def _with_rest(body: Any, nodes: List[Any], output: str) -> List[Any]:
    """Return nodes that give the rest the logit 0, of which the softmax is the sigmoid."""
    from onnx import helper
    from onnx import numpy_helper
    last = next(node for node in nodes if output in node.output)
    weights = {entry.name: entry for entry in body.graph.initializer}
    if last.op_type == 'Conv' and all(name in weights for name in last.input[1:]) \
            and len(last.input) == 3:
        # Two filters instead of one, so that a SegFormer is still known as one.
        for position, name in list(enumerate(last.input))[1:]:
            values = numpy_helper.to_array(weights[name])
            last.input[position] = output + f'/with_rest_{position}'
            body.graph.initializer.append(numpy_helper.from_array(
                np.concatenate([values, np.zeros_like(values)]), last.input[position]))
        return nodes
    single = output + '/single'
    _rename(nodes, output, single)
    zero = output + '/zero'
    body.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), zero))
    return nodes + [
        helper.make_node('Mul', [single, zero], [output + '/rest']),
        helper.make_node('Concat', [single, output + '/rest'], [output], axis=1)]


def _declare(body: Any, spec: model_spec.ModelSpec) -> None:
    found: Optional[Any] = next((each for each in body.graph.output
                                 if each.name == spec.output_name), None)
    if found is not None:
        found.type.tensor_type.shape.dim[1].dim_value = spec.num_classes
