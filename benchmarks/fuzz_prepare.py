# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A thousand mangled files for every reader of `flamingo prepare`.

  python -m benchmarks.fuzz_prepare --cases=1000
  python -m benchmarks.fuzz_prepare --reader=html --cases=100 --seed=1

A process converts the files of a reader one after the other. Crashes and time
are those of this process: nothing restarts it. Prints for each reader how many
files gave documents, the drops, the slowest file and by how much memory grew
above that of TensorFlow and the other libraries.
"""

import argparse
import collections
import multiprocessing
import pathlib
import random
import resource
import shutil
import tempfile
import time

from tests.prepare import mangled_files
from tests.prepare import mangled_files_test


def fuzz(reader: str, cases: int, seed: int) -> None:
  """Converts the files of one reader and prints a summary."""
  drops, good, told, slowest = collections.Counter(), 0, 0, (0.0, -1)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    path = mangled_files_test.place_of(reader, folder)
    for other in mangled_files.READERS:  # imports what makes files
      mangled_files.good_file(other, random.Random(seed))
    before_all = _peak()
    for number in range(cases):
      path.write_bytes(mangled_files.case(reader, number, seed))
      before = set(folder.rglob('*'))
      out = folder / 'out'
      out.mkdir()
      begin = time.process_time()
      counts = mangled_files_test.convert(reader, path, out)
      slowest = max(slowest, (time.process_time() - begin, number))
      shutil.rmtree(out)
      assert set(folder.rglob('*')) == before, f'case {number} wrote elsewhere'
      if isinstance(counts, str):
        told += 1
        continue
      good += counts.documents > 0
      found = {why: drop['count'] for why, drop in counts.drops.items()}
      drops.update(found)
      dropped = sum(found.values())
      assert counts.items == counts.documents + dropped, f'case {number}'
  print(f'{reader}: {cases} files, {good} gave documents, {told} were told as '
        f'errors; slowest {slowest[0]:.2f} s (case {slowest[1]}), memory '
        f'at most {_peak() - before_all:.0f} MiB more than before', flush=True)
  for reason, count in drops.most_common():
    print(f'  {count:>6} {reason}', flush=True)


def _peak() -> float:
  """MiB that the process has had at most."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
  """Runs the program."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--reader', choices=list(mangled_files.READERS))
  parser.add_argument('--cases', type=int, default=1000)
  parser.add_argument('--seed', type=int, default=0)
  options = parser.parse_args()
  for reader in [options.reader] if options.reader else mangled_files.READERS:
    process = multiprocessing.get_context('spawn').Process(
        target=fuzz, args=(reader, options.cases, options.seed))
    process.start()
    process.join()
    if process.exitcode:
      print(f'{reader}: ended with {process.exitcode}')


if __name__ == '__main__':
  main()
