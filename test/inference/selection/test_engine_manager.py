# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""An engine on its way: nothing waits for it, and nothing that was opened is left open."""

import threading
import time
import types

import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.inference.selection import engine_manager
from segformer_ros.inference.selection.engine_manager import BackgroundLoad
from segformer_ros.inference.selection.engine_manager import EngineManager
from segformer_ros.inference.selection.status import CheckResults
from segformer_ros.inference.selection.status import SelectionSettings

TIMEOUT = 30.0
RECORD = types.SimpleNamespace(key={'precision': 'fp32'})


class Engine:
    """Loads when it is let, and knows whether it was closed."""

    def __init__(self, error=None):
        self.may_load = threading.Event()
        self.loaded_in = None
        self.is_open = False
        self._error = error

    def load(self, record):
        """Wait, then open or fail."""
        assert record is RECORD
        assert self.may_load.wait(TIMEOUT)
        if self._error is not None:
            raise self._error
        self.loaded_in, self.is_open = threading.current_thread(), True
        return self

    def close(self):
        """Close it."""
        self.is_open = False


def poll_until_it_ends(opening):
    """Return what poll returns in the end."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        found = opening.poll()
        if found is not None:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_nothing_comes_before_the_engine_is_open_and_then_it_is_the_caller_s():
    engine = Engine()
    opening = BackgroundLoad(RECORD, engine.load)
    assert opening.poll() is None
    assert opening.progress.stage == 'loading'
    assert opening.progress.precision == opening.precision == 'fp32'
    engine.may_load.set()
    assert poll_until_it_ends(opening) is engine
    assert engine.loaded_in is not threading.current_thread()
    assert opening.close(TIMEOUT)
    assert engine.is_open


def test_fault_of_loading_comes_out_of_poll():
    engine = Engine(BackendError('No execution context'))
    engine.may_load.set()
    with pytest.raises(BackendError, match='No execution context'):
        poll_until_it_ends(BackgroundLoad(RECORD, engine.load))


def test_engine_that_nobody_took_is_closed():
    engine = Engine()
    opening = BackgroundLoad(RECORD, engine.load)
    engine.may_load.set()
    assert opening.close(TIMEOUT)
    assert engine.loaded_in is not None and not engine.is_open


def test_loading_that_hangs_is_left_behind():
    engine = Engine()
    opening = BackgroundLoad(RECORD, engine.load)
    try:
        assert not opening.close(0.01)
        assert opening.elapsed > 0.0
    finally:
        engine.may_load.set()
    # Nor does the end of the process wait for it.
    assert opening.close(TIMEOUT)
    assert engine.loaded_in.daemon


def test_loading_that_takes_longer_than_two_minutes_is_told_and_waited_for(monkeypatch):
    engine, results, now = Engine(), CheckResults(), [1000.0]
    graphs = types.SimpleNamespace(original=types.SimpleNamespace(spec=None))
    manager = EngineManager(SelectionSettings(), graphs, list, None, results)
    monkeypatch.setattr(engine_manager.time, 'monotonic', lambda: now[0])
    manager._background_load = BackgroundLoad(RECORD, engine.load)
    try:
        for after, is_told in ((119.9, False), (120.1, True), (500.0, True)):
            now[0] = 1000.0 + after
            assert manager.poll() is None
            assert ('fp32' in str(results) and 'not ended within 120 s' in str(results)) == is_told
            assert results.has_warnings == is_told
            assert manager.progress.stage == 'loading'
    finally:
        engine.may_load.set()
        manager.close()
    assert not engine.is_open
