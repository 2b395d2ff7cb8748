# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How long a program takes to begin: the import, --help, the first token.

  python -m benchmarks.start

prints JSON: seconds on the clock and of the CPU of `import flamingo_jax`, of
`flamingo --help`, and of `flamingo generate` with the shipped model, a picture and
one token, with nothing compiled before and with what that kept. Of several runs
(--repeats) the fastest counts. Each is a process of its own; an empty cache folder
and what was read before are all that they share.
"""

import argparse
from collections.abc import Sequence
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

_FLAMINGO = ('-m', 'flamingo_jax.cli')


def measure(arguments: Sequence[str], caches: str) -> dict[str, float]:
  """Seconds of one Python with these arguments."""
  environ = {k: v for k, v in os.environ.items() if not k.startswith('JAX_')}
  before = resource.getrusage(resource.RUSAGE_CHILDREN)
  start = time.perf_counter()
  subprocess.run(
      [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL,
      env=environ | {'XDG_CACHE_HOME': caches},
  )
  clock = time.perf_counter() - start
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  cpu = sum(
      getattr(after, name) - getattr(before, name)
      for name in ('ru_utime', 'ru_stime')
  )
  return {'seconds': clock, 'cpu_seconds': cpu}


def measure_all(picture: str) -> dict[str, dict[str, float]]:
  """Each start once, in an empty cache folder."""
  generate = (
      *_FLAMINGO, 'generate', f'--image={picture}', '--prompt=Output:',
      '--max_new_tokens=1',
  )
  with tempfile.TemporaryDirectory() as caches:
    return {
        'import': measure(['-c', 'import flamingo_jax'], caches),
        'help': measure([*_FLAMINGO, '--help'], caches),
        'first_token_compiling': measure(generate, caches),
        'first_token': measure(generate, caches),
    }


def main() -> None:
  """Prints the fastest of each."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--repeats', type=int, default=3)
  options = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    picture = pathlib.Path(folder) / 'grey.png'
    Image.fromarray(np.full((48, 48, 3), 128, np.uint8)).save(picture)
    runs = [measure_all(str(picture)) for _ in range(options.repeats)]
  print(json.dumps({
      name: {
          unit: round(min(run[name][unit] for run in runs), 2)
          for unit in runs[0][name]
      }
      for name in runs[0]
  }, indent=2))


if __name__ == '__main__':
  main()
