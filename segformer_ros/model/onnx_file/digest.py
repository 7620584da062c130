# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The digest of a model with the weights that lie in other files."""

import hashlib
import os

from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file.header import read_onnx_header


def model_digest(onnx_path: str) -> str:
    """
    Return a digest of an ONNX file and of the files beside it that hold its weights.

    :return: the file's SHA-256 where it holds all weights itself, or is no ONNX file that could
        name others: whoever runs it tells what is wrong with it
    :raises ModelError: a file of weights is missing
    """
    found = sha256_of(onnx_path)
    try:
        external = read_onnx_header(onnx_path).external_files
    except ModelError:
        return found
    if not external:
        return found
    state = hashlib.sha256(found.encode('ascii'))
    for name in external:
        path = os.path.join(os.path.dirname(os.path.abspath(onnx_path)), name)
        if not os.path.isfile(path):
            raise ModelError('Weights of the model are missing', got=onnx_path, expected=path,
                             remedy='Copy the file beside the model.')
        state.update(f'{name} {sha256_of(path)}'.encode('utf-8'))
    return state.hexdigest()
