# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labels of 0 and 255 alone, as painting programs write them: refused, with a way out."""

import json
import os

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.confusion import ClassCounts
from segformer_ros.evaluation.metrics.label_map import LabelMap
from segformer_ros.evaluation.metrics.label_map import SAME
from segformer_ros.model import classes as model_classes
from segformer_ros.model.spec import BINARY
from segformer_ros.model.spec import ModelSpec

REST = ('rest', 'background', 'other', 'others', 'none', 'nothing', 'unlabeled')
"""Names of the class that is everything else, which 0 stands for."""


def refuse_two_values(counts: ClassCounts, ignored_pixels: int, label_map: LabelMap,
                      spec: ModelSpec) -> None:
    """
    Check that labels are not masks of 0 and 255, which would be judged by their 0 alone.

    :param counts: of all labelled frames
    :param ignored_pixels: of them, those of value 255
    :param label_map: in use; one that the user wrote says what 255 means
    :param spec: of the network
    :raises InvalidInputError: they are; the text holds a mapping that works as it is written
    """
    if label_map.name != SAME or not ignored_pixels or counts.truth[1:].any():
        return
    names = label_map.truth.names
    if len(names) == 2:
        painted = painted_class(label_map, spec)
        values = {names[painted]: [255], names[1 - painted]: [0]}
        expected = '0 and 1 for two classes; 255 is left out'
        meaning = f'It takes 255 as {names[painted]!r} and 0 as {names[1 - painted]!r}.'
        mapping = _mapping(spec, label_values=values)
    else:
        expected = f'ids of {len(names)} classes; 255 is left out'
        meaning = f'It takes 255 as {names[0]!r}: write your class there. Pixels of 0 are left ' \
            f'out. Where 0 is {names[0]!r} and nothing else is labelled, write first_label: 0 ' \
            'in place of label_values and ignore.'
        mapping = _mapping(spec, label_values={names[0]: [255]}, ignore=[0])
    raise InvalidInputError(
        'Labels cannot be told apart', got='the values 0 and 255 alone', expected=expected,
        remedy=f'Where 255 is a class, put this line into a file of its own, such as map.yaml, '
               f'and give --mapping map.yaml: {mapping} {meaning}')


def painted_class(label_map: LabelMap, spec: ModelSpec) -> int:
    """Return which of two classes a painted 255 means: 0 or 1."""
    for number, name in enumerate(label_map.truth.names):
        if name.lower() in REST:
            return 1 - number
    # One channel is of class 0; else the background comes first.
    return 0 if spec.output_kind in BINARY else 1


def _mapping(spec: ModelSpec, **meaning: object) -> str:
    table = os.path.abspath(spec.classes) if model_classes.is_path(spec.classes) else spec.classes
    # JSON is YAML, and quotes what has to be.
    return json.dumps(dict(name='painted', prediction=table, truth=table, members=SAME,
                           **meaning), ensure_ascii=False)
