# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A worker that does what its request says."""

import os
import signal
import sys
import time

from segformer_ros.common import child_process


def answer(request, send):
    """Print, send and end as asked."""
    print('a library prints to stdout')
    sys.stderr.write(request.get('words', '') + '\n')
    for number in range(request.get('messages', 0)):
        send(number=number, niceness=os.nice(0))
    time.sleep(request.get('seconds', 0.0))
    if request.get('dies'):
        os.kill(os.getpid(), signal.SIGKILL)
    return request.get('status', 0)


if __name__ == '__main__':
    sys.exit(child_process.serve(answer, in_background=not os.environ.get('ECHO_IN_FRONT')))
