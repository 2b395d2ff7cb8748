# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""JSON of other people, read without taking one value for another."""

import json
from typing import Any

from flamingo_jax.errors import shown


class Written(str):
  """A number, as JSON writes it: 3.0 and 1e5 stay what they are."""


def parse(text: bytes | str, numbers_as_written: bool = False) -> Any:
  """What a text says.

  Raises:
    ValueError: it is not JSON, nests too deeply, or has a key twice in one
      object, of which Python would silently take the last.
  """
  number = Written if numbers_as_written else None
  try:
    return json.loads(
        text, object_pairs_hook=_object, parse_int=number, parse_float=number
    )
  except RecursionError:
    raise ValueError('it nests too deeply') from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  found = dict(pairs)
  if len(found) == len(pairs):
    return found
  keys = [key for key, _ in pairs]
  twice = next(key for key in keys if keys.count(key) > 1)
  raise ValueError(f'an object has the key {shown(twice)} twice')


def text_of(value: Any) -> str | None:
  """A text, or a number as people write it; None for everything else.

  Halves of characters, which no file can hold, become question marks.
  """
  if isinstance(value, str):
    return str(value.encode('utf-8', 'replace').decode())
  if isinstance(value, int | float) and not isinstance(value, bool):
    return str(value) if value - value == 0 else None  # neither inf nor nan
  return None
