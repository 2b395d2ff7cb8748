# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What users pass to a model: checked, tokenized and padded to few shapes."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from flamingo_jax import decoding
from flamingo_jax import option_values
from flamingo_jax.data.documents import EndOfChunk
from flamingo_jax.data.interleaved import (
    TokenizedDocument,
    tokenize_document,
    window,
)
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError, shown
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.typing import Float

Prompt = Sequence[str | Media | EndOfChunk]

_MOST_BEAMS = 256
# Lengths have this ratio, so that any model's context has few: a program for
# each is compiled, for seconds or minutes, and reading what is padded is
# cheap beside the answer's tokens.
_RATIO = 4
_LEAST_LENGTH = 64  # tokens; shorter prompts are padded to it
# Most prompts have the room of their length for media too.
_TOKENS_PER_MEDIUM = 16
_USUAL_MEDIA = 64  # at most, of as many latents
_LEAST_ROOM = 64  # tokens of an answer
_EXAMPLE = "[fj.image('a.jpg'), 'Output:']"


def bucket(size: int, least: int = 1, ratio: int = 2) -> int:
  """`size` rounded up to `least` times a power, so that few are compiled."""
  rounded = least
  while rounded < size:
    rounded *= ratio
  return rounded


def answer_room(max_new_tokens: int) -> int:
  """Of tokens, in programs that answer."""
  return bucket(max_new_tokens, _LEAST_ROOM, _RATIO)


# Tokens and media that each row of a batch has room for.
Shape = tuple[int, int]


def batches(
    shapes: Sequence[Shape], size: int, parts: int = 1,
    is_full: bool = False,
) -> Iterator[tuple[list[int], int]]:
  """(rows of a batch, how many are real); the others are there to fill it.

  Rows of a batch are of one shape, which is thereby that of each alone. A part
  is what a single device would be given, in the same places: only how many of
  them make a batch depends on the devices.

  Args:
    shapes: of all rows.
    size: most rows of a part.
    parts: of a batch.
    is_full: whether parts have `size` rows, however few are real.
  """
  alike = {}
  for row, shape in enumerate(shapes):
    alike.setdefault(shape, []).append(row)
  for group in alike.values():
    part = size if is_full else min(size, bucket(len(group)))
    for start in range(0, len(group), part * parts):
      rows = group[start : start + part * parts]
      real = len(rows)
      rows += [rows[(real - 1) // part * part]] * (-real % part)
      rows += rows[:part] * (parts - len(rows) // part)
      yield rows, real


def row_shape(
    document: TokenizedDocument, context: int, latents: int
) -> Shape:
  """Of a row that has few shapes in common with others.

  Args:
    document: of the row, no longer than the context.
    context: how many tokens the model reads.
    latents: of a medium; of more there is less room for those that are none.
  """
  tokens = bucket(len(document.tokens), _LEAST_LENGTH, _RATIO)
  usual = min(
      tokens // _TOKENS_PER_MEDIUM,
      max(_USUAL_MEDIA * 64 // max(latents, 64), 1),
  )
  return min(tokens, context), bucket(len(document.media), usual)


def as_list(prompts: Any) -> tuple[list[Prompt], bool]:
  """The prompts without their empty texts, and whether there was just one.

  Raises:
    UserError: not a list of parts nor a list of such lists, or without parts.
  """
  if not isinstance(prompts, (list, tuple)):
    raise UserError(
        f'a prompt is a list of parts, such as {_EXAMPLE}, and not '
        f'{shown(prompts)}'
    )
  if not prompts:
    raise UserError(f'there is no prompt: pass one, such as {_EXAMPLE}')
  is_single = not any(isinstance(p, (list, tuple)) for p in prompts)
  prompts = [prompts] if is_single else prompts
  cleaned = []
  for number, prompt in enumerate(prompts, 1):
    name = 'the prompt' if is_single else f'prompt {number}'
    parts = [prompt] if not isinstance(prompt, (list, tuple)) else prompt
    for part in parts:
      if not isinstance(part, (str, Media, EndOfChunk)) or parts is not prompt:
        raise UserError(
            f'{name} holds {shown(part)}: a prompt is a list of texts and of '
            f'media made by fj.image or fj.video, such as {_EXAMPLE}'
        )
    parts = [part for part in parts if not isinstance(part, str) or part]
    if not parts:
      raise UserError(f'{name} is empty: give it a part, such as {_EXAMPLE}')
    cleaned.append(parts)
  return cleaned, is_single


def check_prefix(prefix: Any) -> Prompt:
  """The parts in front of all prompts; there may be none.

  Raises:
    UserError: they are no list of parts.
  """
  if isinstance(prefix, (list, tuple)) and not prefix:
    return ()
  prompts, is_single = as_list(prefix)
  if not is_single:
    raise UserError(
        f'a prefix is one list of parts for all prompts, such as {_EXAMPLE}, '
        f'and not {shown(prefix)}'
    )
  return prompts[0]


def check_media(media: Any) -> list[Media]:
  """A list of at least one medium.

  Raises:
    UserError: it is no such list.
  """
  found = list(media) if isinstance(media, Sequence) else []
  if found and all(isinstance(medium, Media) for medium in found):
    return found
  raise UserError(
      "media are a list of what fj.image or fj.video makes, such as "
      f"[fj.image('a.jpg')], and not {shown(media)}"
  )


def tokenize_prompts(
    prompts: Sequence[Prompt], vocabulary: Vocabulary
) -> list[TokenizedDocument]:
  """<BOS> and the parts of each, left open for the model to go on."""
  return [
      tokenize_document(prompt, vocabulary, close=False) for prompt in prompts
  ]


def tokenize_texts(
    prompts: Sequence[Prompt], vocabulary: Vocabulary
) -> list[TokenizedDocument]:
  """The texts of each as a language model alone reads them.

  Raises:
    UserError: a prompt holds something else, or is empty.
  """
  documents = []
  for prompt in prompts:
    if not all(isinstance(part, str) for part in prompt):
      raise UserError(
          'a language model alone takes texts: leave media out of the prompt, '
          'or load a Flamingo'
      )
    tokens = vocabulary.encode_whole(''.join(prompt))
    documents.append(TokenizedDocument(
        tokens=np.array(tokens, np.int32), is_tag=np.zeros(len(tokens), bool),
        positions=np.zeros(0, np.int64), media=(), next_media=False,
    ))
  return documents


def check_lengths(
    documents: Sequence[TokenizedDocument], new_tokens: int, context: int
) -> None:
  """Whether the model can read each prompt and `new_tokens` more.

  Raises:
    UserError: says how much of the first that is too long would fit.
  """
  room = context - new_tokens
  if room < 1:
    raise UserError(
        f'an answer of {new_tokens} tokens leaves no room for a prompt: the '
        f'model reads {context} tokens; ask for fewer'
    )
  for number, document in enumerate(documents, 1):
    length = len(document.tokens)
    if not length:
      raise UserError(
          f'prompt {number} has no tokens, as its vocabulary knows nothing of '
          'its text: give it another'
      )
    if length <= room:
      continue
    raise UserError(
        ('the prompt' if len(documents) == 1 else f'prompt {number}')
        + f' has {length} tokens and {len(document.media)} images or videos; '
        f'the model reads {context} tokens, of which {new_tokens} are kept for '
        f'the answer: {document.what_fits(room)}'
    )


def pad_prompts(
    documents: Sequence[TokenizedDocument], size: int, groups: bool = False
) -> decoding.Prompts:
  """One array per feature, of `size` tokens.

  `groups` says whether neighbouring media are seen together.
  """
  shape = len(documents), size
  tokens, media_index = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  lengths = np.array([len(document.tokens) for document in documents], np.int32)
  for row, document in enumerate(documents):
    tokens[row, : lengths[row]] = document.tokens
    media_index[row, : lengths[row]] = document.media_index
  return decoding.Prompts(
      tokens=tokens, lengths=lengths, media_index=media_index,
      group=bucket(max(d.last_group for d in documents)) if groups else 0,
  )


def pad_latents(
    documents: Sequence[TokenizedDocument],
    latents: Mapping[Media, Float[np.ndarray, 'R Dr']],
    shape: tuple[int, int, int],
    dtype: str,
) -> Float[np.ndarray, 'B M R Dr']:
  """The latents of each document's media.

  Args:
    documents: of the rows.
    latents: of each medium.
    shape: M, R and Dr.
    dtype: of latents.
  """
  padded = np.zeros((len(documents), *shape), dtype)
  for row, document in enumerate(documents):
    for i, medium in enumerate(document.media):
      padded[row, i] = latents[medium]
  return padded


def split_prefix(
    documents: Sequence[TokenizedDocument], prefix: Prompt
) -> tuple[TokenizedDocument, list[TokenizedDocument]]:
  """The prefix that all documents have, and what each has behind it.

  Args:
    documents: each of a prefix's parts, then a medium and more.
    prefix: these parts.
  """
  media = sum(isinstance(part, Media) for part in prefix)
  # A tag begins a chunk, so what is before it has the same tokens in all.
  start = int(documents[0].positions[media])
  rest = [
      window(document, len(document.tokens), len(document.media), start)
      for document in documents
  ]
  first = documents[0]
  return dataclasses.replace(
      first, tokens=first.tokens[:start], is_tag=first.is_tag[:start],
      positions=first.positions[:media], media=first.media[:media],
      ends=tuple(end for end in first.ends if end < start),
  ), rest


def check_candidates(candidates: Any) -> list[str]:
  """A list of texts, of any sequence or array of them.

  Raises:
    UserError: it is no such list, or empty.
  """
  if not isinstance(candidates, (str, bytes, Mapping)):
    try:
      found = list(candidates)
    except TypeError:
      found = []
    if found and all(isinstance(text, str) for text in found):
      return list(map(str, found))  # of NumPy's, too
  raise UserError(
      "candidates are a list of at least one text, such as ['a cat', 'a dog'], "
      f'and not {shown(candidates)}'
  )


def tokenize_candidates(
    prompt: Prompt,
    candidates: Sequence[str],
    vocabulary: Vocabulary,
    separator: str,
    close: bool,
) -> list[list[int]]:
  """Ids of each candidate as it continues `prompt`.

  Args:
    prompt: parts, none of them empty.
    candidates: texts.
    vocabulary: of the language model.
    separator: put in front where text would touch text.
    close: put <EOC> behind.

  Raises:
    UserError: a candidate has no tokens.
  """
  end = [vocabulary.eoc_id] if close else []
  follows_text = isinstance(prompt[-1], str)
  before = vocabulary.as_read(prompt[-1]) if follows_text else ''
  touches = follows_text and not before[-1:].isspace()
  ids = []
  for number, text in enumerate(candidates, 1):
    if not vocabulary.encode(text):
      raise UserError(
          f'candidate {number} ({shown(text)}) has no tokens to score: give it a '
          'text, or leave it out'
      )
    space = separator if touches and not text[0].isspace() else ''
    if follows_text:
      tokens = vocabulary.encode(space + text)
    else:
      tokens = vocabulary.encode_part(text, is_first=False)
    ids.append(tokens + end)
  return ids


def check_options(
    *,
    max_new_tokens: AnyNumber = 1,
    beams: AnyNumber = 1,
    temperature: AnyNumber = 0.0,
    top_k: AnyNumber = None,
    top_p: AnyNumber = None,
    seed: AnyNumber = 0,
    batch_size: AnyNumber = 1,
) -> dict[str, Any]:
  """The options as plain numbers, by their names.

  Raises:
    UserError: one that makes no sense, the first.
  """
  found = {
      'max_new_tokens': option_values.whole_number(
          'max_new_tokens', max_new_tokens, 1
      ),
      'beams': option_values.whole_number('beams', beams, 1, _MOST_BEAMS),
      'temperature': option_values.real_number(
          'temperature', temperature, 0,
          meaning='0 takes the likeliest token',
      ),
      'top_k': None,
      'top_p': None,
      'seed': option_values.seed(seed),
      'batch_size': option_values.whole_number('batch_size', batch_size, 1),
  }
  if top_k is not None:
    found['top_k'] = option_values.whole_number('top_k', top_k, 1)
  if top_p is not None:
    found['top_p'] = option_values.real_number('top_p', top_p, 0, 1, above=True)
  if found['temperature'] == 0 and not (top_k is None and top_p is None):
    raise UserError(
        'top_k and top_p choose among tokens drawn at random: set temperature '
        'above 0, for example to 1'
    )
  if found['temperature'] > 0 and found['beams'] > 1:
    raise UserError(
        f'beam search draws nothing at random: set beams to 1 or leave '
        f'temperature={temperature} out'
    )
  return found
