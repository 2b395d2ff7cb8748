# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A public model's tokenizer, with what only its other files say of it."""

from collections.abc import Iterator
import json
import pathlib
from typing import Any

from flamingo_jax.convert.hub_folder import read_json
from flamingo_jax.data.tokenizers_model import TOKENIZER
from flamingo_jax.errors import UserError

_FILE = 'tokenizer.json'
_SETTINGS = 'tokenizer_config.json'
_NAMES = 'special_tokens_map.json'  # the same of older folders
# Of an entry, unless something else is said.
_PLAIN = {'single_word': False, 'lstrip': False, 'rstrip': False,
          'normalized': False, 'special': False}
_ENDS = ('bos', 'eos', 'pad')
_TEMPLATES = ('processor_config.json', 'chat_template.json',
              'chat_template.jinja')
# All that is read here.
FILES = _FILE, _SETTINGS, _NAMES, *_TEMPLATES
# Of Llama 3.2 Vision's template (data/turns.py).
_PARTS = ('<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>', '<|image|>',
          'Cutting Knowledge Date: December 2023')


def vocabulary_bytes(
    folder: pathlib.Path, rows: int, added: int = 0, conventions: str = ''
) -> bytes:
  """The file that `Vocabulary` reads.

  Where nothing begins documents, what ends them does, as GPT-2's end of text.

  Args:
    folder: of the model.
    rows: of its table of words.
    added: rows of the entries behind these, of a Flamingo.
    conventions: of a Flamingo, a key of data.CONVENTIONS.

  Raises:
    UserError: it has no tokenizer.json, or one with more entries than rows, or
      nothing says what ends a text.
  """
  if not (folder / _FILE).exists():
    raise UserError(
        f'{folder / _FILE} does not exist; write it where transformers is '
        f"installed: AutoTokenizer.from_pretrained('{folder}')"
        f".save_pretrained('{folder}')"
    )
  tokenizer = read_json(folder / _FILE)
  settings = {
      name: value for file in (_NAMES, _SETTINGS) if (folder / file).exists()
      for name, value in read_json(folder / file).items()
  }
  entries = dict(entries_of(tokenizer))
  later = [
      {'id': int(number), **_PLAIN, **entry}
      for number, entry in settings.get('added_tokens_decoder', {}).items()
      if entry['content'] not in entries
  ]
  entries |= {entry['content']: entry['id'] for entry in later}
  tokenizer['added_tokens'] = [*tokenizer.get('added_tokens', ()), *later]
  if max(entries.values(), default=-1) >= rows + added:
    raise UserError(
        f'{folder / _FILE} has ids up to {max(entries.values())}, and the '
        f'table of the model {rows + added} rows; the files do not belong '
        'together'
    )
  config = folder / 'config.json'
  ids = {name: _id_of(name, settings, config, entries, rows) for name in _ENDS}
  if ids['eos'] is None:
    raise UserError(
        f'{folder}: neither {_SETTINGS} nor config.json says what ends a text; '
        "give it an 'eos_token'"
    )
  if ids['bos'] is None:
    ids['bos'] = ids['eos']
  told = {f'{name}_id': i for name, i in ids.items() if i is not None}
  if conventions:
    names = {i: text for text, i in entries.items()}
    if conventions == 'llama_vision' and _has_turns(folder, settings):
      conventions += '_chat'
    told |= {'conventions': conventions, 'added': [
        names.get(i, f'<{i}>') for i in range(rows, rows + added)
    ]}
  elif template := _template(folder, settings):
    told['chat_template'] = template
  return json.dumps(
      {'rows': rows, **told, TOKENIZER: tokenizer}, ensure_ascii=False
  ).encode()


def _has_turns(folder: pathlib.Path, settings: dict[str, Any]) -> bool:
  """Whether a template of chats comes with it, which has to be Llama 3.2's.

  Raises:
    UserError: it is another one.
  """
  told = _template(folder, settings)
  if told and not all(part in told for part in _PARTS):
    raise UserError(
        f'{folder}: its chat template is not that of Llama 3.2 Vision, which is '
        'known here; put that in its place, or leave it out, and prompts are '
        'read as the base model reads them'
    )
  return bool(told)


def _template(folder: pathlib.Path, settings: dict[str, Any]) -> str:
  """The chat template of a folder, the default one of several; '': none."""
  told = settings.get('chat_template')
  for file in _TEMPLATES:
    if (path := folder / file).exists():
      told = path.read_text(encoding='utf-8') if path.suffix == '.jinja' else (
          read_json(path).get('chat_template')
      ) or told
  if isinstance(told, list):
    told = {x.get('name'): x.get('template') for x in told}.get('default')
  return told if isinstance(told, str) else ''


def entries_of(tokenizer: dict[str, Any]) -> Iterator[tuple[str, int]]:
  """(text, id) of all entries of a tokenizer.json."""
  vocab = tokenizer.get('model', {}).get('vocab', {})
  if isinstance(vocab, dict):
    yield from vocab.items()
  else:  # of Unigram models: [[text, score], ...]
    yield from ((entry[0], i) for i, entry in enumerate(vocab))
  for entry in tokenizer.get('added_tokens', ()):
    yield entry['content'], entry['id']


def _id_of(
    name: str, settings: dict[str, Any], config: pathlib.Path,
    entries: dict[str, int], rows: int,
) -> int | None:
  """By the tokenizer's settings, else by the config, if it is a row's."""
  text = settings.get(f'{name}_token')
  if isinstance(text, dict):
    text = text.get('content')
  if text in entries:
    return entries[text]
  found = read_json(config).get(f'{name}_token_id')
  if isinstance(found, list) and found:
    found = found[0]
  if found is not None and not (type(found) is int and 0 <= found < rows):
    raise UserError(
        f'{config}: {name}_token_id is {found!r}, and the table of the model '
        f'has {rows} rows; give the {name}_token in {_SETTINGS}'
    )
  return found
