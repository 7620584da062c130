# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From the paths on a command line to the list of sources to evaluate."""

import functools
import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.sources import frames as source_frames
from segformer_ros.evaluation.sources import label_folder
from segformer_ros.evaluation.sources.bag_cameras import BagCameras
from segformer_ros.evaluation.sources.bag_files import Bag
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.evaluation.sources.bag_source import BagSource
from segformer_ros.evaluation.sources.photos import find_photos
from segformer_ros.evaluation.sources.photos import sources_of_photos
from segformer_ros.evaluation.sources.topic_choice import choose_topics
from segformer_ros.evaluation.sources.topic_choice import first_encoding


class InputOptions(NamedTuple):
    """
    How inputs are read.

    ``topics`` are names or patterns, empty for the one camera. ``cameras`` are (name, topic)
    of all that are evaluated as one source, in the order of their images; empty for a source of
    each. ``labels`` is a folder of PNG
    files; with several bags it may hold a folder for each. ``label_topic`` is a topic of mono8
    labels. ``wants_labels`` leaves out photos without any. ``split`` is that of a data set.
    """

    topics: Tuple[str, ...] = ()
    cameras: Tuple[Tuple[str, str], ...] = ()
    labels: Optional[str] = None
    label_match: str = label_folder.AUTO
    label_list: Optional[str] = None
    label_topic: Optional[str] = None
    wants_labels: bool = False
    split: str = 'validation'


def find_inputs(paths: Sequence[str], options: InputOptions) -> source_frames.Inputs:
    """
    Find what there is to evaluate; an input that cannot be used does not stop the others.

    :param paths: bags, folders of bags, folders of photos
    :param options: how they are read
    :raises ConfigurationError: a path does not exist or holds neither bags nor photos
    """
    inputs = source_frames.Inputs([], [], [])
    for path in paths:
        bags = find_bags(path)
        if bags:
            for bag in bags:
                _add_bag(inputs, bag, options)
            continue
        name = os.path.basename(os.path.abspath(path))
        notes: List[str] = []
        photos = find_photos(path, options.split, _label_path(options, name), notes)
        inputs.notes.extend(f'{name}: {note}' for note in notes)
        if not photos:
            raise ConfigurationError(
                'Nothing to evaluate', got=path,
                expected='bags (.mcap, .db3, .bag, metadata.yaml) or photos (.jpg, .png)')
        unused = sum(photo.label_path is not None for photo in photos)
        if unused and not options.wants_labels:
            inputs.notes.append(
                f'{name}: {unused} label files lie beside the photos and are not used; give '
                '--mapping same if they hold the ids of the classes, or another mapping')
        inputs.sources.extend(sources_of_photos(name, photos, options.wants_labels))
    return _with_unique_names(inputs)


def _add_bag(inputs: source_frames.Inputs, bag: Bag, options: InputOptions) -> None:
    inputs.notes.extend(f'{bag.name}: {note}' for note in bag.notes)
    try:
        _add_sources(inputs, bag, options)
    except (ConfigurationError, InvalidInputError) as error:
        inputs.left_out.append(
            source_frames.LeftOut(bag.name, source_frames.NOT_READ, str(error), 0))


def _add_sources(inputs: source_frames.Inputs, bag: Bag, options: InputOptions) -> None:
    if not bag.parts:
        raise InvalidInputError('Bag has no file', got=bag.name,
                                expected='storage files beside its metadata.yaml')
    cameras: List[_Camera] = []
    order_is_lost = False
    for part in bag.parts:
        name = bag.name if len(bag.parts) == 1 else f'{bag.name}/{os.path.basename(part.path)}'
        try:
            with BagPartReader(part) as reader:
                topics = reader.topics()
                cameras = cameras or [_Camera(topic, bag, options) for topic in choose_topics(
                    topics, [topic for _, topic in options.cameras] or options.topics,
                    options.label_topic, functools.partial(first_encoding, reader))]
                is_cut = reader.problem is not None
        except InvalidInputError as error:
            inputs.left_out.append(
                source_frames.LeftOut(name, source_frames.NOT_READ, str(error), 0))
            order_is_lost = True
            continue
        counts = {topic.name: topic.messages for topic in topics}
        found: Dict[str, BagSource] = {}
        for camera in cameras:
            if camera.topic not in counts:
                continue
            if order_is_lost and camera.is_matched_by_order:
                inputs.left_out.append(source_frames.LeftOut(
                    name, source_frames.NOT_READ, 'labels are matched by order, and how many '
                    'images a damaged file before this one held is not known; match by stamp '
                    'instead', 0))
                continue
            expected = counts[camera.topic]
            if len(bag.parts) == 1:
                expected = bag.expected.get(camera.topic, expected)
            is_alone = len(cameras) == 1 and not options.cameras
            found[camera.topic] = BagSource(
                name if is_alone else name + camera.topic,
                bag.name if is_alone else bag.name + camera.topic, part, camera.topic,
                camera.labels, options.label_topic, camera.images, expected, bag.parts)
            camera.images += counts[camera.topic]
        if options.cameras and found:
            inputs.sources.append(BagCameras(name, bag.name, {
                camera: found[topic] for camera, topic in options.cameras if topic in found}))
        elif found:
            inputs.sources.extend(found.values())
        order_is_lost = order_is_lost or is_cut
    names = {camera.topic for camera in cameras}
    inputs.notes.extend(f'{bag.name}: no images of camera {camera} on {topic}'
                        for camera, topic in options.cameras if cameras and topic not in names)
    for camera in cameras:
        if camera.is_matched_by_order and camera.labels and camera.images != len(camera.labels):
            inputs.notes.append(
                f'{bag.name}: {camera.images} images of {camera.topic}, {len(camera.labels)} '
                f'labels in {camera.labels.folder}: matched by order from the first on')


class _Camera:
    """One topic through the files of a recording; ``images`` were in the files so far."""

    def __init__(self, topic: str, bag: Bag, options: InputOptions) -> None:
        self.topic = topic
        self.images = 0
        folder = _label_path(options, bag.name + topic, bag.name)
        self.labels = None if folder is None else label_folder.LabelFolder(
            folder, options.label_match, options.label_list)
        self.is_matched_by_order = \
            self.labels is not None and self.labels.match == label_folder.BY_ORDER


def _label_path(options: InputOptions, *groups: str) -> Optional[str]:
    """Return the folder of labels for the first group that has one of its own, or the root."""
    if options.labels is None:
        return None
    for group in groups:
        own = source_frames.path_below(options.labels, group)
        if os.path.isdir(own):
            return own
    return options.labels


def _with_unique_names(inputs: source_frames.Inputs) -> source_frames.Inputs:
    seen: Dict[str, int] = {}
    for source in inputs.sources:
        seen[source.name] = seen.get(source.name, 0) + 1
        if seen[source.name] > 1:
            source.name = f'{source.name} ({seen[source.name]})'
    return inputs
