#!/usr/bin/env bash
# Generate and install packages of messages that have no wheels into a virtual environment of those.
# Usage: build.sh VENV [PACKAGE ...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$1" && pwd)
shift
packages=("$@")
[ $# -gt 0 ] || packages=(vision_msgs tf2_msgs ffmpeg_image_transport_msgs)
export PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv"

# The wheels' CMake files name the include folders of the machine that built them.
python_include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
numpy_include=$("$venv/bin/python" -c 'import numpy; print(numpy.get_include())')
# grep finds none where that was done before.
{ grep -rlE '/opt/python/cp3[0-9]+-cp3[0-9]+' "$venv/share" --include='*.cmake' || true; } | xargs -r sed -E -i \
    -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/include/python3\.[0-9]+#$python_include#g" \
    -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/lib/python3\.[0-9]+/site-packages/numpy/_?core/include#$numpy_include#g"

for package in "${packages[@]}"; do
    build="$venv/build/$package"
    # -O0: these are a few structs, and half the time would go into optimising them.
    cmake -S "$here/$package" -B "$build" -G Ninja -DCMAKE_INSTALL_PREFIX="$venv" \
        -DCMAKE_PREFIX_PATH="$venv" -DPython3_EXECUTABLE="$venv/bin/python" \
        -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O0 -DCMAKE_C_FLAGS=-O0 \
        > "$venv/build-$package.log" 2>&1 &&
    ninja -C "$build" install >> "$venv/build-$package.log" 2>&1 || {
        tail -n 40 "$venv/build-$package.log" >&2
        echo "$package could not be generated; the log is $venv/build-$package.log" >&2
        exit 1
    }
    rm -rf "$build"
done
