#!/bin/sh
# What the image holds, as a folder: `sh docker/steps.sh TARGET` makes an environment there with the package, the shipped
# networks and the extras serve and heic, in the locked versions. The Dockerfile runs it; it needs no Docker itself.
set -eu
target=${1:?usage: sh docker/steps.sh TARGET}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT

"$python" -m venv "$tools/env"
"$tools/env/bin/python" -m pip install --quiet --no-cache-dir "$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' "$root/requirements.lock")"

# The lock as constraints: only what the package depends on is installed. A copy of what the wheel is made of, so that
# nothing is written into the source.
mkdir "$tools/source"
cp -R "$root/pyproject.toml" "$root/README.md" "$root/LICENSE" "$root/src" "$tools/source/"
"$python" -m venv --without-pip "$target"
"$tools/env/bin/uv" pip install --quiet --no-cache --python "$target/bin/python" \
    --constraints "$root/requirements.lock" "aifashion[serve,heic] @ file://$tools/source"
"$target/bin/python" -m compileall -q "$target/lib" || true  # some packages have templates that are no Python

# What was made works, from another folder, and without TensorFlow.
cd /
AIFASHION_RUN_LOG='' AIFASHION_CACHE='' "$target/bin/python" - <<'CHECK'
import importlib.util
import sys
from pathlib import Path

import aifashion
from aifashion.web.networks import load_networks

assert Path(aifashion.__file__).is_relative_to(sys.prefix), aifashion.__file__
assert importlib.util.find_spec("tensorflow") is None, "TensorFlow is in the image"
print("networks:", load_networks().facts["networks"])
CHECK
"$target/bin/aifashion" --version
