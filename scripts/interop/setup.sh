#!/bin/bash
# Makes the environment in which exported files are judged: setup.sh [FOLDER], by default .build/interop.
# Running it again changes nothing while the list of packages is the same.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$(cd "$here/../.." && pwd)/.build/interop}
list=$here/requirements.txt
wanted=$(sha256sum "$list" | cut -d' ' -f1)

if [ -f "$folder/installed" ] && [ "$(cat "$folder/installed")" = "$wanted" ]; then
    echo "$folder is up to date"
    exit 0
fi
python=${PYTHON:-python3.11}
if ! command -v "$python" >/dev/null; then
    echo "error: $python is not installed; set PYTHON to a Python 3.11" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "error: $python is not Python 3.11, for which requirements.txt was tried; set PYTHON" >&2
    exit 1
fi
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
if ! "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$list"; then
    echo "error: the packages of scripts/interop/requirements.txt could not be fetched; without a network nothing is judged" >&2
    exit 1
fi
# PyPI's torch for Linux needs libraries of the devices' maker beside it; a build for processor cores does not.
if ! "$folder/bin/python" -c 'import torch' 2>/dev/null; then
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$(grep '^torch==' "$list")"
fi
echo "$wanted" > "$folder/installed"
echo "$folder is ready; MEGATRON_LM=FOLDER names a checkout of Megatron-LM, without which its flags are not judged"
