# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it: `install train` or `install test` leaves the
# repository's own virtual environment in .venv and its Python in $python.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
environment=$root/.venv
lock=$root/.venv.lock

# Prints the first Python that can run the pinned versions (TensorFlow has no
# wheels for 3.14) and can make an environment (Debian splits ensurepip off).
# Runs each one: a version manager's shim may exist without its Python. The
# system's own comes first: it was built with a profile of what Python does, which
# version managers leave out unless told, and takes a tenth less time for our tests.
find_python() {
  local name found
  for name in python3.11 python3.12 python3.13 python3; do
    for found in "/usr/bin/$name" "$name"; do
      if "$found" -c 'import sys, venv, ensurepip
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
        command -v "$found"
        return
      fi
    done
  done
  echo "error: no Python 3.11, 3.12 or 3.13 with its venv module on PATH; install one (Debian, Ubuntu: apt install python3.11-venv) and run this again" >&2
  return 2
}

# install EXTRA: does nothing when .venv already is what the files ask for.
install() {
  local wanted
  wanted="$root $(cat "$root/setup.py" "$root/constraints.txt" | cksum)"
  python=$environment/bin/python
  if is_installed "$1"; then
    return
  fi
  take_lock
  if ! is_installed "$1"; then  # the script that was waited for may have done it
    make_environment "$1"
  fi
  release_lock
}

# One script at a time works on .venv. A lock of flock ends with its process; a
# folder is for systems without it, such as macOS.
take_lock() {
  local wait="Waiting for another script that installs into $environment"
  if command -v flock >/dev/null; then
    exec 9>"$lock"
    flock -n 9 || { echo "$wait" && flock 9; }
    return
  fi
  if ! mkdir "$lock.d" 2>/dev/null; then
    echo "$wait (if there is none: rmdir $lock.d)"
    until mkdir "$lock.d" 2>/dev/null; do
      [ -w "$root" ] || mkdir "$lock.d"  # says why it cannot
      sleep 1
    done
  fi
  trap 'rmdir "$lock.d"' EXIT
}

release_lock() {
  if [ -d "$lock.d" ]; then
    rmdir "$lock.d"
    trap - EXIT
  else
    exec 9>&-
  fi
}

make_environment() {
  local found
  if ! is_installed train && ! is_foreign; then
    found=$(find_python)
    "$found" -m venv --clear "$environment"
    : > "$environment/made-by-launch"
  fi
  echo "Installing flamingo_jax[$1] into .venv with $("$python" --version): a few minutes"
  "$python" -m pip install -qq --disable-pip-version-check \
    --constraint "$root/constraints.txt" --editable "$root[$1]"
  echo "$wanted" > "$environment/installed-$1"
  echo "$wanted" > "$environment/installed-train"  # test includes train
}

# Whether somebody else made .venv, as README shows: it is installed into, and
# nothing in it is deleted.
is_foreign() {
  [ ! -e "$environment/made-by-launch" ] && "$python" -c 'import sys, pip
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

is_installed() {
  [ "$(cat "$environment/installed-$1" 2>/dev/null)" = "$wanted" ] &&
    "$python" -c '' 2>/dev/null
}
