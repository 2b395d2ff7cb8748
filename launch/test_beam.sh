#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# Installs Apache Beam into .venv-beam, as it can't live with the other tests'
# packages, and runs its tests; arguments are passed to pytest. `.ci/run` does not, as
# that takes more than 3 minutes: 4 min 31 s with the installation and 30 s without
# (2 CPU cores). Last run on 2026-11-29, with apache-beam 2.77.0: all passed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$root"

environment=$root/.venv-beam
python=$environment/bin/python
wanted="$root $(cksum < setup.py)"
if [ "$(cat "$environment/installed" 2>/dev/null)" != "$wanted" ]; then
  found=$(find_python)
  "$found" -m venv --clear "$environment"
  echo "Installing flamingo_jax[beam] into .venv-beam: a few minutes"
  "$python" -m pip install -qq --disable-pip-version-check \
    --editable "$root[beam]" pytest chex
  echo "$wanted" > "$environment/installed"
fi
"$python" -c 'import apache_beam'  # without it every test would be skipped
exec "$python" -m pytest -q tests/prepare/beam_test.py "$@"
