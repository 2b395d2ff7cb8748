# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens that branch have the logits of each of their texts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.models import Branches
from flamingo_jax.models.layer_config import LayerConfig
from tests.random_weights import random_weights, tiny_config

PROMPT = jnp.array([3, 1, 4, 1, 5])
# Of the tree of branches.py.
TREE = jnp.array([7, 8, 9, 2, 6])
TEXTS = {1: [0, 1], 3: [0, 2, 3], 4: [4]}  # the last token, and all of them


@pytest.mark.parametrize('layer', [
    {'positions': 'relative'}, {'positions': 'alibi'}, {'positions': 'learned'},
    {'positions': 'rotary', 'windows': (3,)},
], ids=str)
def test_each_branch_is_as_if_it_were_alone(layer):
  config = tiny_config(
      'one_block', vocab=10, layers=1, xattn_every=1, context=16,
      layer=LayerConfig(**layer),
  )
  params = {'decoder': random_weights(config, scale=0.3)['decoder']}
  model = models.LanguageModel(
      models.LanguageModelConfig(config.decoder, config.dtype)
  )
  sees = np.eye(5, dtype=bool)
  for text in TEXTS.values():
    for i, token in enumerate(text):
      sees[token, text[:i]] = True
  branches = Branches(np.array([[0, 1, 1, 2, 0]]), sees[None])

  @jax.jit
  def run(params):
    apply = lambda *args, **options: model.apply(
        {'params': params}, *args, **options
    )
    texts = jnp.stack([
        jnp.pad(jnp.append(PROMPT, TREE[jnp.array(text)]), (0, 3 - len(text)))
        for text in TEXTS.values()
    ])
    # The shared part of a cache, and padding behind what is read.
    prefix = apply(PROMPT[None, :2], None, None, jnp.array([2]), 2,
                   method='prefill')[1]
    rest = jnp.pad(PROMPT[2:], (0, 2))[None]
    _, cache = apply(rest, None, None, jnp.array([3]), 9, prefix,
                     method='prefill')
    behind, after = apply(TREE[None], cache, branches, method='extend')
    return apply(texts), behind[0], after.position - cache.position

  whole, behind, moved = run(params)
  for row, (last, text) in enumerate(TEXTS.items()):
    np.testing.assert_allclose(
        behind[last], whole[row, 4 + len(text)], atol=1e-5
    )
  assert not moved.any()
