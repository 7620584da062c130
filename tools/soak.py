#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run the node for many minutes under random disturbances; write a report and a plot."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    """Return 0 for a run without a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=60.0)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--without-capture', action='store_true',
                        help='keep no frames; by default they are kept in every other minute, and '
                        'the latencies of both are told')
    parser.add_argument('--output', default='soak_output', help='folder of soak.json, soak.png')
    options = parser.parse_args()
    sys.path.insert(0, os.path.join(ROOT, 'test'))
    sys.path.insert(0, ROOT)
    from support import soak
    from support import soak_plot
    from support.ros_fixtures import use_own_transport
    use_own_transport()
    os.makedirs(options.output, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        report = soak.Soak(folder, options.minutes, options.seed,
                           not options.without_capture).run()
    report['wrong'] = soak.faults_of(report)
    report['date'] = time.strftime('%Y-%m-%d', time.gmtime())
    report['commit'] = commit()
    report['machine'] = (f'{os.cpu_count()} cores of {platform.machine()}, '
                         f'Python {platform.python_version()}')
    with open(os.path.join(options.output, 'soak.json'), 'w', encoding='utf-8') as stream:
        json.dump(report, stream, indent=1)
        stream.write('\n')
    soak_plot.write(report, os.path.join(options.output, 'soak.png'))
    print(json.dumps({key: report[key] for key in (
        'cameras', 'memory', 'capture', 'latency_ms', 'longest_silence_s', 'wrong')}, indent=1))
    return 1 if report['wrong'] else 0


def commit():
    """Return the commit of the checkout, as far as there is one."""
    done = subprocess.run(['git', 'describe', '--always', '--dirty'], cwd=ROOT, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().strip() or 'unknown'


if __name__ == '__main__':
    raise SystemExit(main())
