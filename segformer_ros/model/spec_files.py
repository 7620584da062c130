# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write the YAML files that belong beside a model of one's own."""

import os
from typing import List
from typing import Optional

from segformer_ros import resources
from segformer_ros.errors import ConfigurationError
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.huggingface import class_table_to_yaml
from segformer_ros.model.inspection import Draft
from segformer_ros.model.inspection import spec_to_yaml
from segformer_ros.model.spec import load_model_spec


def shipped_table_like(table: ClassTable) -> Optional[str]:
    """Return the name of the shipped class table with the same class names, if there is one."""
    for entry in sorted(os.listdir(resources.find('config/classes'))):
        name = entry[:-len('.yaml')]
        if entry.endswith('.yaml') and load_class_table(name).names == table.names:
            return name
    return None


def write_spec(path: str, draft: Draft, table: Optional[ClassTable],
               overwrite: bool = False) -> List[str]:
    """
    Write a specification, and beside it the class table if none of the shipped ones is it.

    :param path: of the specification, ending in .yaml
    :param table: class table to write; ``None`` keeps the one that the draft names
    :return: the paths written
    :raises ConfigurationError: a file exists already, cannot be written, or would not load
    """
    if not path.endswith('.yaml'):
        raise ConfigurationError('Specification needs another name', got=path,
                                 expected='a path that ends in .yaml')
    texts = {}
    if table is not None:
        shipped = shipped_table_like(table)
        stem = path[:-len('.yaml')] + '_classes'
        classes = shipped or os.path.basename(stem) + '.yaml'
        draft = draft._replace(spec=draft.spec._replace(classes=classes))
        if shipped is None:
            texts[stem + '.yaml'] = class_table_to_yaml(os.path.basename(stem), table)
    texts[path] = spec_to_yaml(draft)
    for target in texts:
        if os.path.exists(target) and not overwrite:
            raise ConfigurationError('File exists already', got=target,
                                     remedy='Choose another name, or give --force.')
    try:
        for target, text in texts.items():
            with open(target, 'w', encoding='utf-8') as stream:
                stream.write(text)
    except OSError as error:
        raise ConfigurationError('File cannot be written', got='{}: {}'.format(
            path, error.strerror)) from error
    load_model_spec(path)
    return list(texts)
