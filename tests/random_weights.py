# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Small models, and weights under which their logits show all they can do."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import models
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.models import nfnet
from flamingo_jax.models.vision import picture_size
from flamingo_jax.run_dir import checkpoint, model_json
from flamingo_jax.training.train_step import TrainState

# With random weights, what pictures differ in gets through this one.
nfnet.NFNETS['four_blocks'] = nfnet.NFNetConfig(
    depths=(1, 1, 1, 1), widths=(32, 64, 96, 96), strides=(1, 2, 2, 1),
    stem=(8, 16, 16, 32), group_width=16,
)
# This one compiles soon.
nfnet.NFNETS['one_block'] = nfnet.NFNetConfig(
    depths=(1,), widths=(32,), strides=(2,), stem=(8, 16), group_width=16
)

# Overrides of the model of any gin file, so that it compiles soon.
SMALL = {
    'decoder.layers': 1, 'decoder.width': 16, 'decoder.heads': 2,
    'decoder.head_size': 8, 'resampler.layers': 1, 'resampler.width': 16,
    'resampler.heads': 2, 'resampler.head_size': 8,
}
# And where its towers are its own, not those that are shipped.
ONE_BLOCK = SMALL | {
    'resampler.latents': 4, 'image_size': 16, 'vision': 'one_block'
}


def tiny_config(vision='four_blocks', **decoder):
  """A Flamingo that compiles soon; `decoder` are a DecoderConfig's fields."""
  return models.FlamingoConfig(
      vision=vision,
      resampler=models.ResamplerConfig(
          layers=1, width=16, heads=2, head_size=8, latents=3, frames=2
      ),
      decoder=models.DecoderConfig(width=16, heads=2, head_size=8, **decoder),
      image_size=16,
      dtype='float32',
      frozen_dtype='float32',
  )


@functools.lru_cache
def _shapes(config: models.FlamingoConfig):
  spec = jax.ShapeDtypeStruct
  size = picture_size(config.vision, config.image_size)
  return nn.unbox(models.init_shapes(
      config.build().init, jax.random.key(0),
      spec((1, 1), jnp.int32), spec((1, 1), jnp.int32),
      spec((1, 1, 1, *size.shape), size.dtype), spec((1, 1, 1), jnp.bool_),
  ))['params']


def random_weights(config: models.FlamingoConfig, scale: float):
  """The parameter tree with open gates, drawn without compiling anything."""
  rng = np.random.default_rng(2)

  def leaf(path, x):
    name = jax.tree_util.keystr(path)
    noise = rng.normal(size=x.shape).astype(np.float32)
    if 'gate' in name:
      return np.ones(x.shape, np.float32)
    if 'final_norm' in name:  # far apart, so that some tokens are preferred
      return 2 + 0.2 * noise
    if "'scale'" in name or "'gain'" in name:
      return 1 + 0.2 * noise
    return scale * noise

  return jax.device_put(
      jax.tree_util.tree_map_with_path(leaf, _shapes(config))
  )


def save_run(
    folder, config, step, params, frozen_params, max_media=1, frames=1,
    vocabulary=None,
):
  """Writes the MODEL_DIR of a run that stands at `step`."""
  checkpoints = checkpoint.Checkpoints(folder)
  checkpoints.save(
      step, TrainState(jnp.int32(step), params, opt_state={}), {}, None
  )
  checkpoints.close()
  checkpoint.save_frozen(folder, frozen_params)
  model_json.write_model_json(
      folder, config, vocabulary or default_vocabulary(), max_media, frames
  )
