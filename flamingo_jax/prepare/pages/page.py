# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A page as it was fetched."""

import dataclasses

from flamingo_jax.prepare.pages import charsets

LONGEST = 2**24  # bytes of a page


@dataclasses.dataclass(frozen=True)
class Page:
  """A page as it was fetched."""

  url: str  # absolute; file:/// and a path below `root` for a page of a folder
  data: bytes  # encoded
  charset: str = ''  # what the server said, '' if nothing
  # The folder in which images of file URLs are, '' if there is none.
  root: str = ''

  def text(self) -> str:
    """The page, decoded as browsers do; what cannot be is replaced."""
    return charsets.decode(self.data, self.charset)
