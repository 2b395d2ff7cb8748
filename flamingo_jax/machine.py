# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a process has of the machine it runs on."""

import ctypes
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

  Call it before JAX starts its threads, which choose their heaps then.

  Returns:
    Whether it is so now: on Linux with glibc, where cores are few.
  """
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  if mallopt is None or (cores() or 0) > _FEW_CORES:
    return False
  # One heap, as others may not grow beyond 64 MB; nothing beside it; all kept.
  values = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1))
  return all([mallopt(*value) for value in values])
