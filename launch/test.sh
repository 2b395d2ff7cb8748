#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# Installs into .venv and runs every test; arguments are passed to pytest:
#   ./launch/test.sh
#   ./launch/test.sh tests/decoding -k beam
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
install test
cd "$root"

# What was compiled is kept where our programs keep it, for the next run of this or
# another clone; where nothing can be kept, tests/conftest.py keeps it for this run.
if [ -z "${JAX_COMPILATION_CACHE_DIR:-}" ]; then
  unset JAX_COMPILATION_CACHE_DIR
  compiled=$("$python" -c 'import os
from flamingo_jax import compiled
compiled.keep()
print(os.environ.get("JAX_COMPILATION_CACHE_DIR", ""))')
  if [ -n "$compiled" ]; then
    export JAX_COMPILATION_CACHE_DIR=$compiled
    export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.1
  fi
fi

# Some hundred programs import the package: it is translated for the first only.
unset PYTHONDONTWRITEBYTECODE

# A worker holds JAX and TensorFlow, about 2 GB: no more workers than cores,
# and no more than eight.
workers=$("$python" -c 'import os; print(min(8, len(os.sched_getaffinity(0))
  if hasattr(os, "sched_getaffinity") else os.cpu_count()))')
# A file's tests stay together: what they share is compiled once. Files come in the
# order of tests/conftest.py, not by how many tests they have.
exec "$python" -m pytest -q -n "$workers" --dist loadfile --no-loadscope-reorder "$@"
