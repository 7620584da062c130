# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A catalogue of one small file, in place of the shipped one."""

import os

from segformer_ros.common import digest
from segformer_ros.common import resources

CONTENT = bytes(bytearray(range(256))) * 400
"""What the file of the catalogue holds: 102400 bytes."""

SPEC = """
name: tiny
classes: ade20k
num_classes: 150
"""

DOWNLOAD = """
about:
  purpose: Nothing but tests.
  accuracy: 12.5 mIoU on nothing
  tried: false

download:
  url: '{{endpoint}}/org/tiny/resolve/{{revision}}/{{path}}'
  endpoint: https://huggingface.co
  revision: 0123456789abcdef0123456789abcdef01234567
  default: fp32
  files:
    fp32:
      path: onnx/model.onnx
      git_blob_sha1: {sha1}
    sized:
      path: onnx/model_sized.onnx
      size: {size}
      sha256: {sha256}
  license:
    name: License of Tiny Weights
    link: https://example.com/license
    summary: For tests only.
"""


def write(root):
    """Write ``config/models/tiny.yaml``, and a model without download, below ``root``."""
    folder = os.path.join(root, 'config', 'models')
    os.makedirs(folder)
    content = os.path.join(root, 'content')
    with open(content, 'wb') as stream:
        stream.write(CONTENT)
    block = DOWNLOAD.format(sha1=digest.git_blob_sha1_of(content), size=len(CONTENT),
                            sha256=digest.sha256_of(content))
    for name, text in (('tiny', SPEC + block), ('own', SPEC.replace('tiny', 'own'))):
        with open(os.path.join(folder, name + '.yaml'), 'w', encoding='utf-8') as stream:
            stream.write(text)
    return content


def use(root, set_attribute=setattr):
    """Let ``resources.find`` look below ``root`` first."""
    shipped = resources.find

    def find(relative_path):
        path = os.path.join(root, relative_path)
        return path if os.path.exists(path) else shipped(relative_path)

    set_attribute(resources, 'find', find)
