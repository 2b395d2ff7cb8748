# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A page that shows documents the way the model reads them."""

import base64
import html
import importlib.resources
import io
import os
from typing import Iterator, Mapping, Sequence

import numpy as np
import PIL.Image

from flamingo_jax.data import interleaved
from flamingo_jax.data import media as media_reader
from flamingo_jax.data.documents import Document
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary

_PIXELS = 160  # of thumbnails
_FRAMES = 4  # shown of a video
_PROBLEMS = 100  # listed
_WIDE = 150  # tokens from which a sample takes the whole width

_LEGEND = (
    'Pictures and text as the model gets them. The colour of a token is that of'
    ' the image or video it sees, gray sees none; underlined tokens are'
    ' learned, the others are given. Point at a token to read more.'
)


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

  Args:
    samples: documents whose media can be read.
    title: of the data set.
    rows: (what, how much, remark), shown at the top.
    problems: (line, sentence).
    histograms: of each title, (what, how many documents).
    vocabulary: of the language model.
    length: L, tokens of a training example; longer samples show the first L.
    max_media: M, media of a training example.
  """
  css = importlib.resources.files('flamingo_jax') / 'assets/preview.css'
  cards = '\n'.join(
      _card(doc, vocabulary, length, max_media) for doc in samples
  )
  bars = ''.join(_bars(*histogram) for histogram in histograms.items())
  return f'''<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(os.path.basename(title))}</title>
<style>
{css.read_text(encoding='utf-8')}</style>
<h1>{html.escape(os.path.basename(title))}</h1>
<p>{html.escape(title)}</p>
<dl class="facts">{''.join(map(_fact, rows))}</dl>
<div class="histograms">{bars}</div>
{_problem_list(problems)}
<h2>{len(samples)} sample{'' if len(samples) == 1 else 's'}</h2>
<p class="legend">{_LEGEND}</p>
<div class="samples">
{cards}
</div>
</html>
'''


def _fact(row: tuple[str, str, str]) -> str:
  what, amount, remark = row
  level = ''
  if amount != '0':
    level = {'problems': 'bad', 'truncated': 'warn', 'left out': 'warn'}.get(
        what, ''
    )
  return (
      f'<div class="{level}"><dt>{what}</dt><dd>{amount}</dd>'
      f'<dd>{html.escape(remark)}</dd></div>'
  )


def _bars(title: str, counts: Sequence[tuple[str, int]]) -> str:
  most = max((count for _, count in counts), default=1) or 1
  rows = ''.join(
      f'<dt>{what}</dt><dd><span style="--share:{count / most:.3f}"></span>'
      f'{count:,}</dd>' for what, count in counts
  )
  return f'<section><h2>{title}</h2><dl>{rows}</dl></section>'


def _problem_list(problems: Sequence[tuple[int, str]]) -> str:
  if not problems:
    return ''
  items = [
      f'<li><b>{f"line {line}" if line else "file"}</b> {html.escape(problem)}'
      for line, problem in problems[:_PROBLEMS]
  ]
  if len(problems) > _PROBLEMS:
    items.append(f'<li>and {len(problems) - _PROBLEMS:,} more')
  return f'<h2>Problems</h2>\n<ul class="problems">{"".join(items)}</ul>'


def _card(
    doc: Document, vocabulary: Vocabulary, length: int, max_media: int
) -> str:
  whole = interleaved.tokenize_document(doc.parts, vocabulary)
  seen = interleaved.window(whole, length, max_media, 0)
  notes = [f'{len(whole.tokens)} tokens']
  if len(seen.tokens) < len(whole.tokens):
    notes.append(f'<span class="note">first {length} shown</span>')
  if len(seen.media) < len(whole.media):
    unseen = len(whole.media) - len(seen.media)
    notes.append(f'<span class="note">{unseen} media left out</span>')
  layout = ''
  if len(seen.tokens) > _WIDE or len(whole.media) > 3:
    layout = 'wide'
  elif len(whole.media) == 1 and whole.media[0].kind == 'image':
    layout = 'single'
  figures = ''.join(
      _figure(medium, i, i <= len(seen.media))
      for i, medium in enumerate(whole.media, 1)
  )
  return (
      f'<article class="sample {layout}">'
      f'<header><b>line {doc.example_id}</b> {" ".join(notes)}</header>'
      f'<div class="reading"><div class="media">{figures}</div>'
      f'<div class="text">{"".join(_tokens(seen, vocabulary))}</div></div>'
      '</article>'
  )


def _hue(index: int) -> int:
  """Degrees; neighbours are far apart however many there are."""
  return round(210 + 137.5 * (index - 1)) % 360


def _figure(medium: Media, index: int, is_seen: bool) -> str:
  frames = _FRAMES if medium.kind == 'video' else 1
  pixels, mask = media_reader.load_frames(medium, frames, _PIXELS, None)
  images = ''.join(f'<img src="{data_uri(p)}" alt="">' for p in pixels[mask])
  name = html.escape(os.path.basename(medium.path))
  classes = medium.kind if is_seen else f'{medium.kind} unseen'
  number = f'<b>{index}</b> ' if is_seen else ''
  return (
      f'<figure class="{classes}" style="--hue:{_hue(index)}">'
      f'<div>{images}</div><figcaption title="{html.escape(medium.path)}">'
      f'{number}{name}</figcaption></figure>'
  )


def data_uri(pixels: np.ndarray) -> str:
  """uint8[h w 3] as the source of an <img>."""
  buffer = io.BytesIO()
  PIL.Image.fromarray(pixels).save(buffer, 'JPEG', quality=85)
  encoded = base64.b64encode(buffer.getvalue()).decode()
  return f'data:image/jpeg;base64,{encoded}'


def _tokens(
    doc: interleaved.TokenizedDocument, vocabulary: Vocabulary
) -> Iterator[str]:
  special = (vocabulary.bos_id, vocabulary.eoc_id, vocabulary.eos_id)
  media_index = doc.media_index.tolist()
  for begin, end in _characters(doc.tokens, vocabulary):
    ids, index = doc.tokens[begin:end], media_index[begin]
    classes, style, sees = ['t'], '', 'no medium'
    if index:
      style, sees = f' style="--hue:{_hue(index)}"', f'medium {index}'
    else:
      classes.append('blind')
    # Nothing predicts the first token, and tags are given, not generated.
    is_given = begin == 0 or doc.is_tag[begin]
    classes += ['given'] if is_given else []
    text = vocabulary.decode(ids)
    if ids[0] in special:
      classes.append('special')
      text = vocabulary.pieces(ids)[0]
    place = f'token {begin}'
    if end - begin > 1:
      place = f'tokens {begin} to {end - 1}'
    use = 'given' if is_given else 'learned'
    yield (
        f'<span class="{" ".join(classes)}"{style}'
        f' title="{place}, sees {sees}, {use}">{_visible(text)}</span>'
    )


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


def _visible(text: str) -> str:
  return html.escape(text).replace('\n', '\N{RETURN SYMBOL}<br>')
