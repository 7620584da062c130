# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A thread that waits for work and ends when it is told to."""

import abc
import threading


class StoppableThread(abc.ABC):
    """
    Run :meth:`_run`, which waits for ``_changed`` and returns where ``_stopping`` is true.

    :param name: of the thread
    """

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._stopping = False
        # Daemon: a hang in a runtime or a library must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; wait for nothing."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread has not ended."""
        return self._thread.is_alive()

    def stop(self, timeout: float) -> bool:
        """
        Let what is in work finish and join the thread.

        :param timeout: seconds to wait
        :return: whether the thread has ended
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @abc.abstractmethod
    def _run(self) -> None:
        """Work until ``_stopping`` is true."""
