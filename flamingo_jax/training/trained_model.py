# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""All that the drivers know of what they train."""

from collections.abc import Mapping
from typing import Any

from flax import linen as nn
import optax

from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.typing import Array, Tree

# A flat batch: '<dataset>/<feature>' -> [B, k_d, ...]; arrays, or their shapes.
Batch = Mapping[str, Any]


class TrainedModel:
  """A network together with what training it needs.

  Attributes:
    config: the architecture; `to_dict` is what model.json says.
    module: the network.
    vocabulary: of its texts.
    optimizer: updates the trainable tree; None if nothing is trained.
    additive: whether the losses of a batch's parts add up to the batch's.
    likelihood: whether exp(loss) is a perplexity.
  """

  additive = True
  likelihood = True

  def __init__(
      self,
      config: Any,
      vocabulary: Vocabulary,
      optimizer_def: optax.GradientTransformation | None,
  ):
    """Checks that the parts fit.

    Args:
      config: the architecture.
      vocabulary: of the texts; a Flamingo's with <EOC> added.
      optimizer_def: updates the trainable tree; None if nothing is trained.

    Raises:
      UserError: the model's table of words has another size.
    """
    self.module, entries = self._build(config)
    if vocabulary.base_size != entries:
      raise UserError(
          f'the vocabulary {vocabulary.path} has {vocabulary.base_size} '
          f'entries and the language model {entries}: give the '
          'vocabulary that the language model was trained with'
      )
    self.config = self.module.config
    self.vocabulary = vocabulary
    self.optimizer = optimizer_def

  def _build(self, config: Any) -> tuple[nn.Module, int]:
    """The network and the size of its table of words."""
    raise NotImplementedError

  def initialize(self, rng: Array) -> dict[str, Any]:
    """Random {'params': ..., 'frozen_params': ...}, boxed with logical axes.

    Only the first are trained; they are float32.
    """
    raise NotImplementedError

  def prepare(self, frozen_params: Tree, batch: Batch) -> Batch:
    """The flat batch, with what needs no gradient computed once."""
    del frozen_params
    return batch

  def summed_loss(
      self, params: Tree, frozen_params: Tree, examples: Batch
  ) -> tuple[Array, Array]:
    """Summed loss of one dataset and the weight it is to be divided by.

    Args:
      params: the trainable tree, the only one that is differentiated.
      frozen_params: the frozen tree.
      examples: one dataset's features, each [B, ...].

    Returns:
      (sum of loss in nats, sum of loss weights), float32 scalars.
    """
    raise NotImplementedError
