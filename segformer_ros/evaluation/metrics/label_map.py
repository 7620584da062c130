# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bring the network's classes and the labels of a recording to one class set."""

from typing import Any, Dict, List

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import strict_yaml
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.confusion import IGNORED
from segformer_ros.evaluation.metrics.confusion import OTHER
from segformer_ros.model import classes

FOLDER = 'config/mappings'

# The word that stands for "every class means itself".
SAME = 'same'


class LabelMap:
    """
    Two look-up tables into the classes of the truth. Immutable.

    :param name: for reports
    :param prediction: what the network's ids mean
    :param truth: what the figures speak of
    :param prediction_lookup: (256,) network's id to true class, or OTHER
    :param label_lookup: (256,) label value to true class, or IGNORED
    :param known_labels: (256,) bool, label values that may occur
    """

    def __init__(self, name: str, prediction: classes.ClassTable, truth: classes.ClassTable,
                 prediction_lookup: arrays.UInt8, label_lookup: arrays.UInt8,
                 known_labels: arrays.Bool) -> None:
        self.name = name
        self.prediction = prediction
        self.truth = truth
        self._prediction_lookup = prediction_lookup
        self._label_lookup = label_lookup
        self._known_labels = known_labels

    def predicted(self, mask: arrays.UInt8) -> arrays.UInt8:
        """
        Return what the network said in the truth's classes.

        :param mask: (H, W) the network's class ids
        :return: (H, W) true classes, OTHER where the id belongs to none
        """
        return self._prediction_lookup[mask]

    def labelled(self, labels: arrays.UInt8) -> arrays.UInt8:
        """
        Return the true classes of a label image.

        :param labels: (H, W) label values
        :return: (H, W) true classes, IGNORED where the value is left out
        :raises InvalidInputError: a value that the mapping does not name: labels of another set
        """
        occurring = np.bincount(labels.reshape(-1), minlength=256) > 0
        strange = np.flatnonzero(occurring & ~self._known_labels)
        if strange.size:
            raise InvalidInputError(
                f'Labels are not those of mapping {self.name!r}',
                got='values ' + ', '.join(str(value) for value in strange[:10]),
                expected=f'the values of {self.truth.name!r} or those it ignores',
                remedy='Choose another mapping, or add the values to its "ignore".')
        return self._label_lookup[labels]


def identity_map(table: classes.ClassTable) -> LabelMap:
    """
    Return the map of labels that are the network's own ids, with 255 left out.

    :param table: the network's classes
    """
    lookup = np.full(256, OTHER, np.uint8)
    lookup[:len(table)] = np.arange(len(table))
    known = np.zeros(256, np.bool_)
    known[:len(table)] = True
    known[IGNORED] = True
    return LabelMap(SAME, table, table, lookup, lookup, known)


def load_label_map(name_or_path: str) -> LabelMap:
    """
    Return a shipped mapping, or one's own from a YAML file.

    :param name_or_path: ``ade20k``, ``ade20k_to_camvid``, ``ade20k_to_cityscapes``, or a path
        that ends in .yaml or .yml
    :raises ConfigurationError: not found, an unknown class, a class used twice, wrong values
    """
    path = classes.resolve(FOLDER, name_or_path)
    content = strict_yaml.read_mapping(path)
    strict_yaml.check_keys(content, path, ['name', 'prediction', 'truth', 'members'],
                           ['first_label', 'label_values', 'ignore'])
    text = {key: strict_yaml.value_of(content, key, path, str, 'text')
            for key in ('name', 'prediction', 'truth')}
    prediction = classes.load_class_table(text['prediction'])
    truth = classes.load_class_table(text['truth'])
    labels = _label_lookup(content, truth, path)
    known = labels != IGNORED
    known[IGNORED] = True
    if 'ignore' in content:
        known[_label_list(content, 'ignore', path)] = True
    return LabelMap(text['name'], prediction, truth,
                    _prediction_lookup(content, prediction, truth, path), labels, known)


def _prediction_lookup(content: Dict[str, Any], prediction: classes.ClassTable,
                       truth: classes.ClassTable, path: str) -> arrays.UInt8:
    lookup = np.full(256, OTHER, np.uint8)
    if content['members'] == SAME:
        if prediction.names != truth.names:
            raise ConfigurationError(
                f'Classes are not the same in {path}',
                got=f'{prediction.name!r} and {truth.name!r}',
                expected='one class table', remedy='Write the members of each class.')
        lookup[:len(truth)] = np.arange(len(truth))
        return lookup
    members = strict_yaml.value_of(content, 'members', path, dict,
                                   f'a mapping of classes, or "{SAME}"')
    strict_yaml.check_keys(members, f'members of {path}', truth.names)
    for class_name in members:
        for member in strict_yaml.value_of(members, class_name, path, list, 'a list of classes'):
            class_id = prediction.id_of(member)
            if lookup[class_id] != OTHER:
                raise ConfigurationError(
                    f'Class is mapped twice in {path}', got=repr(member),
                    expected=f'each class of {prediction.name!r} at most once')
            lookup[class_id] = truth.id_of(class_name)
    return lookup


def _label_lookup(content: Dict[str, Any], truth: classes.ClassTable, path: str) -> arrays.UInt8:
    lookup = np.full(256, IGNORED, np.uint8)
    if ('first_label' in content) == ('label_values' in content):
        raise ConfigurationError(
            f'Meaning of the label values is not clear in {path}',
            got='both or neither', expected='either first_label or label_values')
    if 'first_label' in content:
        first = strict_yaml.value_of(content, 'first_label', path, int, 'a whole number')
        if not 0 <= first <= classes.UNLABELED - len(truth):
            raise ConfigurationError(f'Wrong first_label in {path}', got=first,
                                     expected=f'0..{classes.UNLABELED - len(truth)}')
        lookup[first:first + len(truth)] = np.arange(len(truth))
        return lookup
    values = strict_yaml.value_of(content, 'label_values', path, dict, 'a mapping of classes')
    # A class that the labels do not have may be left out; a value that nobody names is refused.
    strict_yaml.check_keys(values, f'label_values of {path}', [], truth.names)
    for class_name in values:
        for value in _label_list(values, class_name, path):
            if lookup[value] != IGNORED:
                raise ConfigurationError(f'Label value stands twice in {path}', got=value)
            lookup[value] = truth.id_of(class_name)
    return lookup


def _label_list(mapping: Dict[str, Any], key: str, path: str) -> List[int]:
    values = strict_yaml.value_of(mapping, key, path, list, 'a list of label values')
    if not all(type(value) is int and 0 <= value <= 255 for value in values):
        raise ConfigurationError(f'Wrong value of {key!r} in {path}', got=values,
                                 expected='whole numbers 0..255')
    return list(values)
