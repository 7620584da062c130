#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Score a model on a folder of images with labels.

    python3 examples/score_folder.py images/ labels/ --model segformer_sim

A label is a PNG with the name of its image: class ids, 255 where nothing is known. The command
``evaluate`` does this for data sets and recordings, with label mappings and a report.
"""

import argparse
import os
import sys

import numpy as np
from PIL import Image
from segformer_ros import load_model
from segformer_ros.evaluation.metrics import confusion
from segformer_ros.evaluation.sources.label_folder import read_labels
from segformer_ros.model.classes import load_class_table


def main():
    """Segment every image that has a label, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('images')
    parser.add_argument('labels')
    parser.add_argument('--model', default='segformer_sim', help='name, or path of an ONNX file')
    options = parser.parse_args()

    segmenter = load_model(options.model)
    classes = load_class_table(segmenter.spec.classes)
    matrix = confusion.ConfusionMatrix(len(classes.names))
    scored = 0
    for name in sorted(os.listdir(options.images)):
        label_path = os.path.join(options.labels, os.path.splitext(name)[0] + '.png')
        if not os.path.isfile(label_path):
            print(f'{name}: no label, left out', file=sys.stderr)
            continue
        image = np.array(Image.open(os.path.join(options.images, name)).convert('RGB'))
        matrix.add(read_labels(label_path),
                   segmenter.segment(image, with_confidence=False).mask)
        scored += 1

    scores = confusion.score(matrix.class_counts())
    print(f'{scored} images: mIoU {scores.mean_iou:.3f}, '
          f'pixel accuracy {scores.pixel_accuracy:.3f}')
    for name, iou in zip(classes.names, scores.iou):
        # NaN: the class is neither in the labels nor in the masks.
        if not np.isnan(iou):
            print(f'{name:20} IoU {iou:.3f}')


if __name__ == '__main__':
    main()
