# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""FlamingoModel: what a run trains - architecture, vocabulary, optimizer."""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import optax

from flamingo_jax import models, sharding
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.training.trainable import split_params
from flamingo_jax.typing import Array


def _as_frozen(box: nn.LogicallyPartitioned) -> nn.LogicallyPartitioned:
  """Lets rules split a width of frozen weights in a way of its own."""
  names = ('frozen_embed' if n == 'embed' else n for n in box.names)
  return box.replace(names=tuple(names))


class FlamingoModel:
  """A network together with what training it needs."""

  def __init__(
      self,
      config: models.FlamingoConfig,
      vocabulary: Vocabulary,
      optimizer_def: optax.GradientTransformation | None,
  ):
    """Checks that the parts fit.

    Args:
      config: the architecture.
      vocabulary: of the frozen language model, with <EOC> added.
      optimizer_def: updates the trainable tree; None if nothing is trained.

    Raises:
      UserError: the table of the language model has another size.
    """
    if vocabulary.base_size != config.decoder.vocab:
      raise UserError(
          f'the vocabulary {vocabulary.path} has {vocabulary.base_size} '
          f'entries and the language model {config.decoder.vocab}: give the '
          'vocabulary that the language model was trained with'
      )
    self.config = config
    self.vocabulary = vocabulary
    self.optimizer = optimizer_def
    self.module = models.Flamingo(config)

  def initialize(self, rng: Array) -> dict[str, Any]:
    """Random {'params': ..., 'frozen_params': ...}, boxed with logical axes.

    Parameters are float32; the frozen ones have the config's `frozen_dtype`.
    """
    size = self.config.image_size
    variables = self.module.init(
        rng,
        jnp.zeros((1, 1), jnp.int32),
        jnp.ones((1, 1), jnp.int32),
        jnp.zeros((1, 1, 1, size, size, 3), jnp.uint8),
        jnp.ones((1, 1, 1), bool),
    )
    params, frozen_params = split_params(variables['params'])
    frozen_params = jax.tree.map(
        lambda x: x.astype(self.config.frozen_dtype), frozen_params
    )
    frozen_params = jax.tree.map(
        _as_frozen, frozen_params, is_leaf=sharding.is_boxed
    )
    return {'params': params, 'frozen_params': frozen_params}
