# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A tokenizer.json of Hugging Face's tokenizers, every space counting."""

from collections.abc import Sequence
import functools
import json
from typing import Any

import numpy as np

from flamingo_jax.data.conventions import CONVENTIONS, Conventions
from flamingo_jax.errors import UserError

TOKENIZER = 'tokenizer'
# Stands for a tag while the text behind it is encoded; of no use in texts.
_TAG = '\U0010fffd'
# Which entries begin and end documents, the file does not say: the names that
# published language models give them, the more particular first.
_NAMES = {
    'bos_id': (
        '<s>', '<bos>', '<|begin_of_text|>', '<|startoftext|>', '[BOS]',
        '[CLS]', '<|endoftext|>',
    ),
    'eos_id': (
        '</s>', '<eos>', '<|end_of_text|>', '<|endoftext|>', '[EOS]', '[SEP]',
    ),
    'pad_id': ('<pad>', '[PAD]', '<|padding|>', '<|pad|>'),
}


class TokenizersModel:
  """What `Vocabulary` asks of a file; attributes as of SentencePieceModel.

  The file may be an object that has the tokenizer under TOKENIZER, and beside it
  what only the model says: the rows of its table, which may be more than there
  are entries, its bos_id, eos_id and pad_id, and of a Flamingo of other makers
  the texts of the entries that it has added behind these rows, and its
  conventions, a key of CONVENTIONS; of a language model its chat template, in
  which the entries of `special` say who speaks.

  Files that write a space as \N{LOWER ONE EIGHTH BLOCK}, such as Llama's, cannot
  tell the two apart: of a text that holds the character, a space comes back.
  """

  def __init__(self, data: bytes, path: str):
    """Reads the contents of a file; `path` is for messages.

    Raises:
      UserError: they are no tokenizer, or the package is not installed.
    """
    try:
      import tokenizers  # for those who have such a file
    except ImportError:
      raise UserError(
          f'vocabulary {path} is read with the package tokenizers, which is '
          "not installed; pip install -e '.[tokenizers]' -c constraints.txt"
      ) from None
    try:
      spec = json.loads(data)
      told = spec if TOKENIZER in spec else {}
      self._spec = told.get(TOKENIZER, spec)
      self._tokenizer = tokenizers.Tokenizer.from_str(
          json.dumps(_without_added_spaces(self._spec))
      )
    except Exception as error:  # the package raises Exception itself
      raise UserError(
          f"vocabulary {path} is not a tokenizer of Hugging Face's tokenizers "
          f'({error}); name a tokenizer.json, or a SentencePiece .model file'
      ) from None
    self._tokenizer.no_truncation()
    self._tokenizer.no_padding()
    entries = self._tokenizer.get_vocab(with_added_tokens=True)
    self.entries = 1 + max(entries.values(), default=-1)
    self.size = told.get('rows', self.entries)
    self.added = tuple(told.get('added', ()))
    self.conventions = told.get(
        'conventions', 'open_flamingo' if self.added else 'flamingo'
    )
    self.bos_id, self.eos_id, self.pad_id = (
        told.get(key, next((entries[n] for n in names if n in entries), -1))
        for key, names in _NAMES.items()
    )
    self._entries = entries
    self.chat_template = told.get('chat_template', '')
    self.special = tuple(
        entry['content'] for entry in self._spec.get('added_tokens', ())
        if entry.get('special')
    )
    self._read_tags_as_text(self._tokenizer)

  def _read_tags_as_text(self, tokenizer: Any) -> None:
    """A text that holds '</s>' gets the ids of these letters."""
    conventions = CONVENTIONS.get(self.conventions, Conventions())
    ends = (self.bos_id, self.eos_id, self.pad_id)
    tags = {conventions.tag, conventions.around, conventions.end_of_chunk,
            *conventions.header, *self.added}
    tokenizer.add_special_tokens([
        text for text, i in self._entries.items()
        if i in ends or conventions.has_tags and text in tags
    ])
    tokenizer.encode_special_tokens = True

  def find(self, text: str) -> int | None:
    """The entry that is this text, if there is one."""
    return self._entries.get(text)

  @functools.cached_property
  def _as_it_is(self) -> Any:
    """The tokenizer as its file says: with its spaces and special entries."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(self._spec))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer

  @functools.cached_property
  def _in_parts(self) -> Any:
    """As the file says, with _TAG, but special entries are text."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(self._spec))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.add_tokens([tokenizers.AddedToken(_TAG, normalized=False)])
    self._read_tags_as_text(tokenizer)
    return tokenizer

  @property
  def first_ids(self) -> list[int]:
    """What the tokenizer puts in front of a text; often nothing."""
    encoded = self._in_parts.encode(_TAG)
    return encoded.ids[: encoded.tokens.index(_TAG)]

  def encode_part(self, text: str, is_first: bool) -> list[int]:
    """Ids of a text at the start of a document, or behind a tag in it.

    As the file says: some put a space in front of either, or of one of them.
    """
    if is_first:
      return self._in_parts.encode(text, add_special_tokens=False).ids
    ids = self._in_parts.encode(_TAG + text, add_special_tokens=False).ids
    return ids[1:]

  def encode_whole(self, text: str) -> list[int]:
    """Ids of a text that is a whole document, as its language model reads it."""
    return self._as_it_is.encode(text).ids

  def encode(self, text: str) -> list[int]:
    """Ids of the text alone."""
    return self._tokenizer.encode(text, add_special_tokens=False).ids

  def encode_with_ends(self, text: str) -> tuple[list[int], list[int]]:
    """`encode`, and for each id where in the text it ends, in UTF-8 bytes.

    Ids that share a character all end behind it.
    """
    encoded = self._tokenizer.encode(text, add_special_tokens=False)
    sizes = [len(character.encode()) for character in text]
    places = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    return encoded.ids, [int(places[end]) for _, end in encoded.offsets]

  def decode(self, ids: Sequence[int]) -> str:
    """The text of ids."""
    return self._tokenizer.decode(ids, skip_special_tokens=False)

  def piece(self, token_id: int) -> str:
    """A printable name; some files leave ids out."""
    return self._tokenizer.id_to_token(token_id) or f'<{token_id}>'


def _without_added_spaces(part: Any) -> Any:
  """A tokenizer's JSON, changed so that a text is encoded as it is.

  Text is encoded in pieces, so none may get a space in front, which decoding
  then takes from whatever comes first.
  """
  if isinstance(part, list):
    return [_without_added_spaces(p) for p in part if not _adds_a_space(p)]
  if not isinstance(part, dict):
    return part
  part = {
      key: None if _adds_a_space(value)
      # Pieces of text and merges are no settings.
      else value if key in ('vocab', 'merges', 'added_tokens')
      else _without_added_spaces(value)
      for key, value in part.items()
  }
  if part.get('type') == 'Metaspace':
    part['prepend_scheme'] = 'never'
  if 'add_prefix_space' in part:
    part['add_prefix_space'] = False
  return part


def _adds_a_space(part: Any) -> bool:
  """Whether it is what puts a space in front, or takes it away again."""
  if not isinstance(part, dict):
    return False
  return part.get('type') == 'Prepend' or (
      part.get('type') == 'Strip' and part.get('content') == ' '
  )
