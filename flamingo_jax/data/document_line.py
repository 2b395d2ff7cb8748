# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""One line of our JSONL schema (`documents`): its parts, or what is wrong."""

from collections.abc import Iterable
import dataclasses
import difflib
import itertools
import json
from typing import Any, get_args

from flamingo_jax.data import json_objects
from flamingo_jax.data import media as media_reader
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError, shown

EXAMPLE = '{"parts": [{"image": "a.jpg"}, {"text": "A dog."}]}'
_PART_KEYS = ('text', *get_args(media_reader.Kind))
_KEYS_TOLD = '"text", "image", "video" or "features"'
_ALIKE = 0.85  # of difflib: 'part', 'Parts' and 'partss' are like 'parts'
_KEYS_GUESSED = 100  # of a document, at most


@dataclasses.dataclass(frozen=True)
class ParsedLine:
  """What one line says, before anything that it names is opened."""

  parts: tuple[str | Media, ...] = ()  # the good ones
  problems: tuple[str, ...] = ()  # sentences on the others
  name: str = ''  # of the document, as in `Document`
  further: tuple[str, ...] = ()  # keys beside "parts"

  def about(self, problem: str) -> str:
    """A problem with the name of its document, if it has one."""
    return f'{self.name}: {problem}' if self.name else problem

  def named(self, place: str) -> str:
    """A place with the name of the document that is there."""
    return f'{place} ({self.name})' if self.name else place


def parse_line(line: bytes, folder: str, media: bool = True) -> ParsedLine:
  """The good parts of one line and what is wrong with the others."""
  try:
    record = json_objects.parse(line.decode('utf-8-sig').rstrip())
  except UnicodeDecodeError as error:
    return _refused(f'byte {error.start} is not UTF-8; save the file as UTF-8')
  except json.JSONDecodeError as error:
    return _refused(
        f'not JSON at column {error.colno} ({error.msg}); a line must be one'
        f' complete document, such as {EXAMPLE}'
    )
  except ValueError as error:  # a number of 4301 digits, [[[[..., a key twice
    return _refused(
        f'not a document ({error}); a line must look like {EXAMPLE}'
    )
  if not isinstance(record, dict) or not isinstance(record.get('parts'), list):
    keys = record if isinstance(record, dict) else ()
    return _refused(
        'has no list "parts"; a line must be an object such as '
        f'{EXAMPLE}{_guess(keys, "parts")}'
    )
  further = tuple(key for key in record if key != 'parts')
  has_name = record.get('id') not in (None, '')
  name = f'id {shown(record["id"])}' if has_name else ''
  parts, problems = [], [
      f'unknown key {shown(key)} beside "parts"; put what it holds into'
      ' "parts", or name it otherwise'
      for key in further if _is_like(key, 'parts')
  ]
  for i, part in enumerate(record['parts'], 1):
    parsed = _parse_part(part, folder)
    if isinstance(parsed, UserError):
      problems.append(f'part {i} {parsed}')
    else:
      parts.append(parsed)
  problems = problems or _lacks(parts, media, further)
  found = ParsedLine(tuple(parts), (), name, further)
  return dataclasses.replace(found, problems=tuple(map(found.about, problems)))


def _refused(problem: str) -> ParsedLine:
  return ParsedLine(problems=(problem,))


def _is_like(key: str, word: str) -> bool:
  """Whether a key is a slip of the pen for a word."""
  return bool(
      difflib.get_close_matches(key.strip().lower(), [word], 1, _ALIKE)
  )


def _guess(keys: Iterable[str], *words: str) -> str:
  """The end of a sentence: which of the keys may be meant to be a word."""
  for word in words:
    for key in itertools.islice(keys, _KEYS_GUESSED):
      if key != word and difflib.get_close_matches(key.lower(), [word], 1):
        return f'; did you mean "{word}" by {shown(key)}?'
  return ''


def _lacks(
    parts: list[str | Media], media: bool, further: Iterable[str]
) -> list[str]:
  if not parts:
    return [f'the document is empty; write parts such as {EXAMPLE}']
  problems = []
  has_media = any(isinstance(part, Media) for part in parts)
  if has_media and not media:
    problems.append('the document has media, and this is a file of text alone')
  if media and not has_media:
    problems.append(
        'the document has no image or video; add {"image": "FILE"} to its parts'
        + _guess(further, 'image', 'video', 'features')
    )
  if not any(isinstance(part, str) for part in parts):
    problems.append(
        'the document has no text to learn from; add {"text": "..."} to its'
        f' parts{_guess(further, "text")}'
    )
  return problems


def _parse_part(part: Any, folder: str) -> str | Media | UserError:
  """One entry of "parts"; an error is returned so that all can be told."""
  if not isinstance(part, dict) or len(part) != 1:
    return UserError(
        f'is {json.dumps(part)[:60]}, not an object with one key of '
        f'{_KEYS_TOLD}'
    )
  (key, value), = part.items()
  if key not in _PART_KEYS:
    close = difflib.get_close_matches(key.lower(), _PART_KEYS, 1)
    hint = f'; did you mean "{close[0]}"?' if close else ''
    return UserError(
        f'has the unknown key {shown(key)}, not {_KEYS_TOLD}{hint}'
    )
  if not isinstance(value, str):
    return UserError(f'has a {key} that is not a string: {shown(value)}')
  if not value.strip():
    return UserError(
        f'has an empty {key}; remove the part or fill it in'
    )
  if key == 'text':
    try:
      value.encode()
    except UnicodeEncodeError:
      return UserError(
          'has half of a surrogate pair (\\ud800 to \\udfff) in its text, which'
          ' is not Unicode; write the whole character'
      )
    return value
  try:
    return media_reader.named(key, value, folder)
  except UserError as error:
    return UserError(f'cannot be read: {error}')
