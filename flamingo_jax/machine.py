# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a process has of the machine it runs on."""

import ctypes
import mmap
import os
import pathlib
import platform
import re
import subprocess
import sys

# What /proc/cpuinfo says of a kind of CPU, on the architectures of Linux.
_KIND = re.compile(
    r'vendor_id|cpu family|model|stepping|flags|features|isa|uarch|'
    r'cpu (implementer|architecture|variant|part|revision)', re.I
)


def cores() -> int | None:
  """Of the CPUs, how many this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count()


def cpu() -> str:
  """What a compiler knows of this machine's CPU."""
  known = [platform.machine()]
  try:
    if sys.platform == 'darwin':
      known.append(subprocess.run(
          ['/usr/sbin/sysctl', '-n', 'machdep.cpu.brand_string'],
          capture_output=True, text=True, check=False).stdout)
    else:
      lines = pathlib.Path('/proc/cpuinfo').read_text('utf-8').splitlines()
      known += sorted({line for line in lines if _KIND.match(line)})
  except OSError:
    known.append(platform.node())
  return '\n'.join(known)


# Of mallopt(3), from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
# Threads then wait for one heap, which many would do for long.
_FEW_CORES = 16


def keep_memory() -> bool:
  """Lets this process keep the memory that it frees, for what comes next.

  A step on a CPU takes memory for its temporaries and gives it back. Left to
  itself, the C library gives it back to the kernel, which clears every page of it
  for the next step: an eighth of the time of one with temporaries of 1.6 GB.

  And lets its pages be large, where Linux gives them to who asks: to find weights
  page by page takes another twentieth.

  Call it before JAX starts its threads, which choose their heaps then.

  Returns:
    Whether it is so now: on Linux with glibc, where cores are few.
  """
  library = ctypes.CDLL(None)
  mallopt = getattr(library, 'mallopt', None)
  if mallopt is None or (cores() or 0) > _FEW_CORES:
    return False
  # One heap, as others may not grow beyond 64 MB; nothing beside it; all kept.
  values = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1))
  is_kept = all([mallopt(*value) for value in values])
  if is_kept:
    _ask_for_large_pages(library)
  return is_kept


def _ask_for_large_pages(library: ctypes.CDLL) -> None:
  """Of the first half of memory that the heap takes.

  The heap grows by it, and has no page of it before it is written to.
  """
  size = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 2
  malloc, free, madvise = library.malloc, library.free, library.madvise
  malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
  free.argtypes = [ctypes.c_void_p]
  madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
  start = malloc(size)
  if start is not None:  # else the process may not have as much
    whole = -start % mmap.PAGESIZE  # bytes in front of the first whole page
    madvise(start + whole, size - mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
  free(start)
