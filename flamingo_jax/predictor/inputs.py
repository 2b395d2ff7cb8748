# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What users pass to a model: checked, tokenized and padded."""

from collections.abc import Mapping, Sequence
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
from flamingo_jax.predictor import shapes
from flamingo_jax.typing import Float

Prompt = Sequence[str | Media | EndOfChunk]

_MOST_BEAMS = 256
_EXAMPLE = "[fj.image('a.jpg'), 'Output:']"


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


def as_one(prompt: Any) -> Prompt:
  """The parts of a prompt without its empty texts.

  Raises:
    UserError: as of `as_list`, and for several.
  """
  prompts, is_single = as_list(prompt)
  if is_single:
    return prompts[0]
  raise UserError(
      f'one prompt is read at a time, a list of parts, and not {len(prompts)}'
  )


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
      group=shapes.bucket(
          max(d.last_group for d in documents)
      ) if groups else 0,
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


def draws(
    options: Mapping[str, Any], vocab: int
) -> dict[str, float | int] | None:
  """How tokens are drawn, of checked options; None: none is."""
  if not options['temperature']:
    return None
  return {
      'temperature': options['temperature'],
      # More than all is all.
      'top_k': min(options['top_k'] or 0, vocab),
      'top_p': options['top_p'] or 1.0,
  }
