#!/usr/bin/env bash
# Put onnxruntime and onnx into a virtual environment of their own, beside the apt packages.
# The environment sees the system's packages (numpy, OpenCV, ROS); those stay as they are.
# The executables of segformer_ros find it by themselves. Nothing else uses it.
set -euo pipefail

usage() {
    cat << 'TEXT'
usage: install_runtime [--undo] [--system] [--python PATH]

Put onnxruntime and onnx into a virtual environment that sees the apt packages.
Run it again at any time: it does nothing where all is well, and mends what is not.

  --undo         remove the environment
  --system       for every user, in /opt/segformer_ros/runtime (what root does anyway);
                 else it is ~/.local/share/segformer_ros/runtime
  --python PATH  interpreter of ROS (default: /usr/bin/python3)

SEGFORMER_ROS_RUNTIME names another folder; the executables read it too.
pip's own settings hold: PIP_INDEX_URL, PIP_FIND_LINKS and so on, for robots without internet.
Those that say where to install (PIP_TARGET, PIP_PREFIX, PIP_ROOT, PIP_USER) do not.
TEXT
}

say() { echo "install_runtime: $*"; }
fail() { echo "install_runtime: $1" >&2; shift; for line in "$@"; do echo "  $line" >&2; done; exit 1; }

undo=no system=no python=/usr/bin/python3
while [ $# -gt 0 ]; do
    case $1 in
        --undo) undo=yes ;;
        --system) system=yes ;;
        --python) [ $# -ge 2 ] || { usage >&2; exit 64; }; python=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done

if [ -n "${SEGFORMER_ROS_RUNTIME:-}" ]; then
    folder=$SEGFORMER_ROS_RUNTIME
elif [ $system = yes ] || [ "$(id -u)" = 0 ]; then
    folder=/opt/segformer_ros/runtime
elif [ -n "${XDG_DATA_HOME:-}" ]; then
    folder=$XDG_DATA_HOME/segformer_ros/runtime
else
    # As Python does where HOME is not set, in the executables.
    home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)} || true
    [ -n "$home" ] || fail "HOME is not set, and user $(id -u) has no home folder." \
        "Name a folder with SEGFORMER_ROS_RUNTIME."
    folder=$home/.local/share/segformer_ros/runtime
fi
# Absolute, without a slash at the end: names beside it are made from it.
folder=$(realpath -m -- "$folder")
parent=$(dirname "$folder")
# What was installed, and by which Python: tells a folder of ours from any other.
record=$folder/segformer_ros_runtime.txt

# One at a time: the lock is the folder above, and ends with this process.
if [ $undo = no ]; then
    mkdir -p "$parent" 2> /dev/null && [ -w "$parent" ] ||
        fail "$parent cannot be written." "Use sudo, or leave --system away."
fi
if [ -d "$parent" ] && command -v flock > /dev/null; then
    exec 9< "$parent"
    taken=0
    flock --nonblock --conflict-exit-code 75 9 2> /dev/null || taken=$?
    if [ $taken = 75 ]; then
        say "waiting for another install_runtime that works in $parent"
        flock 9
        taken=0
    fi
    # Any other status: a file system without locks.
fi

if [ -e "$folder" ] && [ ! -e "$record" ]; then
    fail "$folder is there and was not made by this command; it is left as it is." \
        "Move it away, or name another folder with SEGFORMER_ROS_RUNTIME."
fi
if [ $undo = yes ]; then
    if [ -e "$folder" ]; then
        rm -rf "$folder"
        say "removed $folder; nothing else had been changed"
    else
        say "nothing to undo: there is no $folder"
    fi
    exit 0
fi

# What is in it would be run, and the executables pass such a folder over.
if [ -e "$folder" ]; then
    owner=$(stat --format=%u -- "$folder")
    [ "$owner" = 0 ] || [ "$owner" = "$(id -u)" ] ||
        fail "$folder belongs to user $owner, neither root nor user $(id -u)." \
            "Remove it with --undo, or name another folder with SEGFORMER_ROS_RUNTIME."
fi

# --- what is there ----------------------------------------------------------------------

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') ||
    fail "$python does not run." "Name the interpreter that ROS uses: --python PATH"

# Complete lists, each tested with the numpy of its distribution. They are installed without
# dependencies, so that pip has no reason to bring a numpy. On Ubuntu 22.04 that needs a word:
# onnxruntime asks for numpy 1.21.6 there, which differs from 1.21.5 by a revert and a wheel.
# Its coloredlogs and sympy are for tools that the node does not use.
case $version in
    3.10) pins="onnxruntime==1.23.2 onnx==1.17.0 protobuf==5.29.5 flatbuffers==25.9.23
                packaging==25.0" ;;
    3.11 | 3.12 | 3.13 | 3.14)
        pins="onnxruntime==1.32.0 onnx==1.23.2 protobuf==6.33.5 flatbuffers==25.9.23
              packaging==25.0 ml_dtypes==0.5.4 typing_extensions==4.15.0" ;;
    *) fail "no tested set of packages for Python $version ($python)." \
        "docs/jetson.md says what to do for JetPack 4 and 5." ;;
esac
pins=$(echo $pins)

# Prints each package with version and place, at last the one that cannot be imported.
look='
import importlib
import sys
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        print("{} cannot be imported: {!r}".format(name, error))
        sys.exit(1)
    print(name, module.__version__, module.__file__)
'
apt_names="numpy cv2 PIL yaml"
# The last line that Python printed, or the status where it ended without a reason.
reason() {
    local last=${1##*$'\n'}
    if [ "$3" != 1 ] || [ -z "$last" ]; then last="$2 ended with status $3 while $4"; fi
    echo "$last"
}
status=0
before=$("$python" -c "$look" $apt_names 2> /dev/null) || status=$?
[ $status = 0 ] ||
    fail "before anything was done: $(reason "$before" "$python" $status "it imported $apt_names")" \
        "Missing: sudo apt install python3-numpy python3-opencv python3-pil python3-yaml" \
        "A numpy that pip put before that of apt: $python -m pip uninstall numpy"

# --- what is wanted ---------------------------------------------------------------------

# Imports everything, and has onnxruntime compute with the system's numpy.
check='
import cv2
import numpy
import onnx
from onnx import helper
import onnxruntime

kind = onnx.TensorProto.FLOAT
graph = helper.make_graph(
    [helper.make_node("Add", ["x", "x"], ["y"])], "twice",
    [helper.make_tensor_value_info("x", kind, [2])],
    [helper.make_tensor_value_info("y", kind, [2])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"])
result = session.run(None, {"x": numpy.array([1, 2], numpy.float32)})[0]
assert result.tolist() == [2, 4], result
assert cv2.resize(numpy.zeros((4, 4), numpy.uint8), (2, 2)).shape == (2, 2)
'
# Scripts name their interpreter, and activate the folder, by an absolute path.
rename_in() {
    local file text
    for file in "$1"/bin/* "$1/pyvenv.cfg"; do
        if [ -f "$file" ] && [ ! -L "$file" ] && grep -qIF -- "$2" "$file"; then
            text=$(cat "$file")
            printf '%s\n' "${text//"$2"/"$3"}" > "$file"
        fi
    done
}
works_in() {
    local said status=0
    said=$("$1/bin/python3" -c "$look" $apt_names 2> /dev/null) || status=$?
    if [ $status != 0 ]; then
        problem=$(reason "$said" "$1/bin/python3" $status "it imported $apt_names"); return 1
    fi
    [ "$said" = "$before" ] || { problem="other packages are found than before: $said"; return 1; }
    said=$("$1/bin/python3" -c "$check" 2>&1) || status=$?
    if [ $status != 0 ]; then
        problem=$(reason "$said" "$1/bin/python3" $status "it computed with onnxruntime"); return 1
    fi
}
report() {
    "$1/bin/python3" -c "$look" onnxruntime onnx | while read -r name number _; do
        say "$name $number is in $folder"
    done
    echo "$before" | while read -r name number place; do
        say "$name $number stays as it was: $place"
    done
}
wanted="$python $version $pins"
if [ -e "$record" ] && [ "$(cat "$record")" = "$wanted" ]; then
    # Earlier versions moved it without telling its scripts.
    if grep -qsF -- "$folder.new" "$folder/bin/activate"; then
        rename_in "$folder" "$folder.new" "$folder"
        say "the scripts in $folder name their place now"
    fi
    if works_in "$folder"; then
        say "nothing to do"
        report "$folder"
        exit 0
    fi
    say "$folder does not work any more ($problem) and is made anew"
elif [ -e "$record" ]; then
    say "$folder was made for other versions and is made anew"
fi

# Made beside the old one and swapped at the end: a failure on the way changes nothing.
# The folder has the name that it will have, in one of our own that mktemp names.
# What one left that was killed; no other works here, since the lock is ours.
if [ "${taken:-1}" = 0 ]; then
    find "$parent" -maxdepth 1 -name '.install_runtime.????????' -user "$(id -u)" \
        -exec rm -rf -- {} +
fi
work=$(mktemp -d "$parent/.install_runtime.XXXXXXXX")
trap 'rm -rf "$work"' EXIT
new=$work/$(basename "$folder")
# pip comes from the system where it is there, else from python3-venv.
if "$python" -m pip --version > /dev/null 2>&1; then without=--without-pip; else without=; fi
"$python" -m venv --system-site-packages $without "$new" > "$work/log" 2>&1 || {
    tail -n 3 "$work/log" >&2
    fail "no virtual environment could be made." "sudo apt install python3-venv"; }
touch "$new/COLCON_IGNORE"

# Where pip installs is not to be chosen here; from where is.
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIREMENT PIP_EDITABLE PIP_CONSTRAINT PIP_DRY_RUN \
    PIP_PYTHON PIP_PLATFORM PIP_PYTHON_VERSION PIP_IMPLEMENTATION PIP_ABI PIP_NO_BINARY \
    PIP_REQUIRE_HASHES
elsewhere=$("$new/bin/python3" -m pip config list 2> /dev/null |
    grep -E '^(global|install)\.(target|prefix|root)=') || true
[ -z "$elsewhere" ] || fail "pip's configuration file sends packages elsewhere: $elsewhere" \
    "Take the line out, or set PIP_CONFIG_FILE=/dev/null for this command."
say "installing into $folder: $pins"
PIP_USER=0 "$new/bin/python3" -m pip install --quiet --disable-pip-version-check \
    --no-deps --ignore-installed --only-binary :all: $pins ||
    fail "pip failed; nothing was changed."
works_in "$new" || fail "the new environment does not work; nothing was changed." "$problem"
echo "$wanted" > "$new/segformer_ros_runtime.txt"
rename_in "$new" "$new" "$folder"
rm -rf "$folder"
mv -T "$new" "$folder"
report "$folder"
say "undo with --undo"
