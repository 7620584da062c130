#!/usr/bin/env bash
# Make a virtual environment with what requirements files pin, or leave one that has just that.
# usage: make_venv.sh FOLDER PYTHON REQUIREMENTS.txt ...
# Ends with pip's status where pip cannot install them. What is installed is kept beside it.
set -euo pipefail
folder=$1
python=$2
shift 2
if cat "$@" | cmp -s - "$folder/.installed"; then
    exit 0
fi
echo "building $folder with $("$python" --version)"
"$python" -m venv --clear "$folder"
touch "$folder/COLCON_IGNORE"
pip=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check)
# The pip that comes with CPython 3.6 knows no wheels of manylinux2014.
"${pip[@]}" --upgrade 'pip>=21.3.1,<26'
"${pip[@]}" $(printf -- '-r %s ' "$@")
cat "$@" > "$folder/.installed"
