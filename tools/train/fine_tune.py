# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Go on training a network with captured frames whose labels were corrected; report what it gained.

The last frames by time are held out. The others and rendered ones train the network, which is
then exported, inspected, and evaluated beside the former one. Run the same command again to go
on where it stopped. docs/training.md has the whole way.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import sys
import time
from typing import Dict, List, Optional, Sequence, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from installed import check_installed
    check_installed(('cv2', 'jinja2', 'numpy', 'onnx', 'onnxruntime', 'PIL', 'torch', 'tqdm',
                     'yaml'))

from capture_folder import NO_LABEL
from capture_folder import read_capture
from dataset import load
from export_onnx import write_onnx
import fine_tune_report
import networks
import numpy as np
from segformer_ros.cli import evaluate
from segformer_ros.cli import inspect_model
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.evaluation.report import compare
from segformer_ros.evaluation.report import document
from segformer_ros.model import spec as model_spec
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.huggingface import distinct_colors
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.onnx_file.header import read_onnx_header
import torch
import training_data
import training_loop

TRAIN, HELD_OUT, SIMULATED, SIMULATED_HELD_OUT = (
    'train', 'held_out', 'simulated', 'simulated_held_out')
# Seeds of rendered worlds, away from those that the shipped network was trained on.
_SIMULATED_SEED, _SIMULATED_HELD_OUT_SEED = 3000000, 3500000
_TOLERANCE = 1e-3


def write_model(network: torch.nn.Module, spec: model_spec.ModelSpec, names: Sequence[str],
                former: networks.Former, path: str) -> float:
    """
    Write ONNX file, specification, and class table if none of the shipped ones is it.

    :return: largest difference of a logit to PyTorch's
    :raises ModelError: it is too large
    """
    difference = write_onnx(network, spec.input_size_wh, path)
    if not difference <= _TOLERANCE:
        raise ModelError('Exported model computes something else',
                         got=f'logits that differ by {difference:.1e}',
                         expected=f'at most {_TOLERANCE:.0e}')
    classes: Optional[str] = None
    table: Optional[ClassTable] = ClassTable(
        path, names, distinct_colors(names), np.zeros(len(names), bool))
    if former.onnx_path and tuple(names) == former.names:
        # Keeps colours and what moves.
        classes, table = former.spec.classes, None
    draft = inspection.draft_spec(read_onnx_header(path), inspection.name_from(path),
                                  inspection.Knowledge(
        classes=classes, num_classes=len(names), input_size_wh=spec.input_size_wh,
        mean=spec.mean, std=spec.std, color_order=spec.color_order))
    inspection.write_spec(path[:-len('.onnx')] + '.yaml', draft, table, overwrite=True)
    return difference


def inspected(path: str) -> str:
    """
    Return what inspect_model says of a file.

    :raises ModelError: that it does not fit the contract
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = inspect_model.main([path])
    if status:
        raise ModelError('Exported model does not fit the contract', got=said.getvalue())
    return said.getvalue()


def evaluated(model: str, folder: str, out: str, threads: int) -> dict:
    """
    Evaluate a network on FOLDER/images and FOLDER/labels, as the command evaluate does.

    :param model: ONNX file
    :param out: folder for the report
    :return: the report's document
    :raises ModelError: the evaluation failed
    """
    with contextlib.redirect_stdout(io.StringIO()):
        status = evaluate.main([
            os.path.join(folder, 'images'), '--labels', os.path.join(folder, 'labels'), '--model',
            model, '--graph', 'original', '--output', out, '--threads', str(threads)])
    if status:
        raise ModelError('Evaluation failed', got=f'exit status {status} for {model}')
    found = document.read_json(os.path.join(out, 'report.json'))
    for entry in found['inputs']:
        # Photos, but of one drive: single frames of it would make the interval too narrow.
        entry['consecutive'] = True
    return found


def run(options: argparse.Namespace) -> Dict[str, object]:
    """Do the whole work; return the report's values."""
    began = time.monotonic()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    os.makedirs(options.out, exist_ok=True)
    data = {name: os.path.join(options.out, 'data', name)
            for name in (TRAIN, HELD_OUT, SIMULATED, SIMULATED_HELD_OUT)}
    capture = read_capture(options.capture)
    names = capture.classes
    frames = training_data.corrected(options.labels, capture)
    uncorrected = training_data.count_uncorrected(frames, capture)
    former = networks.open_former(options.model)
    kept, held_out = _divided(frames, options, names)
    training_data.write_pairs(kept, data[TRAIN])
    training_data.write_pairs(held_out, data[HELD_OUT])
    simulated = training_data.render(
        data[SIMULATED], options.simulated, 'train', _SIMULATED_SEED, options.kinds,
        options.threads, names)
    simulated_held_out = training_data.render(
        data[SIMULATED_HELD_OUT], options.simulated // 4, 'held_out', _SIMULATED_HELD_OUT_SEED,
        options.kinds, options.threads, names)
    size_wh = tuple(options.size or former.spec.input_size_wh)
    spec = former.spec._replace(input_size_wh=size_wh)

    shown = sorted({int(each) for frame in kept for each in np.unique(frame.labels)} - {NO_LABEL})
    before = options.model
    if not former.onnx_path or names != former.names:
        # The former network in the classes of the labels, so that both can be compared.
        networks.with_classes(former.network, former.names, names, ())
        before = os.path.join(options.out, 'former.onnx')
        write_model(former.network, former.spec, names, former, before)
    networks.with_classes(former.network, names, names, shown)
    learnt = sorted(set(shown) | set(networks.awake_classes(former.network)))
    mark = hashlib.sha256(repr((
        names, learnt, size_wh, options.batch, options.simulated, options.seed,
        [f'{float(each.detach().double().sum()):.6g}'
         for each in former.network.parameters()])).encode())
    for frame in kept:
        mark.update(frame.id.encode() + np.ascontiguousarray(frame.labels).tobytes())
    training = training_loop.Training(former.network, spec, learnt, options, mark.hexdigest())
    keep_wh = size_wh
    sets = [(load(data[TRAIN], keep_wh), options.batch)]
    if simulated:
        mixed = int(round(options.batch * options.simulated_share))
        sets = [(sets[0][0], options.batch - mixed), (load(data[SIMULATED], keep_wh), mixed)]
    training.run(sets, _training_size(size_wh, options.training_size))
    path = os.path.join(options.out, 'model.onnx')
    difference = write_model(former.network, spec, names, former, path)
    values: Dict[str, object] = {
        'format': 1, 'former': options.model, 'model': path, 'classes': list(names),
        'frames': {TRAIN: len(kept), HELD_OUT: len(held_out), SIMULATED: simulated,
                   SIMULATED_HELD_OUT: simulated_held_out, 'uncorrected': uncorrected},
        'classes_shown': [names[each] for each in shown],
        'training': {'steps': training.step, 'batch': options.batch, 'lr': training.rate,
                     'seconds': training.seconds, 'threads': options.threads,
                     'loss_first': float(np.nanmean(training.losses[:20])),
                     'loss_last': float(np.nanmean(training.losses[-20:]))},
        'export': {'difference': difference, 'inspection': inspected(path)}}
    for name, count in ((HELD_OUT, len(held_out)), (SIMULATED_HELD_OUT, simulated_held_out)):
        if count:
            folder = os.path.join(options.out, 'evaluation', name)
            reports = [evaluated(model, data[name], os.path.join(folder, which), options.threads)
                       for which, model in (('before', before), ('after', path))]
            values[name] = fine_tune_report.comparison_values(
                compare.compare_reports(*reports), reports)
            with open(os.path.join(folder, 'comparison.md'), 'w', encoding='utf-8') as stream:
                stream.write(compare.render_comparison(
                    compare.compare_reports(*reports), *reports))
    values['seconds'] = time.monotonic() - began
    # Its children's too; rendering has some.
    values['processor_seconds'] = sum(os.times()[:4])
    values['pictures'] = fine_tune_report.pictures(
        [(frame.id, frame.image, frame.labels) for frame in held_out], before, path, options.out)
    return values


def _divided(frames: Sequence[training_data.Labelled], options: argparse.Namespace,
             names: Sequence[str]
             ) -> Tuple[Sequence[training_data.Labelled], Sequence[training_data.Labelled]]:
    """Return the frames to train on, and those that are held out."""
    if options.held_out:
        other = read_capture(options.held_out)
        if other.classes != tuple(names):
            raise ConfigurationError('Held-out frames have other classes',
                                     got=f'{len(other.classes)} names in {options.held_out}',
                                     expected='the same classes.json')
        found = training_data.corrected(options.held_out_labels, other)
        common = {frame.id for frame in frames} & {frame.id for frame in found}
        if common:
            raise ConfigurationError('Held-out frames are also trained on',
                                     got=f'{len(common)}, such as {sorted(common)[0]}')
        return frames, found
    # The last of the drive: neighbours of a frame look like it.
    count = max(1, round(len(frames) * options.held_out_share))
    if len(frames) < 2:
        raise ConfigurationError('Too few labelled frames', got=len(frames), expected='2 or more')
    return frames[:-count], frames[-count:]


def _training_size(size_wh: Tuple[int, int], share: float) -> Tuple[int, int]:
    # Multiples of 32: every level of the pyramid is whole then.
    width, height = (max(32, int(round(side * share / 32.0)) * 32) for side in size_wh)
    return width, height


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('capture', help='folder that ~/capture wrote')
    parser.add_argument('--labels', required=True,
                        help="CVAT's zip file, Label Studio's JSON file, or a folder of ID.png")
    parser.add_argument('--model', default='segformer_sim',
                        help='network to go on with: a name, an ONNX file, or the folder of a '
                             'checkpoint of transformers')
    parser.add_argument('--out', required=True, help='folder for model.onnx and report.md')
    parser.add_argument('--held-out', metavar='CAPTURE',
                        help='another captured folder to measure on, instead of the last frames')
    parser.add_argument('--held-out-labels', metavar='LABELS', help='its labels')
    parser.add_argument('--held-out-share', type=float, default=0.2)
    parser.add_argument('--simulated', type=int, default=48,
                        help='rendered pictures to mix in; a quarter as many are held out')
    parser.add_argument('--simulated-share', type=float, default=0.25, help='of each batch')
    parser.add_argument('--kinds', nargs='+', choices=('indoor', 'outdoor', 'aerial'),
                        default=['indoor', 'outdoor'], help='of rendered worlds')
    parser.add_argument('--size', type=int, nargs=2, metavar=('WIDTH', 'HEIGHT'),
                        help="of the new network's input; the former one's by default")
    parser.add_argument('--training-size', type=float, default=0.67,
                        help='size in training as a share of that: crops show things larger')
    parser.add_argument('--steps', type=int, default=240)
    parser.add_argument('--minutes', type=float, default=0.0, help='stop earlier, after so many')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--lr', type=float, default=0.0,
                        help=f'learning rate; {training_loop.SMALL_RATE} for small networks, '
                             f'{training_loop.LARGE_RATE} for large ones')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--threads', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--save-every', type=float, default=60.0, help='seconds')
    return parser


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command; return its exit status."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if bool(options.held_out) != bool(options.held_out_labels):
        parser.error('--held-out and --held-out-labels go together')
    for name, low, high in (('held_out_share', 0.0, 0.9), ('simulated_share', 0.0, 0.9)):
        if not low <= getattr(options, name) <= high:
            parser.error(f'--{name.replace("_", "-")} is {low} to {high}')
    try:
        values = run(options)
    except SegformerRosError as error:
        print(f'fine_tune: {error}', file=sys.stderr)
        return 1
    page = fine_tune_report.markdown(values)
    for name, text in (('report.json', json.dumps(values, indent=1)), ('report.md', page)):
        with open(os.path.join(options.out, name), 'w', encoding='utf-8') as stream:
            stream.write(text + '\n')
    print(page)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
