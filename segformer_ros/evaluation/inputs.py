# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From the paths on a command line to the list of sources to evaluate."""

import os
from typing import Dict
from typing import List
from typing import NamedTuple
from typing import Optional
from typing import Sequence
from typing import Tuple

from segformer_ros.errors import ConfigurationError
from segformer_ros.errors import InvalidInputError
from segformer_ros.evaluation import frames as reasons
from segformer_ros.evaluation.bag_files import Bag
from segformer_ros.evaluation.bag_files import find_bags
from segformer_ros.evaluation.bag_reader import BagPartReader
from segformer_ros.evaluation.bag_source import BagSource
from segformer_ros.evaluation.dataset_reader import find_photos
from segformer_ros.evaluation.dataset_reader import sources_of_photos
from segformer_ros.evaluation.frames import FrameSource
from segformer_ros.evaluation.frames import Inputs
from segformer_ros.evaluation.frames import LeftOut
from segformer_ros.evaluation.label_folder import AUTO
from segformer_ros.evaluation.label_folder import BY_ORDER
from segformer_ros.evaluation.label_folder import LabelFolder
from segformer_ros.evaluation.topic_choice import choose_topics
from segformer_ros.evaluation.topic_choice import first_encoding


class InputOptions(NamedTuple):
    """
    How inputs are read.

    ``topics`` are names or patterns, empty for the one camera. ``labels`` is a folder of PNG
    files; with several bags it may hold a folder for each. ``label_topic`` is a topic of mono8
    labels. ``wants_labels`` leaves out photos without any. ``split`` is that of a data set.
    """

    topics: Tuple[str, ...] = ()
    labels: Optional[str] = None
    label_match: str = AUTO
    label_list: Optional[str] = None
    label_topic: Optional[str] = None
    wants_labels: bool = False
    split: str = 'validation'


def find_inputs(paths: Sequence[str], options: InputOptions) -> Inputs:
    """
    Find what there is to evaluate; an input that cannot be used does not stop the others.

    :param paths: bags, folders of bags, folders of photos
    :param options: how they are read
    :raises ConfigurationError: a path does not exist or holds neither bags nor photos
    """
    inputs = Inputs([], [], [])
    for path in paths:
        bags = find_bags(path)
        if bags:
            for bag in bags:
                _add_bag(inputs, bag, options, len(bags) > 1 or len(paths) > 1)
            continue
        photos = find_photos(path, options.split, options.labels) if os.path.isdir(path) else []
        if not photos:
            raise ConfigurationError(
                'Nothing to evaluate', got=path,
                expected='bags (.mcap, .db3, .bag, metadata.yaml) or photos (.jpg, .png)')
        name = os.path.basename(os.path.abspath(path))
        inputs.sources.extend(sources_of_photos(name, photos, options.wants_labels))
    return _with_unique_names(inputs)


def _add_bag(inputs: Inputs, bag: Bag, options: InputOptions, is_one_of_many: bool) -> None:
    inputs.notes.extend('{}: {}'.format(bag.name, note) for note in bag.notes)
    try:
        labels = _labels_of(bag, options, is_one_of_many)
        inputs.sources.extend(_sources_of(bag, options, labels, inputs))
    except (ConfigurationError, InvalidInputError) as error:
        inputs.left_out.append(LeftOut(bag.name, reasons.NOT_READ, str(error), 0))


def _labels_of(bag: Bag, options: InputOptions, is_one_of_many: bool) -> Optional[LabelFolder]:
    if options.labels is None:
        return None
    folder = options.labels
    if is_one_of_many:
        own = os.path.join(folder, *bag.name.split('/'))
        folder = own if os.path.isdir(own) else folder
    return LabelFolder(folder, options.label_match, options.label_list)


def _sources_of(bag: Bag, options: InputOptions, labels: Optional[LabelFolder],
                inputs: Inputs) -> List[FrameSource]:
    if not bag.parts:
        raise InvalidInputError('Bag has no file', got=bag.name,
                                expected='storage files beside its metadata.yaml')
    sources: List[FrameSource] = []
    images_before: Dict[str, int] = {}
    order_is_lost = False
    chosen: Optional[List[str]] = None
    for part in bag.parts:
        name = bag.name if len(bag.parts) == 1 else '{}/{}'.format(
            bag.name, os.path.basename(part.path))
        try:
            with BagPartReader(part) as reader:
                topics = reader.topics()
                if chosen is None:
                    chosen = choose_topics(topics, options.topics, options.label_topic,
                                           lambda topic: first_encoding(reader, topic))
                is_cut = reader.problem is not None
        except InvalidInputError as error:
            inputs.left_out.append(LeftOut(name, reasons.NOT_READ, str(error), 0))
            order_is_lost = True
            continue
        if order_is_lost and labels is not None and labels.match == BY_ORDER:
            inputs.left_out.append(LeftOut(
                name, reasons.NOT_READ, 'labels are matched by order, and how many images a '
                'damaged file before this one held is not known; match by stamp instead', 0))
            continue
        counts = {topic.name: topic.messages for topic in topics}
        for topic in chosen:
            if topic not in counts:
                continue
            expected = counts[topic]
            if len(bag.parts) == 1 and topic in bag.expected:
                expected = bag.expected[topic]
            sources.append(BagSource(
                name if len(chosen) == 1 else name + topic, part, topic, labels,
                options.label_topic, images_before.get(topic, 0), expected))
            images_before[topic] = images_before.get(topic, 0) + counts[topic]
        order_is_lost = order_is_lost or is_cut
    if labels is not None and labels.match == BY_ORDER:
        for topic, count in sorted(images_before.items()):
            if count != len(labels):
                inputs.notes.append(
                    '{}: {} images of {}, {} labels in {}: matched by order from the first '
                    'on'.format(bag.name, count, topic, len(labels), labels.folder))
    return sources


def _with_unique_names(inputs: Inputs) -> Inputs:
    seen: Dict[str, int] = {}
    for source in inputs.sources:
        seen[source.name] = seen.get(source.name, 0) + 1
        if seen[source.name] > 1:
            source.name = '{} ({})'.format(source.name, seen[source.name])
    return inputs
