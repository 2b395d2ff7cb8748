# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents of one medium and its caption, as ALIGN, LTIP and VTP have them."""

from collections.abc import Sequence
from typing import Any

from flamingo_jax.data.documents import Media
from flamingo_jax.errors import shown
from flamingo_jax.prepare.source import Converted, Dropped, Fitter

IMAGE_FIELDS = ('jpg', 'jpeg', 'png', 'webp', 'gif', 'bmp', 'image')
VIDEO_FIELDS = ('mp4', 'webm', 'mkv', 'mov', 'avi', 'm4v', 'gif')


def convert(
    media: Media, caption: str, place: str, fitter: Fitter, sought: str,
    losses: Sequence[Dropped] = (),
) -> Converted:
  """The medium, which is not fitted yet, then its caption, '' if there is none.

  Raises:
    Dropped: there is no caption where one was sought, or the medium cannot be
      used.
  """
  if not caption.strip():
    raise Dropped('no caption', f'nothing in {sought}')
  return Converted.of((fitter.fit(media), caption.strip()), place, losses)


def find_medium(
    kind: str, fields: dict[str, Any], place: str
) -> tuple[Media, list[Dropped]]:
  """The first field that is one, and those that are lost as it has one.

  Raises:
    Dropped: there is none, or it is not of bytes.
  """
  names = IMAGE_FIELDS if kind == 'image' else VIDEO_FIELDS
  found = [name for name in names if name in fields]
  if not found:
    raise Dropped(
        'sample has no medium',
        f'it has {", ".join(sorted(fields)[:9]) or "nothing"}, and none of '
        f'{", ".join(names)}',
    )
  first, *others = found
  data = _bytes_of(fields[first])
  if data is None:
    raise Dropped(
        'medium is not of bytes', f'{first} is {shown(fields[first])}'
    )
  return Media(kind, f'{place}.{first}', data), [
      Dropped(f'sample has one more {kind}', f'{other}, beside {first}')
      for other in others
  ]


def _bytes_of(value: Any) -> bytes | None:
  """A file, also as the `datasets` of Hugging Face have it in Parquet.

  There it is {'bytes': ..., 'path': ...}, alone or in a list.
  """
  if isinstance(value, list) and len(value) == 1:
    value = value[0]
  if isinstance(value, dict):
    value = value.get('bytes')
  return value if isinstance(value, bytes) else None
