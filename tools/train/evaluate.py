# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measure a trained network or an ONNX file on labelled images, at the images' own size."""

import argparse
import os
import sys
from typing import Any, Callable, List, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from installed import check_installed
    check_installed(('cv2', 'numpy', 'onnxruntime', 'PIL', 'tqdm'))

import cv2
from dataset import names_of
from dataset import normalise
import numpy as np
from PIL import Image
from tqdm import tqdm

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from segformer_ros.common.telemetry import import_onnxruntime  # noqa: E402, I100

_CHUNK = 64


def upsample(logits: np.ndarray, size_wh: Tuple[int, int]) -> np.ndarray:
    """Enlarge logits (C, h, w) bilinearly to (H, W, C), few channels at a time."""
    parts = [cv2.resize(np.ascontiguousarray(logits[start:start + _CHUNK].transpose(1, 2, 0)),
                        size_wh, interpolation=cv2.INTER_LINEAR)
             for start in range(0, len(logits), _CHUNK)]
    parts = [part if part.ndim == 3 else part[..., None] for part in parts]
    return np.concatenate(parts, axis=2)


def confusion(predict: Callable[[np.ndarray, Tuple[int, int]], np.ndarray], folder: str,
              size_wh: Tuple[int, int], images: int) -> np.ndarray:
    """
    Count truth against prediction.

    :param predict: takes (1, 3, h, w) float32 and the label's size, gives its class ids
    :param folder: holds ``images`` and ``labels``
    :param size_wh: size of the network's input
    :param images: how many images, spread evenly; 0 for all
    :return: (256, 256) counts, rows truth, columns prediction
    """
    pairs = names_of(folder)
    if images and images < len(pairs):
        pairs = [pairs[i] for i in np.linspace(0, len(pairs) - 1, images).astype(int)]
    table = np.zeros((256, 256), np.int64)
    for image_path, label_path in tqdm(pairs, desc='measuring', mininterval=10.0):
        image = cv2.imread(image_path, cv2.IMREAD_COLOR)[..., ::-1]
        truth = cv2.imread(label_path, cv2.IMREAD_UNCHANGED)
        small = np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(
            size_wh, Image.BILINEAR))
        found = predict(normalise(small)[None], (truth.shape[1], truth.shape[0]))
        table += np.bincount(truth.ravel().astype(np.int64) * 256 + found.ravel(),
                             minlength=65536).reshape(256, 256)
    return table


def measure(network: Any, classes: List[int], folder: str, size_wh: Tuple[int, int],
            images: int) -> np.ndarray:
    """Measure a torch network whose outputs stand for ``classes``; see ``confusion``."""
    import torch
    ids = np.array(classes)

    def predict(x: np.ndarray, shown_wh: Tuple[int, int]) -> np.ndarray:
        with torch.no_grad():
            logits = network(torch.from_numpy(x))[0].numpy()
        return ids[upsample(logits, shown_wh).argmax(axis=2)]
    return confusion(predict, folder, size_wh, images)


def measure_onnx(path: str, folder: str, images: int) -> np.ndarray:
    """Measure an ONNX file that fits the contract; see ``confusion``."""
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])

    height, width = session.get_inputs()[0].shape[2:]
    size_wh = (width, height)

    def predict(x: np.ndarray, shown_wh: Tuple[int, int]) -> np.ndarray:
        logits = session.run(['logits'], {'pixel_values': x})[0][0]
        return upsample(logits, shown_wh).argmax(axis=2)
    return confusion(predict, folder, size_wh, images)


def mean_iou(table: np.ndarray) -> Tuple[float, np.ndarray]:
    """
    Return the mean over the classes that occur in the truth, and each class's IoU.

    :param table: (256, 256) counts, rows truth, columns prediction; truth 255 is left out
    :return: mean, and (255,) IoU, NaN for classes that occur nowhere
    """
    kept = table[:255, :]
    hit = np.diag(table)[:255].astype(float)
    truth = kept.sum(axis=1)
    union = truth + kept[:, :255].sum(axis=0) - hit
    iou = np.where(truth > 0, hit / np.maximum(union, 1), np.nan)
    return float(np.nanmean(iou)), iou


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', required=True, help='ONNX file')
    parser.add_argument('--data', required=True, help='folder with images and labels')
    parser.add_argument('--images', type=int, default=0)
    options = parser.parse_args()
    table = measure_onnx(options.model, options.data, options.images)
    score, iou = mean_iou(table)
    for class_id in np.nonzero(~np.isnan(iou))[0]:
        share = table[class_id].sum() / table[:255].sum()
        print(f'| {class_id} | {iou[class_id]:.3f} | {share:.4f} |')
    print(f'mIoU {score:.4f}, pixel accuracy {np.diag(table)[:255].sum() / table[:255].sum():.4f}')


if __name__ == '__main__':
    main()
