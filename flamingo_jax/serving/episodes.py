# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Episodes of the shapes world, which flamingo_tiny can be shown to learn from."""

import importlib
import io
from typing import Any

import numpy as np

from flamingo_jax import html_page
from flamingo_jax import shipped
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.run_dir import model_json
from flamingo_jax.serving.refusals import Refusal, refuse

_WAYS = 2  # words of an episode
_MOST_SHOTS = 16
_MOST = {'seed': 2**31 - 1, 'shots': _MOST_SHOTS, 'shuffled': 1}


def episode(vocabulary: Vocabulary, query: dict[str, str]) -> dict[str, Any]:
  """A few-shot prompt with made-up words, its candidates and the right one.

  Args:
    vocabulary: of the model that is asked.
    query: 'seed', 'shots' and 'shuffled' (1: words stand at any picture).

  Raises:
    Refusal: the model does not know this world, or the query makes no sense.
  """
  seed, shots, is_shuffled = (
      _number(query, name, default)
      for name, default in (('seed', 0), ('shots', 4), ('shuffled', 0))
  )
  theirs = model_json.stored_vocabulary(shipped.shipped_weights())
  if vocabulary != theirs:
    raise Refusal(
        404, 'episodes are of the world of flamingo_tiny, and this is another '
        'model: start a server without --model_dir'
    )
  try:
    # What is linked into the package may be left out of an installation.
    worlds = importlib.import_module('flamingo_jax.tasks.shapes_episodes')
    drawing = importlib.import_module('flamingo_jax.tasks.shapes_drawing')
  except ImportError:
    raise Refusal(
        404, 'this installation has no flamingo_jax.tasks, which draws the '
        'episodes: install the whole package'
    ) from None
  rng = np.random.default_rng(seed)
  labels = worlds.sample_labels(rng, _WAYS, shots)
  attribute = str(rng.choice(list(worlds.ATTRIBUTES)))
  found = worlds.sample_episode(rng, _WAYS, labels, attribute)
  words = list(found.answers)
  if is_shuffled:
    words[:shots] = rng.choice(found.words, shots).tolist()
  content = []
  for scene, word in zip(found.scenes, words):
    content += [
        {'type': 'image_url', 'image_url': {'url': _png(drawing, scene)}},
        {'type': 'text', 'text': f' {word}.'},
    ]
  return {
      'content': content[:-1],  # the last word is what is asked
      'candidates': [f' {word}.' for word in found.words],
      'answer': content[-1]['text'],
      'about': attribute,
  }


def _number(query: dict[str, str], name: str, default: int) -> int:
  text = query.get(name, str(default))
  if not (text.isascii() and text.isdecimal() and len(text) < 12) or (
      int(text) > _MOST[name]
  ):
    raise refuse(name, f'{name} must be a whole number from 0 to {_MOST[name]}')
  return int(text)


def _png(drawing: Any, scene: Any) -> str:
  file = io.BytesIO()
  drawing.draw_scene(scene).save(file, 'PNG')
  return html_page.data_uri(file.getvalue(), 'png')
