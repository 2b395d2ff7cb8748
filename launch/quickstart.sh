#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# Installs into .venv, trains a tiny Flamingo on drawn shapes for some minutes,
# captions three pictures it has not seen and writes plots:
#   ./launch/quickstart.sh                      into runs/quickstart
#   ./launch/quickstart.sh DIR --steps=200      arguments go on to flamingo train
# A run that was stopped goes on where it was.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
install train
model_dir=${1:-$root/runs/quickstart}
case $model_dir in /*) ;; *) model_dir=$PWD/$model_dir ;; esac
cd "$root"

"$python" -m flamingo_jax.cli train --gin_file=configs/flamingo_tiny.gin \
  --model_dir="$model_dir" "${@:2}"
exec "$python" launch/quickstart.py "$model_dir"
