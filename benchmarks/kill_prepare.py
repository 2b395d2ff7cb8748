# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Kills `flamingo prepare` at random moments, as JSON.

  python -m benchmarks.kill_prepare --kills=20

A run in a session of its own gets SIGKILL, workers and all, at a moment drawn
evenly from the time that a whole run takes, and is begun again until it ends;
then the next one begins in a new folder, until there were enough kills. Every
finished folder has to hold the files of one that was never killed, to the byte.
The run is a function call in a forked process: a new interpreter would spend
most of its time on imports.
"""

import argparse
import collections
import hashlib
import json
import multiprocessing
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

from flamingo_jax.prepare import engine
from tests.prepare.counting import Counting

COUNT = 2000  # items
SHARDS = 5


def prepare(path: str, out: str, workers: int) -> None:
  """A run that can be killed with all that it starts."""
  os.setsid()
  sys.stderr = open(os.devnull, 'w')  # bars
  engine.prepare(
      Counting((path,), count=COUNT), out, shards=SHARDS, workers=workers
  )


def start(*arguments) -> multiprocessing.Process:
  """Starts `prepare`."""
  process = multiprocessing.get_context('fork').Process(
      target=prepare, args=arguments
  )
  process.start()
  return process


def digests(folder: pathlib.Path) -> dict[str, str]:
  """SHA-256 of each file."""
  return {
      path.name: hashlib.sha256(path.read_bytes()).hexdigest()
      for path in sorted(folder.iterdir())
  }


def stage(folder: pathlib.Path) -> str:
  """What a run was doing when it ended."""
  working = folder / 'working'
  if (folder / 'manifest.json').exists():
    return 'removing the working folder'
  if next(folder.glob('*.tfrecord'), None):
    return 'writing shards'
  if next(working.glob('unit-*.json'), None):
    return 'converting'
  return 'starting'


def measure(folder: pathlib.Path, kills: int, workers: int, seed: int) -> dict:
  """Kills runs and compares what they leave."""
  rng, stages, finished, different = random.Random(seed), [], 0, 0
  path = folder / 'input'
  path.touch()
  begin = time.monotonic()
  whole = start(str(path), str(folder / 'whole' / 'train'), workers)
  whole.join()
  seconds = time.monotonic() - begin
  expected = digests(folder / 'whole' / 'train')
  while len(stages) < kills:
    out = folder / f'{finished}' / 'train'
    while True:
      process = start(str(path), str(out), workers)
      if len(stages) < kills:
        process.join(rng.uniform(0, seconds))
      else:
        process.join()
      if process.exitcode is None:
        try:
          os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no session yet
          process.kill()
        process.join()
        stages.append(stage(out))
        continue
      break
    finished += 1
    different += process.exitcode != 0 or digests(out) != expected
  return {
      'kills': len(stages),
      'killed_when': dict(collections.Counter(stages)),
      'runs_finished': finished,
      'runs_with_other_bytes': different,
      'files': len(expected),
      'seconds_of_a_whole_run': round(seconds, 2),
  }


def main() -> int:
  """Prints one JSON object; the exit code is 1 if any byte differs."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--kills', type=int, default=20)
  parser.add_argument('--workers', type=int, default=2)
  parser.add_argument('--seed', type=int, default=0)
  options = parser.parse_args()
  with tempfile.TemporaryDirectory() as name:
    result = measure(
        pathlib.Path(name), options.kills, options.workers, options.seed
    )
  print(json.dumps(result, indent=2))
  return int(bool(result['runs_with_other_bytes']))


if __name__ == '__main__':
  sys.exit(main())
