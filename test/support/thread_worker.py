# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The builder's work in a thread, for tests that need its results and not its process.

Starting a process for each of a hundred engines takes minutes of a small machine. The process
itself is tested in test_worker.py and in the tests marked ``real_process``.
"""

import io
import json
import threading

from segformer_ros.common.child_process import Sender
from segformer_ros.inference.trt import worker


class ThreadWorker:
    """Has the methods of EngineProcess."""

    pid = None

    def __init__(self, operation, request):
        self._stream = io.StringIO()
        self.progress = worker.WorkerProgress('starting', 0, 0, 0.0)
        # Through JSON, as to a process.
        values = json.loads(json.dumps(dict(request, operation=operation)))
        self._thread = threading.Thread(target=worker.serve, args=(
            values, worker.Reporter(Sender(self._stream))))
        self._thread.start()
        self._polled = False

    def poll(self):
        """Return the outcome once the thread has ended; never the first time."""
        # A process takes its time to start, so a job is always seen at work; a thread may not.
        ended = self._polled and not self._thread.is_alive()
        self._polled = True
        final = None
        for line in self._stream.getvalue().splitlines(True):
            if line.endswith('\n'):
                event = json.loads(line)
                if event.pop('event') == 'progress':
                    self.progress = worker.WorkerProgress(**event)
                else:
                    final = event
        if not ended:
            return None
        if 'text' in final:
            return worker.WorkerOutcome(None, final['kind'], final['text'], self.progress.phase)
        return worker.WorkerOutcome(final, '', '', self.progress.phase)

    def close(self):
        """Wait for the thread; it cannot be ended."""
        self._thread.join()
