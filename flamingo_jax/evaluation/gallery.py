# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A page of evaluated examples: shots, query, answer, references."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from flamingo_jax import html_page
from flamingo_jax.data.media import load_frames, open_features
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Sample

_SHOWN = 20
_SHOTS = 8  # of an example, the last
_PIXELS = 96


@dataclasses.dataclass(frozen=True)
class Example:
  """A query that was answered."""

  query: Sample  # what was asked
  shots: Sequence[Sample]  # what its prompt showed before
  output: str  # the answer, or the likeliest candidate
  # What the metric gives it, or a word such as 'wrong'; None if it has no value
  # of its own.
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
  return html_page.render(
      'examples.html', title=title, total=len(examples),
      examples=[shown(ranked[int(place)]) for place in places],
  )


def shown(example: Example) -> dict[str, Any]:
  """What the template `example.html` shows of an example."""
  shots, query = example.shots[-_SHOTS:], example.query
  return {
      'left_out': len(example.shots) - len(shots),
      'shots': [
          (_pictures(shot), f'{shot.text} {shot.answers[0]}') for shot in shots
      ],
      'pictures': _pictures(query), 'text': query.text,
      'output': example.output, 'value': example.value,
      'references': ' · '.join(dict.fromkeys(query.answers)),
      'source': query.source,
  }


def _pictures(sample: Sample) -> list[tuple[str, str]]:
  """(source of an <img>, why there is none) of each medium."""
  pictures = []
  for medium in sample.media:
    try:
      if medium.kind == 'features':
        picture = html_page.heat_map(open_features(medium))
      else:
        pixels, _ = load_frames(medium, 1, _PIXELS, None)
        picture = html_page.photograph(pixels[0])
    except UserError as error:
      pictures.append(('', str(error)))
    else:
      pictures.append((picture, ''))
  return pictures
