# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Text to ids and back: the frozen LM's tokenizer plus <EOC>.

<EOC> (end of chunk) is the only entry that Flamingo adds to the vocabulary;
<image> stays plain text (Flamingo v1 §3.2.1). OpenFlamingo and its descendants
add an entry for <image> too, and have conventions of their own, which come with
the file. No text can encode to <EOC>, <BOS>, <EOS> or what else is added:
callers splice those ids in.
"""

from collections.abc import Callable
import functools
import hashlib
import importlib.resources
import io
import os
import pathlib
import string
from typing import Iterable, Sequence, SupportsInt

from etils import epath
import sentencepiece

from flamingo_jax import opening
from flamingo_jax.data import buckets
from flamingo_jax.data.chat_template import ChatTemplate
from flamingo_jax.data.conventions import CONVENTIONS, IMAGE
from flamingo_jax.data.owner import owned
from flamingo_jax.data.sentencepiece_model import META_SPACE, SentencePieceModel
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.data.tokenizers_model import TokenizersModel
from flamingo_jax.errors import UserError


class Vocabulary:
  """A tokenizer with added entries, the first of which is <EOC>.

  Attributes:
    path: the file, a SentencePiece model or a tokenizer.json of Hugging Face's
      tokenizers.
    base_size: rows of the frozen LM's embedding table.
    entries: of the tokenizer, of which a table may have more rows.
    size: base_size and the entries that are added.
    bos_id, eos_id, eoc_id: ids of <BOS>, <EOS> and <EOC>; where a Flamingo of
      other makers has no <EOC>, <EOS> is it.
    first_ids: what documents begin with: <BOS>, or what the tokenizer of a
      Flamingo of other makers puts there.
    added: texts of the added entries.
    conventions: of documents.
    pad_id: what padding cells hold; 0 if the model defines no padding. Padding
      is told by loss weights and lengths, never by this value.
    image_tag: ids of the plain text '<image>', or the entry for it.
    around_tags: ids that stand around a tag, and once between neighbours.
    header_ids: ids around who speaks, where documents are turns.
    given_ids: entries that stand for media, which no answer has.
    given_texts: texts of these, of <EOC> and of headers, which other makers'
      prompts hold.
    sha256: hex digest of the file.

  Raises:
    UserError: no file, no tokenizer, or one without <BOS> or <EOS>.
  """

  def __init__(self, path: str | os.PathLike):
    self.path = os.fspath(path)
    data = _read(self.path)
    self.sha256 = file_sha256(self.path)
    read = TokenizersModel if data.startswith(b'{') else SentencePieceModel
    self._model = read(data, self.path)
    self.entries, self.base_size = self._model.entries, self._model.size
    if self._model.conventions not in CONVENTIONS:
      raise UserError(
          f'{self.path} has the conventions {self._model.conventions!r}, and '
          f'known are {", ".join(CONVENTIONS)}; it was written by another version'
      )
    self.conventions = CONVENTIONS[self._model.conventions]
    is_ours = not self.conventions.has_tags
    self.added = ('<EOC>',) if is_ours else self._model.added
    self.size = self.base_size + len(self.added)
    self.bos_id = self._model.bos_id
    self.eos_id = self._model.eos_id
    for name, token_id in (('<BOS>', self.bos_id), ('<EOS>', self.eos_id)):
      if token_id < 0:
        raise UserError(
            f'{self.path}: this vocabulary has no {name} entry, which Flamingo'
            ' begins and ends documents with; train it with bos_id and eos_id'
            " set, or name it as tokenizers do, such as '<s>' and '</s>'"
        )
    has_pad = self._model.pad_id >= 0
    self.pad_id = self._model.pad_id if has_pad else 0
    self._read_conventions()
    self._silent = {
        self.bos_id, self.eos_id, self.eoc_id, *self.given_ids,
        *range(self.base_size, self.size),
    }
    if has_pad:
      self._silent.add(self.pad_id)

  def _read_conventions(self) -> None:
    """Sets what hangs on them."""
    told = self.conventions
    self.first_ids = [self.bos_id]
    if not told.begins_with_bos:
      self.first_ids = self._model.first_ids
    self.eoc_id = self.base_size
    if told.end_of_chunk:
      found = self._entry(told.end_of_chunk)
      self.eoc_id = self.eos_id if found is None else found
    self.around_tags, self.given_ids, self.given_texts = [], [], []
    self.header_ids = []
    if not told.has_tags:
      self.image_tag = self.encode(IMAGE)
      return
    for text in filter(None, (told.tag, told.around, *told.header)):
      found = self._entry(text)
      if found is None:
        what = 'who speaks' if text in told.header else 'pictures'
        raise UserError(
            f'{self.path} has no entry {text!r}, which its model knows {what} '
            'by; use the tokenizer of the model'
        )
      ids = self.header_ids if text in told.header else self.given_ids
      ids.append(found)
    self.image_tag, self.around_tags = self.given_ids[:1], self.given_ids[1:]
    self.given_texts = [
        self._model.piece(i) if i < self.base_size
        else self.added[i - self.base_size]
        for i in (*self.given_ids, *self.header_ids, self.eoc_id)
        if i != self.eos_id
    ]

  def _entry(self, text: str) -> int | None:
    """The id of an entry, one that is added too."""
    if text in self.added:
      return self.base_size + self.added.index(text)
    return self._model.find(text)

  def encode(self, text: str) -> list[int]:
    """Ids of the text alone: every space counts, tags are not special."""
    return self._model.encode(_checked_text(text))

  def encode_part(self, text: str, is_first: bool) -> list[int]:
    """Ids of a text in a document, at its start or behind a tag or <EOC>."""
    if not self.conventions.has_tags:
      return self.encode(text)
    is_first = is_first and not self.conventions.follows_tags
    return self._model.encode_part(_checked_text(text), is_first)

  def as_read(self, text: str) -> str:
    """What of a text in a document is read: with the spaces that count."""
    return text.strip(' ') if self.conventions.strips else text

  def encode_whole(self, text: str) -> list[int]:
    """Ids of a whole document of text, as a language model alone reads it."""
    return self._model.encode_whole(_checked_text(text))

  @functools.cached_property
  def chat_template(self) -> ChatTemplate | None:
    """How a public language model writes dialogues, if its makers said so.

    Raises:
      UserError: what they said is no template.
    """
    if not self._model.chat_template:
      return None
    piece = self._model.piece
    names = {'bos': self.bos_id, 'eos': self.eos_id, 'pad': self._model.pad_id}
    return ChatTemplate(
        self._model.chat_template,
        {f'{name}_token': piece(i) for name, i in names.items() if i >= 0},
        self._model.special, ''.join(map(piece, self._model.first_ids)),
        self.path,
    )

  def encode_with_ends(self, text: str) -> tuple[list[int], list[int]]:
    """`encode`, and for each id where in the text it ends, in UTF-8 bytes."""
    return self._model.encode_with_ends(text)

  def decode(self, ids: Iterable[SupportsInt]) -> str:
    """Text of the ids; <BOS>, <EOS>, <EOC> and padding are silent."""
    ids = self._checked(ids)
    return self._model.decode([i for i in ids if i not in self._silent])

  def pieces(self, ids: Iterable[SupportsInt]) -> list[str]:
    """A printable name per id, such as '▁dog', '<BOS>' or '<EOC>'."""
    names = {self.bos_id: '<BOS>', self.eos_id: '<EOS>'}
    names |= {self.base_size + i: text for i, text in enumerate(self.added)}
    return [names.get(i) or self._model.piece(i) for i in self._checked(ids)]

  def _checked(self, ids: Iterable[SupportsInt]) -> Sequence[int]:
    ids = [int(i) for i in ids]
    for i in ids:
      if not 0 <= i < self.size:
        raise UserError(
            f'token id {i} is outside the vocabulary {self.path}, whose ids are'
            f' 0 to {self.size - 1}; it was probably made by another vocabulary'
        )
    return ids

  def __eq__(self, other: object) -> bool:
    return isinstance(other, Vocabulary) and self.sha256 == other.sha256

  def __hash__(self) -> int:
    return hash(self.sha256)

  def __repr__(self) -> str:
    return f'Vocabulary({self.path!r}, size={self.size})'


def _checked_text(text: str) -> str:
  try:
    text.encode()
  except UnicodeEncodeError as error:
    raise UserError(
        f'text {text[:40]!r} is not valid Unicode (character {error.start} is'
        ' half of a surrogate pair); fix it where the text was made'
    ) from None
  return text


# Called when a task is first read, so that to register one reads no file.
LoadVocabulary = Callable[[], Vocabulary]


def _read(path: str) -> bytes:
  try:
    if not buckets.is_address(path):
      opening.check(path)
    return epath.Path(path).read_bytes()
  except OSError as error:
    raise UserError(
        f'vocabulary {path} cannot be read ({error.strerror}); name a'
        " SentencePiece .model file, or a tokenizer.json of Hugging Face's"
        ' tokenizers'
    ) from None


def file_sha256(path: str | os.PathLike) -> str:
  """What tells vocabularies apart: the hex digest of a file.

  Raises:
    UserError: it cannot be read.
  """
  return hashlib.sha256(_read(os.fspath(path))).hexdigest()


@functools.cache
def default_vocabulary() -> Vocabulary:
  """The small English one that is shipped, of tests/data/plain_english.py."""
  asset = importlib.resources.files('flamingo_jax') / 'assets/vocabulary.model'
  return Vocabulary(str(asset))


def train_vocabulary(
    texts: Iterable[str],
    path: str | os.PathLike,
    size: int,
    symbols: Sequence[str] = (),
) -> Vocabulary:
  """Trains a lossless vocabulary of at most `size` pieces and writes it.

  Text is not normalised and unknown characters fall back to bytes, as in
  Chinchilla's vocabulary; the pieces of the 256 bytes and of the symbols, texts
  that are one piece wherever they stand, the longest first, are among `size`.
  The same texts give the same file.

  Raises:
    UserError: there is no vocabulary of this size, or no place for the file.
  """
  if not pathlib.Path(path).parent.is_dir():  # before the work is done
    raise UserError(
        f'vocabulary {os.fspath(path)} cannot be written, as there is no folder'
        f' {os.fspath(pathlib.Path(path).parent)}; make it'
    )
  path = pathlib.Path(path)
  with owned(path.parent, f'.{path.name}.lock'):
    model = io.BytesIO()
    try:
      sentencepiece.SentencePieceTrainer.train(
          sentence_iterator=iter(texts),
          model_writer=model,
          model_type='bpe',
          vocab_size=size,
          hard_vocab_limit=False,
          byte_fallback=True,
          character_coverage=1.0,
          required_chars=string.printable.strip(),
          normalization_rule_name='identity',
          add_dummy_prefix=False,
          remove_extra_whitespaces=False,
          user_defined_symbols=[
              symbol.replace(' ', META_SPACE) for symbol in symbols
          ],
          pad_id=0,
          eos_id=1,
          unk_id=2,
          bos_id=3,
          num_threads=1,
          minloglevel=2,
      )
    except RuntimeError as error:
      raise UserError(
          f'no vocabulary of {size} pieces can be trained on these texts: '
          f'{error}'
      ) from None
    write_atomically(path, model.getvalue())
  return Vocabulary(path)
