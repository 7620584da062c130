#!/usr/bin/env bash
# Make a folder in which ARM64 programs run on this x86-64: Debian's Python and libraries, the
# aarch64 wheels of requirements/arm64.txt, and a C compiler that makes code for ARM64.
#     tools/arm64/prepare.sh FOLDER
# About a minute and 400 MB, once. Where something cannot be had it says what and ends with 69.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1
release=bookworm
mirror=http://deb.debian.org/debian
python=python3.11

unavailable() { echo "ARM64 cannot be emulated here: $*" >&2; exit 69; }
missing() {
    local name
    for name in qemu-aarch64-static mmdebstrap aarch64-linux-gnu-gcc unshare; do
        command -v "$name" > /dev/null || echo "$name"
    done
}

[ "$(uname -m)" = x86_64 ] || unavailable "this machine is a $(uname -m), not an x86_64"
[ "$(id -u)" = 0 ] || unavailable "root is needed, for the namespaces of mmdebstrap"
if [ -n "$(missing)" ] && command -v apt-get > /dev/null; then
    echo "ARM64: installing qemu-user-static, mmdebstrap and the cross compiler with apt" >&2
    export DEBIAN_FRONTEND=noninteractive
    # What was not installed is told by the next line.
    timeout 120 apt-get -qq update > /dev/null 2>&1 &&
        timeout 300 apt-get -qq install --no-install-recommends -y qemu-user-static mmdebstrap \
            gcc-aarch64-linux-gnu libc6-dev-arm64-cross > /dev/null 2>&1 || true
fi
[ -z "$(missing)" ] || unavailable "missing: $(missing | tr '\n' ' ')"

# The root is for the release above; the file says what it was made of.
wanted=$(cat "$0" "$checkout/requirements/arm64.txt" | sha256sum)
if [ "$(cat "$folder/complete" 2> /dev/null)" != "$wanted" ]; then
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    touch "$folder/COLCON_IGNORE"
    # Unpacked and not configured: nothing of it needs to run, so this takes no emulation.
    unshare --mount mmdebstrap --quiet --mode=root --architectures=arm64 --variant=extract \
        --include="$python,libc6,libgcc-s1,libstdc++6,dash,coreutils,findutils" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' "$release" "$folder/root" "$mirror" \
        2> "$folder/mmdebstrap.log" || unavailable "$(tail -n 3 "$folder/mmdebstrap.log")"
    "${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check \
        --target "$folder/site" --only-binary=:all: --implementation cp \
        --python-version "${python#python}" --platform manylinux2014_aarch64 \
        --platform manylinux_2_17_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux_2_28_aarch64 -r "$checkout/requirements/arm64.txt" \
        2> "$folder/pip.log" || unavailable "$(tail -n 3 "$folder/pip.log")"
    # gcc under emulation takes minutes, so the host's cross compiler does its work.
    printf '#!/bin/sh\nexec /usr/bin/aarch64-linux-gnu-gcc "$@"\n' > "$folder/bin/cc"
    chmod 755 "$folder/bin/cc"
    # What an ARM64 kernel would show of two Cortex-A57; qemu shows the host's.
    mkdir -p "$folder/sys/devices/system/cpu"
    for name in possible present online; do echo 0-1 > "$folder/sys/devices/system/cpu/$name"; done
    for number in 0 1; do
        mkdir -p "$folder/sys/devices/system/cpu/cpu$number"
        printf '%s\n' "processor	: $number" 'BogoMIPS	: 125.00' \
            'Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid' \
            'CPU implementer	: 0x41' 'CPU architecture: 8' 'CPU variant	: 0x1' \
            'CPU part	: 0xd07' 'CPU revision	: 0' ''
    done > "$folder/cpuinfo"
    echo "$wanted" > "$folder/complete"
fi
"$checkout/tools/arm64/enter.sh" "$folder" "$folder/root/bin/true" ||
    unavailable 'user namespaces with a binfmt_misc of their own (Linux 6.7) are not permitted'
