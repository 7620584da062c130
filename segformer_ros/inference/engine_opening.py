# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Open an engine while another backend serves.

TensorRT takes a second and more to load a plan, and lets go of the GIL meanwhile. The thread
pushes the GPU's primary context as long as it works and pops it at its end; the inference thread
pushes the same context for its runs. An engine is used by one thread at a time, whichever.
"""

import threading
import time
from typing import Callable
from typing import Optional

from segformer_ros.inference.backend import Backend
from segformer_ros.inference.engine_builder import JobProgress
from segformer_ros.inference.engine_record import EngineRecord


class EngineOpening:
    """
    An engine on its way.

    :param record: of the engine
    :param load: returns it, open
    """

    def __init__(self, record: EngineRecord, load: Callable[[EngineRecord], Backend]) -> None:
        self.record = record
        self._load = load
        self._began = time.monotonic()
        self._backend: Optional[Backend] = None
        self._error: Optional[BaseException] = None
        # Daemon: a runtime that hangs for ever must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='engine opening', daemon=True)
        self._thread.start()

    @property
    def precision(self) -> str:
        """Return what was built."""
        return str(self.record.key['precision'])

    @property
    def progress(self) -> JobProgress:
        """Return where it is."""
        return JobProgress(self.precision, 'loading', 'while another backend serves',
                           self.elapsed, 0, 0)

    @property
    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._began

    def poll(self) -> Optional[Backend]:
        """
        Return the engine once it is open, None before; from then on it is the caller's.

        :raises BaseException: what ``load`` raised
        """
        if self._thread.is_alive():
            return None
        if self._error is not None:
            raise self._error
        backend, self._backend = self._backend, None
        return backend

    def close(self, timeout: float) -> bool:
        """
        Wait for the end and close what was opened.

        :param timeout: seconds
        :return: whether it ended; else the thread is left behind
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()
        return True

    def _run(self) -> None:
        try:
            self._backend = self._load(self.record)
        except BaseException as error:  # poll() raises it
            self._error = error
