# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A page of evaluated examples: shots, query, answer, references."""

from collections.abc import Sequence
import dataclasses
import html
from typing import Any

import numpy as np

from flamingo_jax.data.media import load_frames
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.prepare.preview import data_uri

_SHOWN = 20
_SHOTS = 8  # of an example, the last
_PIXELS = 96
CSS = '''
body { font: 15px/1.4 sans-serif; margin: 2em auto; max-width: 70em;
       padding: 0 1em; }
article { border-top: 1px solid #bbb; display: flex; flex-wrap: wrap; gap: 1em;
          padding: 1em 0; }
figure { margin: 0; width: 9em; }
figure.query { font-weight: bold; }
.answer { align-self: center; flex: 1 0 16em; }
'''


@dataclasses.dataclass(frozen=True)
class Example:
  """A query that was answered.

  Attributes:
    query: what was asked.
    shots: what its prompt showed before.
    output: the answer, or the likeliest candidate.
    value: what the metric gives it, or a word such as 'wrong'; None if it has no
      value of its own.
  """

  query: Sample
  shots: Sequence[Sample]
  output: str
  value: Any

  def to_dict(self) -> dict[str, Any]:
    """For JSON."""
    return {
        'source': self.query.source, 'text': self.query.text,
        'shots': [shot.source for shot in self.shots],
        'answers': list(self.query.answers), 'output': self.output,
        'value': self.value,
    }


def render(title: str, examples: Sequence[Example]) -> str:
  """One HTML page that needs no other file, of some examples.

  They are spread evenly from the worst to the best.
  """
  def value(example):
    return np.ravel(0.0 if example.value is None else example.value)[0]

  ranked = sorted(examples, key=value)
  places = np.linspace(0, len(ranked) - 1, min(_SHOWN, len(ranked)))
  articles = '\n'.join(article(ranked[int(place)]) for place in places)
  return f'''<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<style>{CSS}</style>
<h1>{html.escape(title)}</h1>
<p>{len(places)} of {len(examples)} examples, the worst first.</p>
{articles}
</html>
'''


def article(example: Example) -> str:
  """An example as a part of a page that has CSS."""
  figures = [
      _figure(shot, f'{shot.text} {shot.answers[0]}', 'shot')
      for shot in example.shots[-_SHOTS:]
  ]
  left_out = len(example.shots) - len(figures)
  more = f'<p>{left_out} shots before</p>' if left_out else ''
  query = example.query
  references = html.escape(' · '.join(dict.fromkeys(query.answers)))
  value = '' if example.value is None else '<br>' + (
      example.value if isinstance(example.value, str)
      else f'score: {example.value}'
  )
  return (
      f'<article>{more}{"".join(figures)}{_figure(query, query.text, "query")}'
      f'<p class="answer"><b>{html.escape(example.output) or "(nothing)"}</b>'
      f'<br>expected: {references}{value}<br>{html.escape(query.source)}</p>'
      '</article>'
  )


def _figure(sample: Sample, text: str, kind: str) -> str:
  images = []
  for medium in sample.media:
    try:
      pixels, _ = load_frames(medium, 1, _PIXELS, None)
    except UserError as error:
      images.append(html.escape(str(error)))
    else:
      images.append(f'<img src="{data_uri(pixels[0])}" alt="">')
  return (
      f'<figure class="{kind}">{"".join(images)}'
      f'<figcaption>{html.escape(text)}</figcaption></figure>'
  )
