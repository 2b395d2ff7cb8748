#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# Installs flamingo_jax and t5x into .venv on a TPU VM; can be run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# The images of TPU VMs are Ubuntu 22.04, whose Python is 3.10.
if ! find_python > /dev/null 2>&1; then
  sudo add-apt-repository -y ppa:deadsnakes/ppa
  sudo apt-get install -y -qq python3.11-venv
fi
install t5x,tpu

# On GitHub only. On the path and not installed: their setup files ask for
# nightly builds that overwrite seqio and tensorflow-datasets, and jestimator
# has none.
checkouts=${T5X_HOME:-$HOME/t5x-src}
path=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/t5x.pth
: > "$path"
while read -r repository commit; do
  checkout=$checkouts/$(basename "$repository")
  if [ ! -d "$checkout" ]; then
    git clone -q --filter=blob:none --no-checkout \
      "https://github.com/$repository" "$checkout"
  fi
  git -C "$checkout" checkout -q "$commit"
  echo "$checkout" >> "$path"
done <<'END'
google-research/t5x cc342d4
google/airio 69897df
google-research/jestimator 326824a
END
"$python" -m flamingo_jax.cli doctor
