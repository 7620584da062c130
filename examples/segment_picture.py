#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Segment a picture and save it with the labels' colours laid over it.

    python3 examples/segment_picture.py photo.jpg overlay.png
"""

import argparse

import numpy as np
from PIL import Image
from segformer_ros import load_model
from segformer_ros.model.classes import load_class_table
from segformer_ros.segmentation.images.palette import overlay


def main():
    """Segment one picture, and print what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('picture')
    parser.add_argument('output')
    parser.add_argument('--model', default='segformer_sim', help='name, or path of an ONNX file')
    options = parser.parse_args()

    segmenter = load_model(options.model)
    classes = load_class_table(segmenter.spec.classes)
    image = np.array(Image.open(options.picture).convert('RGB'))
    # (H, W) class ids, and (H, W) 0..255: how sure the network is of each.
    mask, confidence, timings = segmenter.segment(image)

    ids, pixels = np.unique(mask, return_counts=True)
    for share, class_id in sorted(zip(pixels / mask.size, ids), reverse=True):
        print(f'{classes.names[class_id]:20} {share:6.1%} of the picture, '
              f'confidence {confidence[mask == class_id].mean() / 255.0:.2f}')
    print(f'network: {1000.0 * timings.infer:.0f} ms')
    Image.fromarray(overlay(image, mask, classes.palette(), alpha=0.5)).save(options.output)


if __name__ == '__main__':
    main()
