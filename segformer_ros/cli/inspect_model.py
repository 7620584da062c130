# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``inspect_model``: check an ONNX file and write its specification."""

import argparse
import importlib.util
import os
import tempfile
import textwrap
from typing import List, Optional, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.cli.support.progress import bytes_text
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.text import plain
from segformer_ros.model import huggingface
from segformer_ros.model import verdicts
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.onnx_file import header as onnx_header
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.optimize import optimize
from segformer_ros.model.optimize.target import TENSORRT_8_2
from segformer_ros.model.spec import BINARY
from segformer_ros.model.spec import ModelSpec

WIDTH = 99
LABEL_WIDTH = 14
NAMES_SHOWN = 12
LONGEST_ROW = 8000
"""Characters; the operators of a large network have some 500."""


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status: 0 the file fits the contract, 1 it does not or cannot be read
    """
    options = _parser().parse_args(arguments)
    return command.run('inspect_model', lambda: _inspect(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='inspect_model',
        description='Show what an ONNX file takes and returns, whether segformer_ros and '
                    'TensorRT 8.2 (Jetson Nano) can use it, and write its specification. '
                    'Needs neither onnx nor onnxruntime; where onnxruntime is installed, the '
                    'network is run on two pictures.')
    parser.add_argument('file', help='the ONNX file')
    parser.add_argument('--config', metavar='JSON',
                        help="the checkpoint's config.json: names of the classes")
    parser.add_argument('--classes', metavar='NAME',
                        help='class table: a shipped name, or a path that ends in .yaml')
    parser.add_argument('--preprocessor', metavar='JSON',
                        help="the checkpoint's preprocessor_config.json: size, mean, std")
    parser.add_argument('--size', type=command.size_wh, metavar='WIDTHxHEIGHT',
                        help='input size, if the file takes any')
    parser.add_argument('--output', metavar='NAME',
                        help='the output that holds the classes, where there are several')
    parser.add_argument('--write-spec', metavar='YAML', help='write a specification to start from')
    parser.add_argument('--force', action='store_true', help='overwrite existing files')
    return parser


def _inspect(options: argparse.Namespace) -> int:
    header = onnx_header.read_onnx_header(options.file)
    _print_header(options.file, header)
    table, is_shipped = _class_table(options), options.classes is not None
    try:
        onnx_header.check_weights(options.file, header)
        draft = inspection.draft_spec(header, inspection.name_from(options.file),
                                      _knowledge(options, table))
        draft, note = _probed(options.file, draft)
    except ModelError as error:
        _print_row('contract', f'does not fit. {error}')
        _print_tensorrt(inspection.violations(header))
        return 1
    if table is None:
        default = load_class_table(draft.spec.classes)
        table = default if len(default) == draft.spec.num_classes else None
    elif draft.spec.output_kind in BINARY and len(table) == 1:
        table, is_shipped = huggingface.table_with_rest(table), False
    _print_classes(draft, table)
    _print_row('contract', f'fits: {draft.spec.output_kind}, output {draft.spec.output_name}')
    for text in draft.assumptions:
        _print_row('', f'assumed: {text}')
    _print_row('', note)
    quantised = inspection.quantised_note(header)
    if quantised is not None:
        _print_row('speed', quantised)
    _print_rewritten(options.file, header, draft.spec)
    if options.write_spec is not None:
        if table is None:
            raise ModelError(f'Names of the {draft.spec.num_classes} classes are not known',
                             remedy='Give --config or --classes.')
        for path in inspection.write_spec(options.write_spec, draft,
                                          None if is_shipped else table, options.force):
            _print_row('written', path)
    return 0


def _probed(path: str, draft: inspection.Draft) -> Tuple[inspection.Draft, str]:
    """Return the draft as the network's values show it, where it can be run here."""
    if importlib.util.find_spec('onnxruntime') is None:
        return draft, 'not run here: with onnxruntime its values are looked at, too'
    try:
        finding = verdicts.look(path, draft.spec)
    except BackendError as error:
        return draft, f'not run here: {error}'
    # What has come replaces what was assumed of the same key.
    seen = tuple(note.split(':')[0] + ':' for note in finding.notes)
    # Which class one channel means is not seen in its values.
    assumed = [text for text in draft.assumptions
               if not (text.startswith('output_') and text.startswith(seen))
               or (text.startswith('output_kind:') and finding.spec.output_kind in BINARY)]
    return inspection.Draft(finding.spec, tuple(assumed) + tuple(finding.notes)), \
        'its values on two pictures fit'


def _class_table(options: argparse.Namespace) -> Optional[ClassTable]:
    if options.config is not None:
        return huggingface.class_table_from_huggingface(options.config)
    return None if options.classes is None else load_class_table(options.classes)


def _knowledge(options: argparse.Namespace, table: Optional[ClassTable]) -> inspection.Knowledge:
    known = inspection.Knowledge(num_classes=None if table is None else len(table),
                                 output=options.output)
    if options.classes is not None:
        known = known._replace(classes=options.classes)
    if options.preprocessor is not None:
        known = known._replace(**huggingface.read_preprocessor(options.preprocessor)._asdict())
    return known if options.size is None else known._replace(input_size_wh=options.size)


def _print_header(path: str, header: onnx_header.OnnxHeader) -> None:
    _print_row('file', f'{path}: {bytes_text(header.file_bytes)}, {header.parameters} parameters')
    opsets = ', '.join(f"{domain or 'opset'} {version}"
                       for domain, version in sorted(header.opsets.items())) or 'no opset'
    producer = header.producer or 'an unnamed program'
    _print_row('written', f'by {producer}; {opsets}; IR version {header.ir_version}')
    for label, specs in (('inputs', header.inputs), ('outputs', header.outputs)):
        _print_row(label, '; '.join(str(spec) for spec in specs) or 'none')
    if header.ir_version > inspection.NEWEST_IR:
        _print_row('', f'IR version {header.ir_version} is newer than any known here '
                   f'({inspection.NEWEST_IR}): onnxruntime may refuse the file; export it with '
                   'an older onnx')
    if header.external_files:
        _print_row('weights in', ', '.join(repr(name) for name in header.external_files))
    _print_row('operators', ', '.join(f'{header.ops[name]} {name}'
                                      for name in sorted(header.ops)) or 'none')


def _print_classes(draft: inspection.Draft, table: Optional[ClassTable]) -> None:
    count = draft.spec.num_classes
    if table is None:
        _print_row('classes', f'{count}, names not known: give --config or --classes')
        return
    more = f' and {count - NAMES_SHOWN} more' if count > NAMES_SHOWN else ''
    _print_row('classes', f"{count}: {', '.join(table.names[:NAMES_SHOWN])}{more}")


def _print_rewritten(path: str, header: onnx_header.OnnxHeader, spec: ModelSpec) -> None:
    """Judge the graph that an engine would be built from, where onnx can make it."""
    found = inspection.violations(header)
    if importlib.util.find_spec('onnx') is None:
        _print_tensorrt(found)
        _print_row('', 'this is the file as it is; with the Python package onnx the graph that is '
                   'made from it is judged')
        return
    with tempfile.TemporaryDirectory(prefix='segformer_ros_inspect_') as folder:
        made = os.path.join(folder, 'made.onnx')
        changes, detail = optimize.write_rewritten(path, spec, TENSORRT_8_2, made)
        if changes == optimize.UNCHANGED:
            _print_tensorrt(found)
            _print_row('', f'runs as it is: {detail}')
            return
        _print_tensorrt(inspection.violations(onnx_header.read_onnx_header(made)))
    _print_row('', f'that is the graph which is made from it: {changes}, {detail}')
    if found:
        _print_row('', 'the file itself: ' + '; '.join(found))


def _print_tensorrt(found: List[str]) -> None:
    label = f'TensorRT {inspection.OLDEST}'
    _print_row(label, 'does not fit' if found else 'fits')
    for text in found:
        _print_row('', text)


def _print_row(label: str, text: str) -> None:
    # Names in a file are a stranger's texts.
    print(textwrap.fill(
        plain(text, LONGEST_ROW), WIDTH, initial_indent=label.ljust(LABEL_WIDTH),
        break_long_words=False, subsequent_indent=' ' * LABEL_WIDTH, break_on_hyphens=False))
