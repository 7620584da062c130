#!/usr/bin/env bash
# Make a Debian in a folder, once: its Python, numpy, OpenCV, Pillow and PyYAML come by apt.
# usage: debian_root.sh SUITE FOLDER
# forky stands for Ubuntu 26.04 (CPython 3.14), bookworm for the older ones. Needs root.
# Exits 2 with the reason where that cannot be had on this machine.
set -euo pipefail
suite=$1 folder=$2
packages=ca-certificates,python3-numpy,python3-opencv,python3-pil,python3-yaml,python3-venv
# make test-core runs there, and the first page of the README, for which messages are compiled.
[ "$suite" != forky ] ||
    packages+=,python3-pytest,python3-hypothesis,python3-scipy,python3-tqdm,python3-jinja2,python3-dev,g++,libc6-dev,git,strace
cannot() { echo "a Debian of its own cannot be had here: $*" >&2; exit 2; }

[ "$(id -u)" = 0 ] || cannot "that needs root"
for tool in mmdebstrap unshare chroot; do
    command -v "$tool" > /dev/null || cannot "$tool is not installed"
done
unshare --mount true 2> /dev/null || cannot "mounting is not permitted"

# Two lanes of tests may want it at the same time.
exec 9< "$(dirname "$folder")"
flock 9
if [ "$(cat "$folder/complete" 2> /dev/null)" != "$packages" ]; then
    rm -rf "$folder"
    echo "making a Debian ($suite) in $folder"
    # A frozen mirror's index has expired, which apt then does not mind; the signature still counts.
    # In a mount namespace of its own, so that nothing stays mounted below the folder.
    unshare --mount mmdebstrap --mode=root --variant=minbase --quiet \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --include="$packages" \
        "$suite" "$folder" http://deb.debian.org/debian > "$folder.log" 2>&1 || {
        said=$(tail -n 3 "$folder.log")
        rm -rf "$folder" "$folder.log"
        cannot "$said"
    }
    rm -f "$folder.log"
    touch "$folder/COLCON_IGNORE"
    echo "$packages" > "$folder/complete"
fi
# The way to the internet that this machine has.
for path in etc/resolv.conf etc/hosts etc/ssl/certs/ca-certificates.crt etc/pip.conf; do
    [ ! -e "/$path" ] || cp --remove-destination -L "/$path" "$folder/$path"
done
