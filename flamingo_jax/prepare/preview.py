# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A page that shows documents the way the model reads them."""

import os
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from flamingo_jax import html_page
from flamingo_jax.data import interleaved
from flamingo_jax.data import media as media_reader
from flamingo_jax.data.documents import Document
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary

_PIXELS = 160  # of thumbnails
_FRAMES = 4  # shown of a video
_PROBLEMS = 100  # listed
_WIDE = 150  # tokens from which a sample takes the whole width
_LEVELS = {'problems': 'bad', 'truncated': 'warn', 'left out': 'warn'}


def render(
    samples: Sequence[Document],
    title: str,
    rows: Sequence[tuple[str, str, str]],
    problems: Sequence[tuple[int, str]],
    histograms: Mapping[str, Sequence[tuple[str, int]]],
    *,
    vocabulary: Vocabulary,
    length: int,
    max_media: int,
) -> str:
  """One HTML page that needs no other file.

  The rows (what, how much, remark) stand at the top, then problems, histograms
  of how many documents there are of what, and samples whose media can be read:
  of longer ones the first `length` tokens.
  """
  return html_page.render(
      'preview.html', title=os.path.basename(os.path.abspath(title)),
      path=title, facts=rows, levels=_LEVELS, histograms=histograms,
      problems=problems, most_problems=_PROBLEMS,
      samples=[_sample(doc, vocabulary, length, max_media) for doc in samples],
  )


def _sample(
    doc: Document, vocabulary: Vocabulary, length: int, max_media: int
) -> dict[str, Any]:
  """For the template, as are those below."""
  whole = interleaved.tokenize_document(doc.parts, vocabulary)
  seen = interleaved.window(whole, length, max_media, 0)
  notes = []
  if len(seen.tokens) < len(whole.tokens):
    notes.append(f'first {length} shown')
  if len(seen.media) < len(whole.media):
    notes.append(f'{len(whole.media) - len(seen.media)} media left out')
  layout = ''
  if len(seen.tokens) > _WIDE or len(whole.media) > 3:
    layout = 'wide'
  elif len(whole.media) == 1 and whole.media[0].kind == 'image':
    layout = 'single'
  return {
      'line': doc.example_id, 'name': doc.name,
      'tokens_in_all': len(whole.tokens),
      'notes': notes, 'layout': layout,
      'figures': [
          _figure(medium, i, i <= len(seen.media))
          for i, medium in enumerate(whole.media, 1)
      ],
      'tokens': list(_tokens(seen, vocabulary)),
  }


def _hue(index: int) -> int:
  """Degrees; neighbours are far apart however many there are."""
  return round(210 + 137.5 * (index - 1)) % 360


def _figure(medium: Media, index: int, is_seen: bool) -> dict[str, Any]:
  path = medium.path
  if medium.kind == 'features':
    array = media_reader.open_features(medium)
    images = [html_page.heat_map(array)]
    frames, positions, channels = array.shape
    path += (
        f': {frames} frames of {positions} x {channels}, {array.min():g} to '
        f'{array.max():g}; from left to right the frames, from top to bottom '
        'their numbers, blue below 0 and red above'
    )
  else:
    frames = _FRAMES if medium.kind == 'video' else 1
    pixels, mask = media_reader.load_frames(medium, frames, _PIXELS, None)
    images = [html_page.photograph(frame) for frame in pixels[mask]]
  return {
      'kind': medium.kind, 'is_seen': is_seen, 'hue': _hue(index),
      'images': images, 'path': path, 'name': os.path.basename(medium.path),
  }


def _tokens(
    doc: interleaved.TokenizedDocument, vocabulary: Vocabulary
) -> Iterator[dict[str, Any]]:
  special = (vocabulary.bos_id, vocabulary.eoc_id, vocabulary.eos_id)
  media_index = doc.media_index.tolist()
  for begin, end in _characters(doc.tokens, vocabulary):
    ids, index = doc.tokens[begin:end], media_index[begin]
    # Nothing predicts the first token, and tags are given, not generated.
    is_given = begin == 0 or doc.is_tag[begin]
    is_special = ids[0] in special
    classes = {
        'blind': not index, 'given': is_given, 'special': is_special,
    }
    place = f'token {begin}'
    if end - begin > 1:
      place = f'tokens {begin} to {end - 1}'
    sees = f'medium {index}' if index else 'no medium'
    use = 'given' if is_given else 'learned'
    yield {
        'text': vocabulary.pieces(ids)[0] if is_special
                else vocabulary.decode(ids),
        'classes': ' '.join(name for name, holds in classes.items() if holds),
        'hue': _hue(index) if index else None,
        'title': f'{place}, sees {sees}, {use}',
    }


def _characters(
    tokens: np.ndarray, vocabulary: Vocabulary
) -> Iterator[tuple[int, int]]:
  """Ranges of tokens that make whole characters: rare ones take several."""
  begin = 0
  for end in range(1, len(tokens) + 1):
    is_broken = '\N{REPLACEMENT CHARACTER}' in vocabulary.decode(
        tokens[begin:end]
    )
    if not is_broken or end - begin == 4 or end == len(tokens):
      yield begin, end
      begin = end
