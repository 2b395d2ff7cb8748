# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files that stand in their address: data:image/png;base64,... (RFC 2397)."""

import base64
import binascii
import re
import urllib.parse

from flamingo_jax.data.pictures import MediumError

_TOLD = 60  # characters of an address that messages show
_BASE64 = re.compile(r';\s*base64\s*$', re.I)


def is_data_uri(address: str) -> bool:
  """Whether an address holds its file itself."""
  return address[:5].lower() == 'data:'


def shorten(address: str) -> str:
  """What messages call it: the beginning, without what it holds."""
  return address.partition(',')[0][:_TOLD]


def decode(address: str) -> bytes:
  """What a data: URI holds, as browsers read it.

  Raises:
    MediumError: it is malformed.
  """
  head, comma, body = address.partition('#')[0].partition(',')
  if not comma:
    raise MediumError(
        'is corrupt',
        f'{shorten(address)} has no comma in front of its data; copy it whole',
    )
  try:
    data = urllib.parse.unquote_to_bytes(body)
  except UnicodeEncodeError:
    raise MediumError(
        'is corrupt',
        f'{shorten(address)} holds half of a surrogate pair; copy it whole',
    ) from None
  if not _BASE64.search(head):
    return data
  data = b''.join(data.split()).rstrip(b'=')
  try:
    return base64.b64decode(data + b'=' * (-len(data) % 4), validate=True)
  except binascii.Error as error:
    raise MediumError(
        'is corrupt',
        f'{shorten(address)} holds something other than base64 ({error}); copy '
        'it whole',
    ) from None
