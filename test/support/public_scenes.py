# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The shared photos and bags, and the plain computation that masks are compared with."""

import os

import numpy as np
from PIL import Image
from support.oracles import interpolation_matrix

# ADE20K class -> CamVid class, fixed before the first score; everything else is wrong.
ADE_TO_CAMVID = {0: (2,), 1: (0, 1, 8, 14, 25, 48, 84), 2: (87, 93), 3: (6,), 4: (11, 52),
                 5: (4, 5, 9, 17, 66, 72), 6: (43, 136), 7: (32, 38), 8: (20, 80, 83, 102),
                 9: (12,), 10: (116, 127)}
CAMVID_VOID = 11
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


def camvid_lookup():
    """Return (256,): ADE20K class to CamVid class, 200 where there is none."""
    lookup = np.full(256, 200, np.uint8)
    for camvid, ade_classes in ADE_TO_CAMVID.items():
        lookup[list(ade_classes)] = camvid
    return lookup


class Reference:
    """
    Pillow, onnxruntime and float64 arithmetic; nothing of the package.

    :param model: path of the ONNX file
    """

    def __init__(self, model):
        import onnxruntime
        self._session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])

    def mask(self, image):
        """Return the classes of an (H, W, 3) RGB image."""
        small = np.asarray(Image.fromarray(image).resize((512, 512), Image.BILINEAR), np.float64)
        tensor = ((small / 255.0 - MEAN) / STD).transpose(2, 0, 1)[np.newaxis]
        logits, = self._session.run(None, {'pixel_values': tensor.astype(np.float32)})
        # (128, W, 150): first along the rows, then between two of them for each row of pixels.
        cols = interpolation_matrix(128, image.shape[1])
        wide = np.stack([cols.dot(row.T) for row in logits[0].astype(np.float64).swapaxes(0, 1)])
        mask = np.empty(image.shape[:2], np.uint8)
        for row, weights in enumerate(interpolation_matrix(128, image.shape[0])):
            used = np.flatnonzero(weights)
            mask[row] = sum(weights[each] * wide[each] for each in used).argmax(axis=1)
        return mask


def bag_messages(folder, topic):
    """Yield the serialised messages of one topic of a bag, and what rosbags makes of them."""
    from pathlib import Path
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import get_typestore
    from rosbags.typesys import Stores
    with AnyReader([Path(folder)],
                   default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        wanted = [each for each in reader.connections if each.topic == topic]
        for connection, _, raw in reader.messages(connections=wanted):
            yield bytes(raw), reader.deserialize(raw, connection.msgtype)


def camvid_labels(folder):
    """Return the label images of the bags' frames, in bag order."""
    with open(os.path.join(folder, 'frames.txt'), encoding='ascii') as stream:
        names = [line.strip() for line in stream if line.strip()]
    stems = [os.path.splitext(name.split()[-1])[0] for name in names]
    return [np.asarray(Image.open(os.path.join(folder, 'camvid_labels', stem + '.png')))
            for stem in stems]


def pooled_accuracy(pairs, ignored):
    """Return the share of right pixels over all (prediction, truth) pairs."""
    right = sum(int(((found == truth) & (truth != ignored)).sum()) for found, truth in pairs)
    return right / float(sum(int((truth != ignored).sum()) for _, truth in pairs))
