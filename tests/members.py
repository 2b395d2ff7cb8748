# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every member of the zoo, its language model alone, and other towers."""

import functools
import math

import jax
import jax.numpy as jnp

from flamingo_jax import models
from flamingo_jax.models import contrastive
from flamingo_jax.models.vision import picture_size
from flamingo_jax.training.partitioner import Partitioner

_SHAPE = jax.ShapeDtypeStruct
TEXT = _SHAPE((1, 4), jnp.int32)
EIGHT = {'replica': 2, 'fsdp': 2, 'model': 2}
_SIX = {'replica': 1, 'fsdp': 2, 'model': 3}  # SmolLM2 has 9 heads and 3 of keys

MEMBERS = {}  # its module, and what that is called with
for _name, _config in models.variants.VARIANTS.items():
  _size = picture_size(_config.vision, _config.image_size)
  _frames = (1, 1, _size.squaring.places)
  MEMBERS[_name] = models.Flamingo(_config), (
      TEXT, TEXT, _SHAPE((*_frames, _size, _size, 3), jnp.uint8),
      _SHAPE(_frames, bool),
  )
  MEMBERS[f'{_name} alone'] = models.LanguageModel(
      models.LanguageModelConfig(_config.decoder, _config.dtype)
  ), (TEXT,)
# A public vision encoder, of all that there is.
_vit = models.VisionEncoderConfig(models.ViTConfig(
    patch=4, layers=2, width=64, heads=4, class_token=True, registers=3,
    patch_bias=True, pre_norm=True, bias=True, layer_scale=True, gated=True,
), 16)
MEMBERS['vit'] = models.VisionEncoder(_vit), (_SHAPE((1, 16, 16, 3), jnp.uint8),)
for _name, _config in contrastive.CONTRASTIVE.items():
  _pixels = (1, _config.image_size, _config.image_size, 3)
  MEMBERS[_name] = models.DualTower(_config), (
      _SHAPE(_pixels, jnp.uint8), TEXT, _SHAPE((1, 4), bool)
  )


def mesh_of(name):
  """Of devices that are here."""
  return _SIX if 'smollm2' in name else EIGHT


@functools.cache
def boxed_params(name):
  """Of a member, traced with rules in use: constraints want theirs too."""
  module, inputs = MEMBERS[name]
  mesh = mesh_of(name)
  devices = jax.devices()[: math.prod(mesh.values())]
  with Partitioner(mesh, 'fsdp_sequence_parallel', devices).rules_in_use():
    return models.init_shapes(module.init, jax.random.key(0), *inputs)['params']
