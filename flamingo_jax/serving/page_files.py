# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The files of the page at /, and what its browser is to allow of it."""

from collections.abc import Mapping
import functools
import importlib.resources
from typing import NamedTuple

from flamingo_jax.serving.refusals import Refusal

INDEX = 'index.html'
_TYPES = {
    'html': 'text/html', 'css': 'text/css', 'js': 'text/javascript',
    'svg': 'image/svg+xml',
}
# Nothing runs and nothing is asked but what comes from this server, whatever
# texts and pictures the page shows.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; media-src data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    'content-security-policy': _POLICY, 'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer', 'cache-control': 'no-cache',
}


class File(NamedTuple):
  """One file, and its media type."""

  data: bytes
  kind: str


def file(name: str) -> File:
  """The file of a name.

  Raises:
    Refusal: there is none.
  """
  try:
    return _files()[name]
  except KeyError:
    raise Refusal(404, 'the page has no such file; open /') from None


@functools.cache
def _files() -> Mapping[str, File]:
  folder = importlib.resources.files('flamingo_jax') / 'serving' / 'page'
  return {
      path.name: File(path.read_bytes(), kind) for path in folder.iterdir()
      if (kind := _TYPES.get(path.name.rpartition('.')[2]))
  }
