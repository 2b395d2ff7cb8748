# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Writing to disks and buckets, and why one takes no more."""

from collections.abc import Iterator
import contextlib
import errno
import os
import re
import secrets
from typing import NamedTuple

from etils import epath

from flamingo_jax.data.buckets import is_address
from flamingo_jax.errors import UserError, chain


class Refusal(NamedTuple):
  """Why nothing more could be written or read, and what helps."""

  reason: str
  remedy: str


UNKNOWN = Refusal(
    'it cannot be written', 'fix its permissions or name another place'
)
_FULL = Refusal('the disk is full', 'free some space')
_TOO_LARGE = Refusal(
    'the disk is full, or no file may grow so large',
    'free some space or raise the limit (ulimit -f)',
)
_DISK_QUOTA = Refusal(
    'the disk quota is exceeded',
    'remove some of your files there or have the quota raised',
)
_QUOTA = Refusal('a quota is exceeded', 'have it raised')
_BUCKET_QUOTA = Refusal(
    "the bucket's quota is exceeded",
    'have it raised or remove what is not needed there',
)
_BUCKET_RATE = Refusal(
    'the bucket is sent more requests than its rate limit allows',
    'wait a while',
)
_ERRNOS = {
    errno.ENOSPC: _FULL, errno.EFBIG: _TOO_LARGE, errno.EDQUOT: _DISK_QUOTA
}
# For what comes without an error number, as from TensorStore and TensorFlow.
_EXHAUSTED = re.compile(r'resource_?exhausted', re.I)
_MEMORY = re.compile(r'of memory|memory space|allocat|\bhbm\b|\bvmem\b', re.I)
_FULL_TEXT = re.compile(r'no space left|file too large|ENOSPC', re.I)
_DISK_QUOTA_TEXT = re.compile(r'dis[ck] quota|EDQUOT', re.I)
_RATE_TEXT = re.compile(
    r'^429\b|(http|status|code)\W{0,4}(\w+\W{1,4}){0,3}429\b|per minute|'
    r'too ?many ?requests|rate ?limit|slow ?down|reduce your request rate',
    re.I,
)
_QUOTA_TEXT = re.compile(r'quota ?exceeded|exceed\w* .{0,40}quota', re.I)
_BUCKET_TEXT = re.compile(
    r'\b(gs|s3|https?)://|bucket|googleapis|amazonaws', re.I
)


def explain(
    error: BaseException | None, path: str | os.PathLike = ''
) -> Refusal | None:
  """Why a disk or a bucket refused; None if an error is of something else.

  The memory of a device, which may be RESOURCE_EXHAUSTED too, is something
  else. An error may have been raised from the one that says it; `path` is what
  was written or read, if it is known.
  """
  for met in chain(error):
    if getattr(met, 'errno', None) in _ERRNOS:
      return _ERRNOS[met.errno]
    text = str(met)
    is_exhausted = _EXHAUSTED.search(f'{type(met).__name__} {text}')
    if is_exhausted and _MEMORY.search(text):
      return None
    refusal = _of_text(text, os.fspath(path), bool(is_exhausted))
    if refusal is not None:
      return refusal
  return None


def _of_text(text: str, path: str, is_exhausted: bool) -> Refusal | None:
  is_bucket = is_address(path) or _BUCKET_TEXT.search(text)
  if _FULL_TEXT.search(text):
    return _FULL
  if _DISK_QUOTA_TEXT.search(text):
    return _DISK_QUOTA
  is_quota = _QUOTA_TEXT.search(text)
  if _RATE_TEXT.search(text) and (is_bucket or is_quota or is_exhausted):
    return _BUCKET_RATE
  if is_bucket and (is_quota or is_exhausted):
    return _BUCKET_QUOTA
  if is_quota:
    return _DISK_QUOTA if path else _QUOTA
  return None


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
  """Tells why a file or a folder cannot be written, if that is so.

  Raises:
    UserError: the disk or the bucket refuses; names the path and what helps.
  """
  try:
    yield
  except UserError:
    raise
  except Exception as error:
    refusal = explain(error, path)
    if refusal is None and not isinstance(error, OSError):
      raise
    refusal = refusal or UNKNOWN
    reason = getattr(error, 'strerror', None) or refusal.reason
    raise UserError(
        f'{os.fspath(path)} cannot be written ({reason}); {refusal.remedy}'
    ) from error


def sentence(error: OSError | UnicodeError) -> str:
  """What a file or a name that the system refuses is told as.

  Errors that gin has raised again are told as those that they stand for.
  """
  while not error.args and isinstance(
      error.__context__, (OSError, UnicodeError)
  ):
    error = error.__context__
  if isinstance(error, UnicodeError):
    return (
        f'{getattr(error, "object", error)!r:.200} is a name or a text that is '
        'not UTF-8: rename the file, or write the text again'
    )
  refusal = explain(error) or UNKNOWN
  path = f'{error.filename} ' if error.filename else 'a file '
  return (
      f'{path}cannot be read or written '
      f'({error.strerror or " ".join(str(error).split())}); {refusal.remedy}'
  )


def write_atomically(
    path: str | os.PathLike, content: str | bytes
) -> None:
  """Replaces a file so that a reader sees the old one or all of the new.

  What a link leads to is replaced, and devices and pipes are written to.

  Raises:
    UserError: it cannot be written; the old one is still there, if any.
  """
  if isinstance(content, str):
    # Names of files that are no text keep their bytes.
    content = content.encode('utf-8', 'surrogateescape')
  with writing(path):
    if os.path.exists(path) and not os.path.isfile(path):
      with open(path, 'wb') as file:
        file.write(content)
      return
    target = epath.Path(
        os.fspath(path) if is_address(path) else os.path.realpath(path)
    )
    # No other process has this name.
    draft = target.with_name(f'{target.name}.{secrets.token_hex(8)}.tmp')
    try:
      draft.write_bytes(content)
      draft.replace(target)
    except BaseException:
      with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
      raise
