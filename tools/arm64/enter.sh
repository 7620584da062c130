#!/usr/bin/env bash
# Run a command in which ARM64 programs are at home; their children are, too.
#     tools/arm64/enter.sh FOLDER COMMAND [ARGUMENT...]
# FOLDER was made by prepare.sh. Whatever is mounted and registered ends with the command.
set -euo pipefail
if [ -z "${ARM64_INSIDE:-}" ]; then
    exec env ARM64_INSIDE=1 unshare --user --map-root-user --mount "$0" "$@"
fi
unset ARM64_INSIDE
folder=$(cd "$1" && pwd)
shift
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
# An ELF file of 64 bits, executable or shared, for machine 183. F: the emulator is opened now.
magic='\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):FP" \
    > /proc/sys/fs/binfmt_misc/register
# onnxruntime looks for the processor there, and the host's is another one.
mount --bind "$folder/sys" /sys
mount --bind "$folder/cpuinfo" /proc/cpuinfo
# The default processor, with vectors of any length, is five times slower in onnxruntime.
export QEMU_LD_PREFIX="$folder/root" QEMU_CPU=cortex-a57
export PATH="$folder/bin:/usr/local/bin:/usr/bin:/bin" PYTHONPATH="$folder/site"
# The wheels' own OpenBLAS knows this processor, whatever the host was told.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE VIRTUAL_ENV
exec "$@"
