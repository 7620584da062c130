# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A folder of images and label PNGs, held in memory and augmented on the way out."""

import os
from typing import Iterator, List, NamedTuple, Tuple

import cv2
import numpy as np
from tqdm import tqdm

IGNORED = 255
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)
_PICTURES = ('.png', '.jpg', '.jpeg', '.bmp')


class Pairs(NamedTuple):
    """Images (N, H, W, 3) RGB uint8 and labels (N, H, W) uint8, 255 = ignored."""

    images: np.ndarray
    labels: np.ndarray


def names_of(folder: str) -> List[Tuple[str, str]]:
    """
    Pair the files of FOLDER/images and FOLDER/labels by name.

    :raises SystemExit: if an image has no label, or there is none
    """
    pairs = []
    for name in sorted(os.listdir(os.path.join(folder, 'images'))):
        stem, kind = os.path.splitext(name)
        if kind.lower() not in _PICTURES:
            continue
        label = os.path.join(folder, 'labels', stem + '.png')
        if not os.path.exists(label):
            raise SystemExit(f'{name} has no label file {label}')
        pairs.append((os.path.join(folder, 'images', name), label))
    if not pairs:
        raise SystemExit(f'no pictures in {folder}/images')
    return pairs


def load(folder: str, size_wh: Tuple[int, int]) -> Pairs:
    """
    Read a folder into memory.

    :param folder: holds ``images`` and ``labels``
    :param size_wh: size to keep the images at, pixels; the network sees crops of it
    """
    pairs = names_of(folder)
    width, height = size_wh
    images = np.empty((len(pairs), height, width, 3), np.uint8)
    labels = np.empty((len(pairs), height, width), np.uint8)
    for index, (image_path, label_path) in enumerate(tqdm(pairs, desc='reading')):
        image = cv2.imread(image_path, cv2.IMREAD_COLOR)
        label = cv2.imread(label_path, cv2.IMREAD_UNCHANGED)
        if image is None or label is None or label.ndim != 2:
            raise SystemExit(f'cannot read {image_path} with one-channel {label_path}')
        images[index] = cv2.resize(image[..., ::-1], size_wh, interpolation=cv2.INTER_AREA)
        labels[index] = shrunk_labels(label, size_wh)
    return Pairs(images, labels)


def shrunk_labels(label: np.ndarray, size_wh: Tuple[int, int]) -> np.ndarray:
    """
    Return labels at another size, each pixel that of the place of its middle.

    OpenCV's INTER_NEAREST takes that of its upper left corner instead: labels of 640 pixels in a
    width of 384 moved by two thirds of a pixel, and so did the masks of who learnt from them.
    """
    return cv2.resize(np.ascontiguousarray(label), size_wh,
                      interpolation=cv2.INTER_NEAREST_EXACT)


def normalise(image: np.ndarray) -> np.ndarray:
    """Return RGB uint8 (H, W, 3) as the network's (3, H, W) float32."""
    scaled = image.astype(np.float32) * np.float32(1 / 255.0)
    return np.ascontiguousarray(((scaled - _MEAN) / _STD).transpose(2, 0, 1))


def _recolour(image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    value = image.astype(np.float32) * np.float32(1 / 255.0)
    gain = np.exp(random.normal(0.0, 0.10, 3)).astype(np.float32)
    value *= gain * np.float32(np.exp(random.normal(0.0, 0.18)))
    grey = value.mean(axis=2, keepdims=True)
    value = grey + (value - grey) * np.float32(random.uniform(0.5, 1.4))
    middle = value.mean()
    value = middle + (value - middle) * np.float32(random.uniform(0.75, 1.25))
    if random.uniform() < 0.1:
        value = value[..., random.permutation(3)]
    np.clip(value, 0.0, 1.0, out=value)
    return np.ascontiguousarray(((value - _MEAN) / _STD).transpose(2, 0, 1))


def class_shares(labels: np.ndarray) -> np.ndarray:
    """Return each class id's share of the labelled pixels, (255,)."""
    counts = np.zeros(256, np.int64)
    for label in labels:
        counts += np.bincount(label[::2, ::2].ravel(), minlength=256)
    return counts[:IGNORED] / max(1, counts[:IGNORED].sum())


def repeat_factors(labels: np.ndarray, target: float = 0.2) -> np.ndarray:
    """
    Return how much more often images with rare classes should be drawn.

    Repeat factor sampling (Gupta et al., "LVIS", 2019): the square root of ``target`` by the
    share of images that show the image's rarest class.

    :param labels: (N, H, W) uint8
    :param target: a class that this share of the images shows is not rare
    :return: (N,) factors of at least 1, at most 4
    """
    # An image shows a class where it fills half a percent.
    shows = np.stack([np.bincount(label[::3, ::3].ravel(), minlength=256)[:IGNORED]
                      > 0.005 * label[::3, ::3].size for label in labels])
    rate = np.maximum(shows.mean(axis=0), 1e-6)
    factor = np.sqrt(np.maximum(1.0, target / rate))
    return np.clip((shows * factor).max(axis=1), 1.0, 4.0)


def augmented(pairs: Pairs, size_wh: Tuple[int, int], batch: int,
              random: np.random.RandomState) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """
    Yield batches for ever: random crops, flips and colours.

    :param size_wh: size of the network's input, even, pixels
    :return: images (N, 3, h, w) float32, labels (N, h / 2, w / 2) uint8: the loss is taken at
        half size, twice the size of the logits
    """
    half_wh = size_wh[0] // 2, size_wh[1] // 2
    count, height, width = pairs.labels.shape
    order: List[int] = []
    factors = repeat_factors(pairs.labels)
    while True:
        images = np.empty((batch, 3, size_wh[1], size_wh[0]), np.float32)
        labels = np.empty((batch, half_wh[1], half_wh[0]), np.uint8)
        for slot in range(batch):
            if not order:
                # A factor of 1.3 means once, and again three times in ten.
                times = (factors + random.uniform(size=count)).astype(int)
                order = random.permutation(np.repeat(np.arange(count), times)).tolist()
            index = order.pop()
            part_w = part_h = 1.0
            if random.uniform() < 0.6:
                part_w = random.uniform(0.6, 1.0)
                part_h = float(np.clip(part_w * random.uniform(0.85, 1.18), 0.55, 1.0))
            w, h = int(width * part_w), int(height * part_h)
            x, y = random.randint(width - w + 1), random.randint(height - h + 1)
            image = pairs.images[index, y:y + h, x:x + w]
            label = pairs.labels[index, y:y + h, x:x + w]
            if random.uniform() < 0.5:
                image, label = image[:, ::-1], label[:, ::-1]
            image = cv2.resize(np.ascontiguousarray(image), size_wh,
                               interpolation=cv2.INTER_AREA if w > size_wh[0] else
                               cv2.INTER_LINEAR)
            if random.uniform() < 0.4:
                # Resizing filters differ: Pillow's is softer than OpenCV's.
                image = cv2.GaussianBlur(image, (3, 3), random.uniform(0.3, 0.9))
            images[slot] = _recolour(image, random)
            # Any of four pixels is as near to the middle as the others; one of them for all would
            # move the mask by half a pixel.
            first = random.randint(2, size=2)
            labels[slot] = shrunk_labels(label, size_wh)[first[0]::2, first[1]::2]
        yield images, labels
