# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Memory that a process keeps."""

import pathlib
import subprocess
import sys

import pytest

# In a thread, as JAX's are, and in a process of its own, which it changes.
PROGRAM = """
import resource, sys, threading
from flamingo_jax import machine

kept = len(sys.argv) > 1 and machine.keep_memory()
def faults():
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def steps():
  b'x' * 2**25
  before = faults()
  b'x' * 2**25
  print(int(kept), faults() - before)
thread = threading.Thread(target=steps)
thread.start()
thread.join()
"""


def test_what_is_freed_is_kept_and_not_cleared_again():
  def run(*arguments):
    command = [sys.executable, '-c', PROGRAM, *arguments]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return map(int, told.stdout.split())

  pages = 2**25 // 2**12
  _, without = run()
  is_kept, faults = run('keep')
  assert without > 0.9 * pages
  # Where there is no such C library, or there are many cores, all is as it was.
  assert faults < 0.01 * pages if is_kept else faults > 0.9 * pages


# Whether memory is kept, and what the kernel says of the heap: large pages in kB,
# behind 64 MB that are used.
LARGE = """
import re
from flamingo_jax import machine

kept = machine.keep_memory()
used = bytearray(b'x') * 2**26
_, *heaps = open('/proc/self/smaps').read().split('[heap]')
sizes = (re.search(r'AnonHugePages: +(\\d+)', heap)[1] for heap in heaps)
print(int(kept), max(map(int, sizes)))
"""
# Which is in use stands in brackets.
PAGES = pathlib.Path('/sys/kernel/mm/transparent_hugepage/enabled')


@pytest.mark.skipif(
    not PAGES.exists() or '[never]' in PAGES.read_text(),
    reason='this system gives no large pages'
)
def test_pages_of_what_is_kept_are_large():
  told = subprocess.run(
      [sys.executable, '-c', LARGE], capture_output=True, text=True, check=True
  )
  is_kept, large = map(int, told.stdout.split())
  # Where nothing is kept, much may lie outside of the heap.
  assert large > 2**15 or not is_kept
