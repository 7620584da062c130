# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Export a transformers SegformerForSemanticSegmentation to the contract of this package.

``python tools/export/export_segformer.py CHECKPOINT --output my_model.onnx`` writes the ONNX
file, its specification and, unless it is a shipped one, its class table. PyTorch and
onnxruntime are compared before anything is written. Needs tools/export/requirements.txt.
"""

import argparse
import json
import os
import sys
import tempfile
import warnings

import numpy as np

PROJECT_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if PROJECT_ROOT not in sys.path:
    sys.path.insert(0, PROJECT_ROOT)

from segformer_ros.common.errors import ModelError  # noqa: E402
from segformer_ros.common.errors import SegformerRosError  # noqa: E402
from segformer_ros.common.telemetry import disable_telemetry  # noqa: E402
from segformer_ros.common.telemetry import import_onnxruntime  # noqa: E402
from segformer_ros.model.huggingface import class_table_from_huggingface  # noqa: E402
from segformer_ros.model.huggingface import read_preprocessor  # noqa: E402
from segformer_ros.model.onnx_file import inspection  # noqa: E402
from segformer_ros.model.onnx_file.header import read_onnx_header  # noqa: E402
from segformer_ros.model.spec import ModelSpec  # noqa: E402

TOLERANCE = 1e-4
"""Largest difference of a logit, as a share of the largest logit."""
OPSETS = (13, 17)
"""13 is read by TensorRT 8.2; 17 has LayerNormalization, read by TensorRT from 8.6 on."""


def main(arguments=None):
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status: 0 done, 1 failed with a message
    """
    options = parser().parse_args(arguments)
    try:
        export(options)
    except SegformerRosError as error:
        print(f'export_segformer: {error}', file=sys.stderr)
        return 1
    return 0


def parser():
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog='export_segformer.py', description=__doc__)
    result.add_argument('checkpoint', help='folder with config.json, preprocessor_config.json and '
                                           'weights, or a name on huggingface.co')
    result.add_argument('--output', required=True, metavar='ONNX', help='file to write')
    result.add_argument('--size', type=int, nargs=2, metavar=('WIDTH', 'HEIGHT'),
                        help='input size, by default that of preprocessor_config.json')
    result.add_argument('--opset', type=int, choices=OPSETS, default=OPSETS[0],
                        help='13 for TensorRT 8.2 to 8.5 (default), 17 for 8.6 and later')
    result.add_argument('--random-weights', type=int, metavar='SEED',
                        help='ignore the weights and draw some: to try the tool chain')
    result.add_argument('--force', action='store_true', help='overwrite existing files')
    return result


def export(options):
    """Export, compare, write; see :func:`main`."""
    if not options.output.endswith('.onnx'):
        raise ModelError('Output needs another name', got=options.output,
                         expected='a path that ends in .onnx')
    if os.path.exists(options.output) and not options.force:
        raise ModelError('File exists already', got=options.output,
                         remedy='Choose another name, or give --force.')
    folder = os.path.dirname(os.path.abspath(options.output))
    with tempfile.TemporaryDirectory(dir=folder, prefix='.export-') as temporary:
        model = load(options.checkpoint, options.random_weights)
        known, table = knowledge(options, model, temporary)
        path = os.path.join(temporary, os.path.basename(options.output))
        to_onnx(model, known.input_size_wh, options.opset, path)
        difference, agreement = compare(model, path)
        header = read_onnx_header(path)
        draft = inspection.draft_spec(header, inspection.name_from(options.output), known)
        written = inspection.write_spec(options.output[:-len('.onnx')] + '.yaml', draft, table,
                                        options.force)
        os.replace(path, options.output)
    print(f'logits differ by at most {difference:.1e} of the largest; {agreement:.3%} of the '
          'pixels agree')
    for text in inspection.violations(header):
        print(f'TensorRT {inspection.OLDEST} cannot read it: {text}')
    for file in [options.output] + written:
        print(f'written: {file}')


def load(checkpoint, seed=None):
    """
    Return the network, ready to run on the CPU.

    :param seed: draw random weights with it instead of loading some
    :raises ModelError: it is not a SegFormer, or cannot be had
    """
    try:
        disable_telemetry()
        import torch
        from transformers import AutoConfig
        from transformers import SegformerForSemanticSegmentation
    except ImportError as error:
        raise ModelError('PyTorch or transformers is missing', got=error,
                         remedy='pip install -r tools/export/requirements.txt') from error
    try:
        config = AutoConfig.from_pretrained(checkpoint)
    except (OSError, ValueError) as error:
        raise ModelError('Checkpoint cannot be read', got=' '.join(str(error).split())[:300],
                         expected='a folder with config.json, or a name on huggingface.co'
                         ) from error
    if config.model_type != 'segformer':
        raise ModelError('Checkpoint is not a SegFormer', got=config.model_type,
                         expected='segformer')
    # Fused attention has no opset 13 form; the plain one is the same function.
    config._attn_implementation = 'eager'
    if seed is not None:
        torch.manual_seed(seed)
        return SegformerForSemanticSegmentation(config).eval()
    try:
        model, report = SegformerForSemanticSegmentation.from_pretrained(
            checkpoint, config=config, output_loading_info=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError('Weights cannot be read', got=' '.join(str(error).split())[:300],
                         expected='those of a SegformerForSemanticSegmentation') from error
    if report['missing_keys']:
        # transformers fills them with random numbers and only warns.
        raise ModelError('Checkpoint lacks weights', got=sorted(report['missing_keys'])[:3],
                         expected='those of a SegformerForSemanticSegmentation')
    return model.float().eval()


def knowledge(options, model, temporary):
    """Return what the ONNX file does not say, and the class table."""
    config = os.path.join(temporary, 'config.json')
    with open(config, 'w', encoding='utf-8') as stream:
        json.dump({'id2label': model.config.id2label}, stream)
    table = class_table_from_huggingface(config)
    known = inspection.Knowledge(num_classes=len(table))
    preprocessor = preprocessor_path(options.checkpoint)
    if preprocessor is not None:
        known = known._replace(**read_preprocessor(preprocessor)._asdict())
    if options.size is not None:
        known = known._replace(input_size_wh=tuple(options.size))
    if known.input_size_wh is None:
        known = known._replace(input_size_wh=ModelSpec._field_defaults['input_size_wh'])
    return known, table


def preprocessor_path(checkpoint):
    """Return the path of a checkpoint's preprocessor_config.json, ``None`` without."""
    from transformers.utils import cached_file
    return cached_file(checkpoint, 'preprocessor_config.json',
                       _raise_exceptions_for_missing_entries=False)


def to_onnx(model, size_wh, opset, path):
    """Write the network with fixed sizes: ``pixel_values`` to ``logits``, batch of one."""
    import torch

    class Logits(torch.nn.Module):
        """The network with one tensor in and one out."""

        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model(pixel_values=pixel_values).logits

    width, height = size_wh
    # eval(): the exporter gives the network back in the mode of the outermost module.
    network = Logits().eval()
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing is the one that writes opset 13; it is announced as legacy.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network, (torch.zeros(1, 3, height, width),), path, dynamo=False,
            opset_version=opset, input_names=['pixel_values'], output_names=['logits'])


def compare(model, path):
    """
    Run PyTorch and onnxruntime on the same noise.

    :return: the largest difference of logits as a share of the largest logit, and the share of
        pixels with the same class
    :raises ModelError: the difference is above TOLERANCE
    """
    import torch
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    shape = session.get_inputs()[0].shape
    pixels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        expected = model(pixel_values=torch.from_numpy(pixels)).logits.numpy()
    logits = session.run(None, {'pixel_values': pixels})[0]
    difference = float(np.abs(logits - expected).max() / np.abs(expected).max())
    # Written so that NaN fails.
    if not difference <= TOLERANCE:
        raise ModelError('Exported model computes something else',
                         got=f'logits that differ by {difference:.1e}',
                         expected=f'at most {TOLERANCE:.0e}')
    return difference, float((logits.argmax(1) == expected.argmax(1)).mean())


if __name__ == '__main__':
    raise SystemExit(main())
