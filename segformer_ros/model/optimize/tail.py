# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Leave out of a network what it makes of its logits at the end."""

from typing import Any, List, NamedTuple, Optional

import numpy as np

from segformer_ros.model import spec as model_spec
from segformer_ros.model.optimize.reader import UnsupportedGraphError

# The step that a kind of output may have at its very end.
_STEPS = {model_spec.LOGITS: 'LogSoftmax', model_spec.PROBABILITIES: 'Softmax',
          model_spec.BINARY_PROBABILITIES: 'Sigmoid'}


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
        raise UnsupportedGraphError(f'{spec.output_kind} that are not made by a last '
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
