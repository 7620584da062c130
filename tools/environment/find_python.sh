#!/usr/bin/env bash
# Print the path of an interpreter of the given version (3.6), or nothing.
# Looks on PATH first, then among pyenv's versions.
set -u
version=$1
runs() { [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; }
for candidate in $(type -ap "python$version") $(type -ap python3) \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
    if runs "$candidate"; then
        echo "$candidate"
        exit 0
    fi
done
