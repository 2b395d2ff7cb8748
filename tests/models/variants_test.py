# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The zoo: parameter counts are the paper's (tables 4 and 5)."""

import math

from flax import linen as nn
import jax
import jax.numpy as jnp
import pytest

from flamingo_jax import models
from flamingo_jax.errors import UserError


def counts(config):
  """Parameters of the published parts, by eval_shape."""
  shape = jax.ShapeDtypeStruct
  size = config.image_size
  variables = models.init_shapes(
      models.Flamingo(config).init, jax.random.key(0),
      shape((1, 4), jnp.int32), shape((1, 4), jnp.int32),
      shape((1, 1, 1, size, size, 3), jnp.uint8), shape((1, 1, 1), bool),
  )
  flat = jax.tree_util.tree_leaves_with_path(nn.unbox(variables)['params'])
  total = {'vision': 0, 'resampler': 0, 'xattn': 0, 'lm': 0}
  for path, leaf in flat:
    names = [key.key for key in path]
    if names[0] == 'vision_encoder':
      part = 'vision'
    elif names[0] == 'resampler':
      part = 'resampler'
    elif 'xattn' in names or names[1] in (
        'media_projection', 'new_token_embedding'
    ):
      part = 'xattn'
    else:
      part = 'lm'
    total[part] += math.prod(leaf.shape)
  return total


@pytest.mark.parametrize(
    'name, lm, xattn, whole',
    [
        ('flamingo_3b', '1.4', '1.2', 3.2),
        ('flamingo_9b', '7.1', '1.6', 9.3),
        ('flamingo_80b', '70', '10', 80),
    ],
)
def test_parts_have_the_published_counts(name, lm, xattn, whole):
  parts = counts(models.variants.get(name))
  digits = lambda text: len(text.partition('.')[2])
  assert f"{parts['lm'] / 1e9:.{digits(lm)}f}" == lm
  assert f"{parts['xattn'] / 1e9:.{digits(xattn)}f}" == xattn
  assert f"{parts['vision'] / 1e6:.0f}" == '435'
  assert f"{parts['resampler'] / 1e6:.0f}" == '194'
  assert sum(parts.values()) / 1e9 == pytest.approx(whole, rel=0.01)


def test_the_decoder_ends_where_the_layers_end():
  config = models.variants.get('flamingo_80b').decoder
  assert config.groups == 11 and config.tail_layers == 3  # blocks 0, 7, .. 77
  assert config.groups * config.xattn_every + config.tail_layers == 80


def test_the_table_of_the_paper_is_one_override_away():
  config = models.variants.get('flamingo_9b', {'decoder.layers': 40})
  assert config.decoder.groups == 10
  parts = counts(config)
  assert f"{parts['lm'] / 1e9:.1f}" == '8.9'  # not the published 7.1


def test_configs_survive_json():
  for name in models.variants.VARIANTS:
    config = models.variants.get(name)
    assert models.FlamingoConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    'name, overrides, words',
    [
        ('flamingo_4b', {}, 'there are flamingo_3b'),
        ('flamingo_tiny', {'decoder.depth': 3}, "no field 'depth'"),
        ('flamingo_tiny', {'vision.size': 3}, 'is a value'),
        ('flamingo_tiny', {'decoder.first': 3}, 'first is 3: of 3 layers, 0 to'),
    ],
)
def test_unknown_names_are_told(name, overrides, words):
  with pytest.raises(UserError, match=words):
    models.variants.get(name, overrides)


def test_an_architecture_of_another_version_is_refused():
  values = models.variants.get('flamingo_tiny').to_dict()
  with pytest.raises(UserError, match='colour'):
    models.FlamingoConfig.from_dict(values | {'colour': 1})
  # An earlier version wrote what its ablations differed in.
  before = values | {'resampler': values['resampler'] | {'kind': 'perceiver'}}
  before['decoder'] = values['decoder'] | {'xattn': 'dense', 'gated': True}
  assert models.FlamingoConfig.from_dict(before).to_dict() == values
  before['decoder']['xattn'] = 'vanilla'
  with pytest.raises(UserError, match="decoder.xattn is 'vanilla', as in an"):
    models.FlamingoConfig.from_dict(before)
  values['decoder'].pop('layers')
  with pytest.raises(UserError, match='layers'):
    models.FlamingoConfig.from_dict(values)
