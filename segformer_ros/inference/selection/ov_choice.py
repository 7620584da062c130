# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whether OpenVINO serves: tried once beside onnxruntime, remembered from then on."""

import contextlib
import logging
from typing import Any, Callable, List, Optional, Sequence

from segformer_ros.common import errors
from segformer_ros.inference.base import validation as base_validation
from segformer_ros.inference.base.backend import OpenNetwork
from segformer_ros.inference.base.frames import convert_frame
from segformer_ros.inference.base.frames import Frame
from segformer_ros.inference.onnxrt.backend import default_threads
from segformer_ros.inference.ov import backend as ov_backend
from segformer_ros.inference.ov.cache import CompiledModels
from segformer_ros.inference.ov.cache import StoredValidation
from segformer_ros.inference.selection.status import CheckResults
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.optimize.optimize import OptimizedModel
from segformer_ros.model.optimize.target import ONNXRUNTIME

NAME = 'openvino'
# After so many processes that ended while OpenVINO was at work it is not begun again.
MOST_UNFINISHED = 2
_LOGGER = logging.getLogger(__name__)


class OpenvinoChoice:
    """
    Gives the network on OpenVINO, where that is asked for or worth it.

    It runs the graph that is made for onnxruntime, whose own operations it knows.

    :param settings: what the user chose
    :param graphs: of the model
    :param bundled_frames: input tensors for the original model
    :param results: takes what was found out
    """

    def __init__(self, settings: SelectionSettings, graphs: OptimizeJobs,
                 bundled_frames: Callable[[], Sequence[Frame]], results: CheckResults) -> None:
        self._settings = settings
        self._graphs = graphs
        self._bundled_frames = bundled_frames
        self._results = results
        self._cache: Optional[CompiledModels] = None
        # Who names a provider of onnxruntime wants that.
        self._is_wanted = self._is_named or (settings.backend == 'auto' and not settings.provider)

    @property
    def _is_named(self) -> bool:
        """Return whether the user asked for it: then it need not be faster, but right."""
        return self._settings.backend == NAME

    def detect(self) -> None:
        """
        Find the package and the cache.

        :raises BackendError: OpenVINO was asked for and is not installed
        """
        if not self._is_wanted:
            return
        if not ov_backend.is_installed():
            if self._is_named:
                raise errors.BackendError('OpenVINO was asked for and is not installed',
                                          remedy=ov_backend.INSTALL_OPENVINO)
            self._is_wanted = False
            return
        try:
            self._cache = CompiledModels(self._settings.cache_root)
        except errors.ModelError as error:
            self._results.warn('openvino cache', str(error))

    def request(self) -> None:
        """Begin to optimize the model for it."""
        if self._is_wanted:
            self._graphs.request(ONNXRUNTIME)

    def give_up(self, reason: str) -> None:
        """Never offer it again, after it failed in a run."""
        self._is_wanted = False
        self._results.warn('run', f'OpenVINO was left: {reason}')

    def choose(self, open_onnxruntime: Callable[[], OpenNetwork], reference: Any) -> OpenNetwork:
        """
        Return the network on OpenVINO where it agrees and is worth it, else on onnxruntime.

        A validation takes seconds, once; while its outcome is known, only what serves is opened.

        :param open_onnxruntime: opens what it is compared with
        :param reference: identifies that, as JSON can hold it
        :raises BackendError: OpenVINO was asked for and cannot run here, or what
            ``open_onnxruntime`` raises
        """
        model = self._graphs.find(ONNXRUNTIME) if self._is_wanted else None
        if model is None:
            network = open_onnxruntime()
            return network._replace(is_final=network.is_final and not self._is_wanted)
        other = _Lazily(open_onnxruntime)
        try:
            for settings in self._candidates():
                found = self._attempt(model, settings, other, reference)
                if found is not None:
                    other.close()
                    return found
            return other.get()
        except BaseException:
            other.close()
            raise

    def _attempt(self, model: OptimizedModel, settings: ov_backend.DeviceSettings,
                 other: '_Lazily', reference: Any) -> Optional[OpenNetwork]:
        backend = ov_backend.OpenvinoBackend(model.path, settings, self._cache)
        what = f'OpenVINO on {settings.full_name} in {settings.precision}'
        try:
            stored = self._stored(model, settings, reference)
            if stored is not None and stored.unfinished >= MOST_UNFINISHED:
                raise errors.BackendError('The process ended while it was at work',
                                          got=f'{stored.unfinished} times')
            known = _known_validation(stored)
            refusal, when = self._refusal(known, settings), 'known from a validation'
            if known is None or not refusal:
                with stored.attempt() if stored else contextlib.ExitStack():
                    backend.open()
                    if known is None:
                        known, when = self._try(other.get(), backend, model), 'in a validation'
                        refusal = self._refusal(known, settings)
                        if stored is not None:
                            stored.keep(known.to_json())
            if not refusal:
                return OpenNetwork(backend, model.spec, f'{what}: {known}, {when}; graph '
                                   f'{model.changes}')
            self._tell(what, f'{refusal} ({known}, {when})')
        except errors.SegformerRosError as error:
            backend.close()
            if self._is_named and settings == self._candidates()[-1]:
                raise
            self._tell(what, str(error))
        backend.close()
        return None

    def _try(self, other: OpenNetwork, backend: ov_backend.OpenvinoBackend,
             model: OptimizedModel) -> base_validation.Validation:
        if other.spec != model.spec:
            raise errors.BackendError('No network to compare with', got=other.why)
        frames = [convert_frame(frame, self._graphs.original.spec, model.spec)
                  for frame in self._bundled_frames()]
        return base_validation.validate(other.backend, backend, model.spec, frames)

    def _refusal(self, validation: Optional[base_validation.Validation],
                 settings: ov_backend.DeviceSettings) -> str:
        if validation is None or (self._is_named and validation.check.passed):
            return ''
        return validation.refusal(settings.device == 'CPU')

    def _candidates(self) -> List[ov_backend.DeviceSettings]:
        """Return the settings to try: those asked for, then float32 in place of less."""
        settings = self._settings
        wanted = ov_backend.DeviceSettings(
            settings.openvino_device,
            settings.runtime.device_index if settings.openvino_device == 'GPU' else 0,
            settings.openvino_precision, settings.threads)
        exact = wanted._replace(precision='fp32')
        return [wanted] if wanted == exact else [wanted, exact]

    def _stored(self, model: OptimizedModel, settings: ov_backend.DeviceSettings,
                reference: Any) -> Optional[StoredValidation]:
        if self._cache is None:
            return None
        threads = settings.threads or default_threads()
        return self._cache.validation(model.path, [
            ov_backend.runtime_version(), list(settings), threads, reference])

    def _tell(self, what: str, reason: str) -> None:
        text = f'{what} is not used: {reason}'
        if self._is_named:
            self._results.warn(what, text)
        else:
            # Nothing is lacking: what serves is the faster one, or the only right one.
            self._results.record(what, text)
            _LOGGER.info('%s', text)


class _Lazily:
    """A network that is opened when it is needed, and closed unless it is handed out."""

    def __init__(self, opening: Callable[[], OpenNetwork]) -> None:
        self._opening = opening
        self._network: Optional[OpenNetwork] = None

    def get(self) -> OpenNetwork:
        if self._network is None:
            self._network = self._opening()
        return self._network

    def close(self) -> None:
        if self._network is not None:
            self._network.backend.close()
            self._network = None


def _known_validation(stored: Optional[StoredValidation]) -> Optional[base_validation.Validation]:
    if stored is None or stored.outcome is None:
        return None
    try:
        return base_validation.validation_from_json(dict(stored.outcome))
    except (TypeError, ValueError) as error:
        _LOGGER.warning('Outcome of a validation is not used, it is tried again: %s', error)
        return None
