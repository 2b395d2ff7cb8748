# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model evaluated through `flamingo serve` answers as it does here."""

import numpy as np

from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.endpoint import Endpoint
from flamingo_jax.evaluation.endpoint_client import Client
from flamingo_jax.tasks.shapes_bind import ShapesEpisodes


def test_episodes_get_the_answers_and_scores_that_they_get_here(client, model):
  endpoint = Endpoint(
      Client(f'http://127.0.0.1:{client.port}/v1'), 'flamingo_tiny'
  )
  assert endpoint.ranks_by == 'candidates'
  asked = [
      prompts.join(episode.supports[:4], episode.query)
      for episode in map(ShapesEpisodes(2, 4, 'validation').__getitem__, range(2))
  ]
  # A prompt of texts, and a query behind it.
  words = ['Output: ', 'zupo.', END_OF_CHUNK, 'Output: ', 'kiva.', END_OF_CHUNK]
  options = {'batch_size': 2, 'prefix': []}
  said = dict(max_new_tokens=5, beams=1, **options)
  texts = [*words, *asked[0][-1:], 'Output:']
  assert endpoint.generate([texts, asked[0]], **said) == model.generate(
      [texts, asked[0]], **said
  )
  candidates = ['zupo.', 'kiva.', 'bafu.']
  scores = model.score(asked, candidates, separator=' ', **options)
  found = endpoint.score(asked, candidates, separator=' ', **options)
  np.testing.assert_allclose(found, scores, atol=1e-4)
  behind = endpoint.score(
      [asked[0][-1:]], candidates, separator=' ', batch_size=1,
      prefix=asked[0][:-1],
  )
  np.testing.assert_allclose(behind, scores[:1], atol=1e-4)
