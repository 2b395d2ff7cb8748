#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# Installs into .venv, trains a tiny Flamingo between the shipped, frozen towers,
# scores how it learns from shots, and writes DIR/report/index.html:
#   ./launch/quickstart.sh                      into runs/quickstart, 400 steps
#   ./launch/quickstart.sh DIR --steps=1500     further flags are for flamingo train
#   ./launch/quickstart.sh DIR --full           everything from scratch, about three hours
# If stopped, the same command resumes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
install train
model_dir=$root/runs/quickstart
full=
more=()
for argument in "$@"; do
  case $argument in
    --full) full=yes ;;
    -*) more+=("$argument") ;;
    *) model_dir=$argument ;;
  esac
done
case $model_dir in /*) ;; *) model_dir=$PWD/$model_dir ;; esac
cd "$root"

# Larger pages of memory: a step of these small models takes a fifth less.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
flamingo() { "$python" -m flamingo_jax.cli "$@"; }

steps=(--steps=400)
if [ "$full" ]; then  # as docs/model_card.md says
  value=$model_dir/lm_value lm=$model_dir/lm vision=$model_dir/vision steps=()
  flamingo train --gin_file=configs/lm_tiny_value.gin --model_dir="$value"
  flamingo train --gin_file=configs/lm_tiny.gin --model_dir="$lm/first" \
    "--gin.INITIAL_WEIGHTS='$value'"
  flamingo train --gin_file=configs/lm_tiny.gin --model_dir="$lm" --steps=4000 \
    --gin.LEARNING_RATE=1e-3 "--gin.INITIAL_WEIGHTS='$lm/first'"
  flamingo train --gin_file=configs/contrastive_tiny.gin --model_dir="$vision"
  more+=("--gin.LANGUAGE_MODEL='$lm'" "--gin.VISION_ENCODER='$vision'")
fi
flamingo train --gin_file=configs/flamingo_tiny.gin \
  --gin_file=configs/runs/falling_rate.gin --model_dir="$model_dir" \
  ${steps[@]+"${steps[@]}"} ${more[@]+"${more[@]}"}
flamingo eval --gin_file=configs/eval_shapes.gin --model_dir="$model_dir" \
  --out="$model_dir/eval" --gin.NUM_EXAMPLES=240
exec "$python" launch/quickstart.py "$model_dir"
