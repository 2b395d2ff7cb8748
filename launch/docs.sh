#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# Installs into .venv and builds the website of mkdocs.yml in site/; a broken link
# is an error. Further arguments are for mkdocs:
#   ./launch/docs.sh
#   ./launch/docs.sh serve     at http://127.0.0.1:8000, rebuilds after each change
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
install docs
cd "$root"
# Material's makers advertise another program here.
export NO_MKDOCS_2_WARNING=1
if [ $# = 0 ]; then
  set -- build
fi
exec "$python" -m mkdocs "$@"
