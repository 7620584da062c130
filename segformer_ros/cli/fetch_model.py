# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``fetch_model``: download a model's weights into the cache, ready to run."""

import argparse
import logging
import os
import sys
from typing import List, Optional

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.cli.support.progress import bytes_text
from segformer_ros.cli.support.progress import ProgressLine
from segformer_ros.common import private_files
from segformer_ros.common.errors import ModelError
from segformer_ros.model import verdicts
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.optimize.optimize import UNCHANGED
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.worker import TIMEOUT_S
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights import catalogue
from segformer_ros.model.weights import hub_name
from segformer_ros.model.weights import hub_store
from segformer_ros.model.weights import resolve
from segformer_ros.model.weights import store
from segformer_ros.model.weights.lock_file import LOCK_FILE


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status: 0 done, 1 failed with a message, 130 interrupted
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(format='%(message)s', level=logging.INFO, stream=sys.stderr)
    return command.run(
        'fetch_model', lambda: _print_list() if options.list else _fetch(options),
        'Interrupted. What has arrived is kept: the same command goes on from there.')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='fetch_model',
        description='Fetch the weights of a model, check their digest and print their path.',
        epilog='Variables: https_proxy and no_proxy; HF_ENDPOINT (a mirror of huggingface.co), '
        'HF_TOKEN, HF_HOME (a cache to take files from), HF_HUB_OFFLINE; '
        f'{private_files.CACHE_VARIABLE} and XDG_CACHE_HOME (the cache folder). A broken '
        'download goes on where it stopped.')
    parser.add_argument(
        'name', nargs='?',
        help=f'model to fetch; --list shows the names; or {hub_name.FORM}, a file of the Hugging '
             'Face hub')
    parser.add_argument('--list', action='store_true', help='list the models and end')
    parser.add_argument('--variant', help='another file of the model, for example fp16')
    parser.add_argument('--accept-license', action='store_true',
                        help='you have read the license of the weights and accept it')
    parser.add_argument('--from-file', metavar='PATH',
                        help='take this file, brought by other means, instead of the network')
    parser.add_argument('--lock', metavar='YAML',
                        help='of hf: names, take the commits and digests that this file pins, and '
                        f'add what it does not have; by default {LOCK_FILE} where you are, if '
                        'there is one')
    return parser


def _fetch(options: argparse.Namespace) -> int:
    if options.name is None:
        raise ModelError('No model named',
                         expected=f"one of {', '.join(catalogue.model_names())}")
    if hub_name.is_hub_name(options.name):
        return _fetch_from_hub(options)
    if options.lock is not None:
        raise ModelError('--lock is for names that begin with hf:', got=options.name,
                         remedy='The catalogue pins the digests of its own models.')
    source = catalogue.load_download(options.name)
    if source is not None:
        _print_license(source.license)
    line = ProgressLine(options.name)
    try:
        path = store.fetch(options.name, options.variant, options.accept_license,
                           options.from_file, line.update)
    finally:
        line.finish()
    print(f'{options.name}: checked, {bytes_text(os.path.getsize(path))}', file=sys.stderr)
    spec = load_model_spec(catalogue.spec_path(options.name))
    _optimize(options.name, path, verdicts.judged_spec(path, spec))
    # Alone on stdout, so that a script can take it.
    print(path)
    return command.DONE


def _fetch_from_hub(options: argparse.Namespace) -> int:
    for option in ('variant', 'from_file'):
        if getattr(options, option) is not None:
            raise ModelError('Option is not for names that begin with hf:',
                             got='--' + option.replace('_', '-'), expected=hub_name.FORM)
    lock = options.lock or (LOCK_FILE if os.path.exists(LOCK_FILE) else None)
    line = ProgressLine(options.name)
    try:
        found = hub_store.fetch(hub_name.parse_hub_name(options.name), options.accept_license,
                                lock, _print_license, line.update)
    finally:
        line.finish()
    print(f'{options.name}: commit {found.commit}, license: {found.license}', file=sys.stderr)
    for path, sha256 in sorted(found.files.items()):
        print(f'  {sha256}  {path}', file=sys.stderr)
    if found.is_new:
        print('These digests were trusted on first use: nobody but the hub vouches for them. '
              + (f'{lock} pins them from now on.' if lock else
                 f'--lock {LOCK_FILE} pins them for the next machine.'), file=sys.stderr)
    else:
        print(f'As pinned by {lock}.' if lock else 'As fetched before.', file=sys.stderr)
    print(f'Specification, with what was assumed: {found.spec_path}', file=sys.stderr)
    draft = resolve.resolve_model(found.onnx_path).spec
    _optimize(options.name, found.onnx_path,
              verdicts.judged_spec(found.onnx_path, draft, is_stated=False))
    print(found.onnx_path)
    return command.DONE


def _optimize(name: str, path: str, spec: ModelSpec) -> None:
    """Optimize the model now, which the node's first start would have to do."""
    jobs = OptimizeJobs(path, spec)
    try:
        jobs.request(ONNXRUNTIME)
        jobs.wait(TIMEOUT_S)
        optimized = jobs.find(ONNXRUNTIME)
    finally:
        jobs.close()
    if optimized is not None and optimized.changes != UNCHANGED:
        print(f'{name}: graph for onnxruntime optimized, {optimized.changes}: {optimized.path}',
              file=sys.stderr)


def _print_license(terms: catalogue.License) -> None:
    print('{}\n{}\n\n{}\n'.format(*terms), file=sys.stderr)


def _print_list() -> int:
    for name in catalogue.model_names():
        source = catalogue.load_download(name)
        if source is None:
            state = 'ships with the package' if store.shipped(name) else 'missing'
            print(f'{name}: {state}')
        else:
            print(f'{name}: {source.license.name}')
        _print_about(name)
        if source is not None:
            for variant in source.files:
                print(f'  {variant}: {_state(source, variant)}')
    print(f'Any other one of the hub: {hub_name.FORM}; docs/models.md names some.')
    return command.DONE


def _print_about(name: str) -> None:
    spec = load_model_spec(catalogue.spec_path(name))
    width, height = spec.input_size_wh
    print(f'  {spec.num_classes} classes of {spec.classes}, input {width} x {height}')
    about = catalogue.load_about(name)
    if about is not None:
        print(f'  {about.purpose}')
        print(f'  {about.accuracy}')
        if not about.is_tried:
            print('  not tried with this package')


def _state(source: catalogue.Download, variant: str) -> str:
    remote = source.file(variant)
    try:
        path = store.cached(source, remote)
    except ModelError as error:
        return str(error)
    if path is not None:
        return path
    return 'not fetched' + ('' if remote.size is None else f', {bytes_text(remote.size)}')
