# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Hear whom a process wants to talk to."""

import contextlib
import socket
import threading


class Collector:
    """A proxy on this machine that writes down whom a process wanted to talk to."""

    def __init__(self):
        self.asked_for = []
        self._socket = socket.socket()
        self._socket.bind(('127.0.0.1', 0))
        self._socket.listen(16)
        self.address = f'http://127.0.0.1:{self._socket.getsockname()[1]}'
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with contextlib.closing(connection):
                connection.settimeout(5.0)
                with contextlib.suppress(OSError):
                    self.asked_for.append(connection.recv(200).split(b'\r\n')[0])

    def close(self):
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5.0)


SILENCING = ('CI', 'TF_BUILD', 'GITHUB_ACTIONS', 'GITLAB_CI', 'CIRCLECI', 'TRAVIS', 'JENKINS_URL',
             'CODEBUILD_BUILD_ID', 'BUILDKITE', 'TEAMCITY_VERSION', 'APPVEYOR',
             'BITBUCKET_BUILD_NUMBER')
"""Variables of build services, at which onnxruntime is silent by itself; no robot has them."""
