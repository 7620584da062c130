#!/usr/bin/env bash
# Run a command in a Debian that debian_root.sh made, with the checkout at /checkout.
# Its mounts live no longer than it does.
# usage: in_root.sh FOLDER [NAME=VALUE ...] COMMAND ...
set -euo pipefail
folder=$(realpath "$1")
shift
checkout=$(realpath "$(dirname "$0")/../..")
variables=(HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1)
# How pip reaches its index, on machines where that is told so.
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_DEFAULT_TIMEOUT CI; do
    [ -z "${!name:-}" ] || variables+=("$name=${!name}")
done
# The shared test material lies beside the checkout, where there is any.
shared=$(realpath "$checkout/../shared")
[ -d "$shared" ] || shared=$folder/checkout
# What pip has downloaded, here or there.
cache=${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pip}
mkdir -p "$folder/checkout" "$folder/shared" "$cache" "$folder/root/.cache/pip"
exec unshare --mount sh -c '
    folder=$1 checkout=$2 shared=$3 cache=$4 && shift 4 &&
    mount --rbind /proc "$folder/proc" && mount --rbind /dev "$folder/dev" &&
    mount --bind "$checkout" "$folder/checkout" && mount --bind "$shared" "$folder/shared" &&
    mount --bind "$cache" "$folder/root/.cache/pip" &&
    exec env --ignore-environment /usr/sbin/chroot "$folder" /usr/bin/env --chdir=/checkout "$@"
' sh "$folder" "$checkout" "$shared" "$cache" "${variables[@]}" "$@"
