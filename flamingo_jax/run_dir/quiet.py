# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""One error is told once, not by every reader and writer that meets it.

Orbax ends at the first array that cannot be read or written. Those under way
then find their event loop closed and their result unwanted, and each would print
a traceback of its own, which Python does where nobody can catch an exception.
"""

from collections.abc import Iterator
import contextlib
import gc
import logging
import sys
import time
import traceback
from typing import Any

from flamingo_jax.errors import UserError, chain

_LAST = 0.2  # seconds in which those under way end


@contextlib.contextmanager
def told_once() -> Iterator[None]:
  """While a block reads or writes arrays, an error is told by what it raises."""
  hook = sys.unraisablehook
  logs = [logging.getLogger(name) for name in ('asyncio', 'absl')]
  wanted = lambda record: not _is_raised_too(record)
  sys.unraisablehook = lambda found: None if _is_late(found) else hook(found)
  for log in logs:
    log.addFilter(wanted)
  try:
    yield
  except Exception as error:
    if _is_only_ours(error):  # nothing that is under way has failed
      raise
    time.sleep(_LAST)
    for met in chain(error):  # lets go of those that wait
      traceback.clear_frames(met.__traceback__)
    gc.collect()
    raise
  finally:
    sys.unraisablehook = hook
    for log in logs:
      log.removeFilter(wanted)


def _is_only_ours(error: BaseException) -> bool:
  """Whether it is a sentence of ours that no library's error has led to."""
  return all(isinstance(met, UserError) for met in chain(error))


def _is_raised_too(record: logging.LogRecord) -> bool:
  """Whether what is logged is an error that whoever waits for it is told."""
  is_orbax = 'orbax' in record.pathname and record.exc_info
  return bool(is_orbax) or 'never retrieved' in record.getMessage()


def _is_late(found: Any) -> bool:
  """Whether it is of a reader or writer that outlived its event loop."""
  code = getattr(found.object, 'cr_code', None)
  return 'Event loop is closed' in str(found.exc_value) or (
      code is not None and 'orbax' in code.co_filename
  )
