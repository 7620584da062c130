# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What fine_tune.py trains on: captured frames with corrected labels, and rendered ones."""

import multiprocessing
import os
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

from capture_folder import Capture
from capture_folder import NO_LABEL
import cv2
import cvat
import label_studio
import make_dataset
import numpy as np
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.sources.label_folder import read_labels
from segformer_ros.model.classes import load_class_table
from tqdm import tqdm

# The classes of rendered worlds are ADE20K's.
_RENDERED_CLASSES = 'ade20k'


class Labelled(NamedTuple):
    """A frame and its corrected labels, (H, W) uint8, 255 where nothing is labelled."""

    id: str
    image: str
    labels: np.ndarray


def corrected(path: str, capture: Capture) -> List[Labelled]:
    """
    Return the frames of a capture that somebody has labelled, by time.

    :param path: CVAT's zip file, Label Studio's JSON file, or a folder of PNG files ID.png with
        class ids
    :param capture: the frames
    :raises ConfigurationError: no label belongs to a frame, or two do
    :raises InvalidInputError: labels that cannot be read, or are of another size
    """
    found: Dict[str, np.ndarray] = {}
    for name, labels in _labels(path, capture.classes):
        if name in found:
            raise ConfigurationError('Frame is labelled twice', got=name)
        found[name] = labels
    result = []
    for frame in capture.frames:
        if frame.id not in found:
            continue
        labels = found.pop(frame.id)
        image = cv2.imread(frame.image)
        if image is None or image.shape[:2] != labels.shape:
            raise ConfigurationError(
                f'Labels of frame {frame.id} do not fit its picture', got=labels.shape,
                expected='no picture' if image is None else image.shape[:2])
        if (labels != NO_LABEL).any():
            result.append(Labelled(frame.id, frame.image, labels))
    if found:
        raise ConfigurationError('Labels of frames that the capture does not have',
                                 got=f'{len(found)}, such as {sorted(found)[0]}',
                                 expected='the same names')
    if not result:
        raise ConfigurationError('No frame is labelled', got=path)
    return result


def count_uncorrected(frames: Sequence[Labelled], capture: Capture) -> int:
    """Return the number of frames whose labels are the network's own mask, unchanged."""
    captured = {frame.id: frame for frame in capture.frames}
    return sum(np.array_equal(frame.labels, capture.mask(captured[frame.id])) for frame in frames)


def _labels(path: str, classes: Sequence[str]) -> Iterator[Tuple[str, np.ndarray]]:
    if os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            if name.lower().endswith('.png'):
                labels = read_labels(os.path.join(path, name))
                unknown = set(np.unique(labels)) - set(range(len(classes))) - {NO_LABEL}
                if unknown:
                    raise ConfigurationError('Labels have ids without a class',
                                             got=f'{sorted(unknown)[:5]} in {name}',
                                             expected=f'0 to {len(classes) - 1}, or 255')
                yield os.path.splitext(name)[0], labels
    else:
        yield from (label_studio if path.lower().endswith('.json') else cvat).read(path, classes)


def write_pairs(frames: Sequence[Labelled], folder: str) -> None:
    """Write FOLDER/images and FOLDER/labels; sorted by name they are sorted by time."""
    for part in ('images', 'labels'):
        os.makedirs(os.path.join(folder, part), exist_ok=True)
        for name in os.listdir(os.path.join(folder, part)):
            os.remove(os.path.join(folder, part, name))
    for number, frame in enumerate(frames):
        name = f'{number:05d}_{frame.id}.png'
        cv2.imwrite(os.path.join(folder, 'images', name), cv2.imread(frame.image))
        cv2.imwrite(os.path.join(folder, 'labels', name), frame.labels)


def render(folder: str, images: int, textures: str, first_seed: int, kinds: Sequence[str],
           workers: int, names: Sequence[str]) -> int:
    """
    Render pictures with labels in the classes' own ids; those that exist already are kept.

    :param names: of the classes; what is rendered and has another name is left unlabelled
    :return: how many pictures there are; 0 where no rendered class has one of these names
    """
    rendered = load_class_table(_RENDERED_CLASSES).names
    lookup = np.full(256, NO_LABEL, np.uint8)
    for index, name in enumerate(names):
        if name in rendered:
            lookup[rendered.index(name)] = index
    if images < make_dataset.VIEWS_PER_WORLD or (lookup == NO_LABEL).all():
        return 0
    raw = os.path.join(folder, 'rendered')
    for part in ('images', 'labels'):
        os.makedirs(os.path.join(raw, part), exist_ok=True)
    jobs = [make_dataset.Job(raw, kinds[index % len(kinds)], first_seed + index, textures,
                             *make_dataset.SIZE_WH)
            for index in range(images // make_dataset.VIEWS_PER_WORLD)]
    with multiprocessing.get_context('spawn').Pool(workers) as pool:
        for _ in tqdm(pool.imap_unordered(make_dataset.render, jobs), total=len(jobs),
                      desc='rendering', unit='world'):
            pass
    stems = sorted(f'{job.kind}_{job.seed:07d}_{view}' for job in jobs
                   for view in range(make_dataset.VIEWS_PER_WORLD))
    write_pairs([Labelled(stem, os.path.join(raw, 'images', stem + '.png'),
                          lookup[read_labels(os.path.join(raw, 'labels', stem + '.png'))])
                 for stem in stems], folder)
    return len(stems)
