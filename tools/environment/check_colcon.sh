#!/usr/bin/env bash
# Build and test the package with colcon, plain and with --symlink-install, as a robot would.
# Runs in a folder of its own; needs colcon, ROS and the test tools on PATH.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
# A copy of what git tracks: a robot's workspace has no virtual environments in it.
git -C "$checkout" ls-files -z --cached --others --exclude-standard |
    (cd "$checkout" && xargs -0 cp -P --parents -t "$work/src" 2> /dev/null || true)
cd "$work"

for mode in "" --symlink-install; do
    rm -rf build install log
    echo "colcon build $mode"
    colcon --log-level error build $mode --event-handlers console_direct- 2> build.err ||
        { cat build.err >&2; exit 1; }
    (
        set +u; source install/setup.bash; set -u
        cd /
        python - "$work" <<'PYTHON'
import os
import subprocess
import sys

from ament_index_python.packages import get_package_prefix
from ament_index_python.packages import get_package_share_directory

work = os.path.realpath(sys.argv[1])
prefix = os.path.realpath(get_package_prefix('segformer_ros'))
assert prefix.startswith(work), 'found elsewhere: ' + prefix
share = get_package_share_directory('segformer_ros')
for path in ('launch/segformer.launch.py', 'config/segformer.yaml', 'config/classes/ade20k.yaml'):
    assert os.path.isfile(os.path.join(share, path)), path

import segformer_ros
from segformer_ros.common import resources

assert os.path.realpath(segformer_ros.__file__).startswith(work), segformer_ros.__file__
found = os.path.realpath(resources.find('config/classes/ade20k.yaml'))
assert found.startswith(work), found

# What ros2 run and ros2 launch start: each command, and the installation of onnxruntime.
from segformer_ros.cli.main import COMMANDS

folder = os.path.join(prefix, 'lib', 'segformer_ros')
for name in list(COMMANDS) + ['install_runtime']:
    assert os.access(os.path.join(folder, name), os.X_OK), name
assert not os.path.exists(os.path.join(prefix, 'bin')), 'commands on PATH'


def run(name, *arguments, **variables):
    return subprocess.run([os.path.join(folder, name)] + list(arguments), check=True,
                          env=dict(os.environ, **variables), stdout=subprocess.PIPE,
                          universal_newlines=True).stdout


assert run('inspect_model', '--help').startswith('usage: inspect_model')
assert '--undo' in run('install_runtime', '--help')
# They go on in the environment that install_runtime makes: here a stand-in that tells it.
runtime = os.path.join(work, 'runtime')
os.makedirs(os.path.join(runtime, 'bin'), exist_ok=True)
open(os.path.join(runtime, 'pyvenv.cfg'), 'w').close()
python = os.path.join(runtime, 'bin', 'python3')
with open(python, 'w') as stream:
    stream.write('#!/bin/sh\necho runtime "$@"\n')
os.chmod(python, 0o755)
said = run('segformer', '--ros-args', SEGFORMER_ROS_RUNTIME=runtime)
assert said == 'runtime {} --ros-args\n'.format(os.path.join(folder, 'segformer')), said
print('found through the ament index:', os.path.relpath(prefix, work))
PYTHON
    )
done

echo "colcon test"
colcon --log-level error test --event-handlers console_direct- --return-code-on-test-failure ||
    { colcon test-result --verbose --all; exit 1; }
colcon test-result --verbose --all
# As a whole: colcon fails where grep has seen enough and goes.
results=$(colcon test-result --all)
grep -qE '[1-9][0-9]* tests?, 0 errors, 0 failures' <<< "$results" ||
    { echo "colcon test ran no test" >&2; exit 1; }
