# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Networks with 8-bit integers that were calibrated on this user's images, found by their float32.

An entry is the quantized network ``NAME.onnx``, and ``NAME.json`` with the digest of the graph
that it was made from, its own digest, how it compared with that graph, and figures for people.
"""

import hashlib
import json
import logging
import re
import shlex
from typing import Any, Dict, NamedTuple, Optional

from segformer_ros.common import private_files
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.file_cache import FileCache
from segformer_ros.inference.base.mask_check import self_check_from_json
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.model.onnx_file.header import model_digest
from segformer_ros.model.quantize.placement import REVISION
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights import catalogue

FOLDER = 'calibrations'
FORMAT = 1
KEPT = 8
"""Entries that stay, the most recently made."""
NO_INT8 = {(5, 3): 'Maxwell (Jetson Nano, Jetson TX1) has no 8-bit arithmetic'}
"""Compute capabilities that are refused before a build, each with the reason."""
_LOGGER = logging.getLogger(__name__)


class Calibration(NamedTuple):
    """
    A quantized network and what is known of it.

    ``check`` compares it with the float32 network, on frames that it was not calibrated on, by
    the rules of an engine's self-check. ``report`` holds the figures of the calibration.
    """

    path: str
    sha256: str
    check: SelfCheck
    report: Dict[str, Any]


class CalibrationCache(FileCache):
    """
    The calibrations of this user.

    :param folder: exists and is private: :func:`open_calibrations` sees to that
    """

    what = 'The folder of the calibrations'
    payload = '.onnx'

    def find(self, name: str, graph: str) -> Optional[Calibration]:
        """
        Return the calibration of a graph, or None; one that is damaged is told and passed over.

        :param name: of the model
        :param graph: path of the float32 graph
        """
        digest = model_digest(graph)
        entry = _entry_name(name, digest)
        try:
            values = json.loads(self.read_sidecar(entry).decode('utf-8'))
            if values['format'] != FORMAT or values['key'] != _key(digest):
                raise ValueError('it was made by other rules, or for another graph')
            return Calibration(self.check_payload(entry, values['sha256']), values['sha256'],
                               self_check_from_json(values['check']), dict(values['report']))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError, ModelError) as error:
            _LOGGER.warning('Calibration %s is not used: %s', self.path(entry, '.json'), error)
            return None

    def store(self, name: str, graph: str, content: bytes, check: SelfCheck,
              report: Dict[str, Any]) -> Calibration:
        """
        Keep a calibration in place of the one that a graph had, and return it.

        :param name: of the model
        :param graph: path of the float32 graph
        :param content: of the quantized ONNX file
        :param check: against the float32 graph
        :param report: what JSON can hold
        :raises StorageError: the folder cannot be used
        """
        digest = model_digest(graph)
        entry = _entry_name(name, digest)
        sha256 = hashlib.sha256(content).hexdigest()
        values = {'format': FORMAT, 'key': _key(digest), 'check': check._asdict(),
                  'sha256': sha256, 'report': report}
        # A sidecar of an older network must not lie beside the new one for a moment.
        self.delete_file(entry + '.json')
        self.write(entry + '.onnx', content)
        self.write_sidecar(entry, values)
        self.keep_entries(self.entries()[:KEPT])
        return Calibration(self.path(entry, '.onnx'), sha256, check, report)


def open_calibrations() -> CalibrationCache:
    """
    Return the calibrations in the cache folder, which is made if need be.

    :raises ModelError: others may write to the folder, or it cannot be made
    """
    return CalibrationCache(private_files.private_folder(private_files.cache_root(), FOLDER))


def find_calibration(spec: ModelSpec, graph: str, gpu: GpuInfo, original: str,
                     optimized: bool) -> Calibration:
    """
    Return the calibration that an engine with 8-bit integers can be built from.

    It may have failed its check.

    :param spec: of the graph
    :param graph: path of the float32 graph that engines are built from
    :param original: the model's own file, for the command that is told
    :param optimized: whether the graph was made from that
    :raises BackendError: the GPU has no 8-bit arithmetic
    :raises ModelError: there is none for this very graph
    """
    refuse_without_int8(gpu)
    found = open_calibrations().find(spec.name, graph)
    if found is None:
        raise ModelError(
            'Model has no INT8 calibration', got='{} at {} x {}'.format(
                spec.name, *spec.input_size_wh),
            expected='one that was made from the graph which engines are built from here',
            remedy=f'Make it from your own images: {command(spec, original, optimized)}')
    return found


def refuse_without_int8(gpu: GpuInfo) -> None:
    """
    Look whether a GPU computes with 8-bit integers.

    :raises BackendError: it is known not to
    """
    reason = NO_INT8.get(gpu.compute_capability)
    if reason is not None:
        raise BackendError('This GPU has no INT8', got='{}, compute capability {}.{}: {}'.format(
            gpu.name, *gpu.compute_capability, reason), remedy='Use precision: fp16.')


def command(spec: ModelSpec, original: str, optimized: bool) -> str:
    """Return the command that calibrates a model."""
    model = spec.name if spec.name in catalogue.model_names() else original
    size = '{}x{}'.format(*spec.input_size_wh)
    return (f'ros2 run segformer_ros calibrate_int8 BAG_OR_FOLDER --model {shlex.quote(model)} '
            f'--input-size {size}' + ('' if optimized else ' --graph original'))


def _key(graph_digest: str) -> Dict[str, str]:
    return {'graph_sha256': graph_digest, 'rules': REVISION}


def _entry_name(name: str, graph_digest: str) -> str:
    safe = re.sub(r'[^A-Za-z0-9_-]+', '_', name)[:64]
    return f'{safe}-{graph_digest[:16]}'
