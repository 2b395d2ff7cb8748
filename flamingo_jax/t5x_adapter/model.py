# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The models as t5x wants them: losses, metrics, and axes of parameters."""

from collections.abc import Mapping
from typing import Any

import clu.metrics
import flax.core
import flax.struct
from flax import traverse_util
import flax.linen as nn
from flax.linen import partitioning
import jax.numpy as jnp
import optax
from t5x import metrics as t5x_metrics
from t5x import models as t5x_models
from t5x import optimizers

from flamingo_jax import decoding
from flamingo_jax.data.seqio_vocabulary import SeqioVocabulary
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.examples import FeatureConverter
from flamingo_jax.evaluation.fewshot import BEAMS
from flamingo_jax.models import Branches, ContrastiveConfig, FlamingoConfig
from flamingo_jax.predictor import programs
from flamingo_jax.training import trained_model
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.typing import Array, Tree


@flax.struct.dataclass
class Perplexity(clu.metrics.Average):
  """The exponential of a mean loss."""

  def compute(self) -> Array:
    """exp(sum / weight)."""
    return jnp.exp(super().compute())


class _T5xModel(t5x_models.BaseTransformerModel):
  """What t5x asks of every model, on top of `trained_model.TrainedModel`.

  Frozen weights are the collection 'frozen_params', which t5x keeps in
  `train_state.flax_mutables`: out of reach of gradients and optimizer.
  """

  FEATURE_CONVERTER_CLS = FeatureConverter

  def __init__(
      self,
      config: FlamingoConfig | ContrastiveConfig,
      vocabulary: Vocabulary,
      optimizer_def: optax.GradientTransformation | None,
  ):
    """As for the built-in driver."""
    trained_model.TrainedModel.__init__(self, config, vocabulary, optimizer_def)
    t5x_models.BaseTransformerModel.__init__(
        self,
        module=self.module,
        input_vocabulary=SeqioVocabulary(lambda: vocabulary),
        output_vocabulary=SeqioVocabulary(lambda: vocabulary),
        optimizer_def=optimizers.OptaxWrapper(optimizer_def),
    )

  def get_initial_variables(
      self,
      rng: Array,
      input_shapes: Mapping[str, Any],
      input_types: Mapping[str, Any] | None = None,
  ) -> flax.core.FrozenDict:
    """'params', 'frozen_params', and their logical axes in '..._axes'.

    Args:
      rng: of the random weights.
      input_shapes: not used: no parameter's shape depends on the data.
      input_types: not used.
    """
    del input_shapes, input_types
    # t5x fails on a collection without leaves.
    boxed = {k: x for k, x in self.initialize(rng).items() if x}
    axes = {f'{name}_axes': params_axes(tree) for name, tree in boxed.items()}
    return flax.core.freeze(nn.unbox(boxed) | axes)

  def loss_fn(
      self,
      params: Tree,
      batch: Mapping[str, Array],
      dropout_rng: Array | None,
      flax_mutables: Tree | None = None,
  ) -> tuple[Array, tuple[dict[str, clu.metrics.Metric], Tree]]:
    """Mean loss of one dataset's un-prefixed batch, (metrics, mutables).

    Training differentiates `accumulate.compute_gradients` instead, which
    weights several datasets; this is what evaluation computes.
    """
    del dropout_rng  # the model has no dropout
    loss, metrics = self.eval_fn(params, batch, flax_mutables)
    return loss, (metrics, flax_mutables)

  def eval_fn(
      self,
      params: Tree,
      batch: Mapping[str, Array],
      flax_mutables: Tree | None = None,  # t5x gives none if nothing is frozen
  ) -> tuple[Array, dict[str, clu.metrics.Metric]]:
    """Mean loss of one dataset's un-prefixed batch in nats, metrics."""
    frozen_params = (flax_mutables or {}).get('frozen_params', {})
    loss, weight = self.summed_loss(params, frozen_params, batch)
    metrics = {'loss': clu.metrics.Average(loss, weight)}
    if self.likelihood:
      metrics['perplexity'] = Perplexity(loss, weight)
    return loss / weight, metrics

  def _compute_logits(self, *args: Any, **kwargs: Any) -> Array:
    raise NotImplementedError('losses come from summed_loss')

  def predict_batch(self, *args: Any, **kwargs: Any) -> Array:
    """t5x's decoding, which only Flamingo has."""
    raise UserError(f'{type(self).__name__} is trained, not decoded with t5x')

  predict_batch_with_aux = score_batch = predict_batch


class LanguageModel(_T5xModel, trained_model.LanguageModel):
  """The model of the built-in driver with t5x's interface."""


class ContrastiveModel(_T5xModel, trained_model.ContrastiveModel):
  """The model of the built-in driver with t5x's interface."""


class FlamingoModel(_T5xModel, trained_model.FlamingoModel):
  """The model of the built-in driver with t5x's interface."""

  def predict_batch(
      self,
      params: Tree,
      batch: Mapping[str, Array],
      rng: Array | None = None,
      flax_mutables: Tree | None = None,
  ) -> Array:
    """int32[B n]: what the model says after each prompt, padded with <EOC>."""
    tokens, _ = self.predict_batch_with_aux(params, batch, rng, flax_mutables)
    return tokens

  def predict_batch_with_aux(
      self,
      params: Tree,
      batch: Mapping[str, Array],
      rng: Array | None = None,
      flax_mutables: Tree | None = None,
  ) -> tuple[Array, dict[str, Array]]:
    """`predict_batch`, and the answers' log-probabilities as 'scores' [B]."""
    del rng  # beam search draws nothing
    params = merge_params(params, _frozen(flax_mutables))
    room = batch['targets'].shape[1]
    decoded = programs.beam_search(
        self.module, params, (None, room), self._rows(params, batch), room=room,
        beams=BEAMS, stop=self.vocabulary.eoc_id,
        never=tuple(self.vocabulary.given_ids),
    )
    return decoded.tokens, {'scores': decoded.log_probs}

  def score_batch(
      self,
      params: Tree,
      batch: Mapping[str, Array],
      return_intermediates: bool = False,
      flax_mutables: Tree | None = None,
  ) -> Array:
    """float32[B]: the log-likelihood of each candidate, in nats."""
    assert not return_intermediates
    params = merge_params(params, _frozen(flax_mutables))
    rows = self._rows(params, batch)
    tokens, length = batch['targets'], batch['lengths'][:, 1:]
    size, room = tokens.shape
    steps = jnp.broadcast_to(jnp.arange(room), (size, 1, room))
    before = steps[..., :-1]
    chain = decoding.Candidates(
        read=tokens[:, None, :-1],
        branches=Branches(before, before[..., None, :] <= before[..., None]),
        parent=steps, token=tokens[:, None],
    )
    # All rows at once: t5x splits them over the mesh.
    log_probs = programs.score(
        self.module, params, None, (rows, chain), room=room, groups=size
    )[:, 0]
    return jnp.sum(log_probs * (steps[:, 0] < length), axis=1)

  def _rows(
      self, params: Tree, batch: Mapping[str, Array]
  ) -> tuple[decoding.Prompts, Array]:
    """What the Predictor's programs read of `evaluation.examples`."""
    prompts = decoding.Prompts(
        tokens=batch['tokens'],
        lengths=batch['lengths'][:, 0],
        media_index=batch['media_index'],
    )
    return prompts, decoding.encode_media(
        self.module, params, batch['media'], batch['media_mask']
    )


def _frozen(flax_mutables: Tree) -> Tree:
  """The frozen tree; t5x leaves out one that is empty."""
  return flax_mutables.get('frozen_params', {})


def params_axes(boxed: Tree) -> Tree:
  """The axes of boxed parameters, as `param_with_axes` would have sown them."""
  is_box = lambda x: isinstance(x, nn.LogicallyPartitioned)
  flat = traverse_util.flatten_dict(boxed, is_leaf=lambda _, x: is_box(x))
  return traverse_util.unflatten_dict({
      (*path[:-1], f'{path[-1]}_axes'): partitioning.AxisMetadata(box.names)
      for path, box in flat.items()
  })


def step_metrics(
    metrics: Mapping[str, Array], loss_weights: Mapping[str, float]
) -> dict[str, clu.metrics.Metric]:
  """What `gradients_and_metrics` returns, under the built-in driver's names.

  Args:
    metrics: scalars of one step.
    loss_weights: the paper's lambda of each dataset.

  Returns:
    loss/<dataset> in nats per target token, loss (their sum weighted by
    lambda), grad_norm before clipping, tokens_per_second (targets with a loss
    weight) and images_per_second, if there are media, averaged by t5x over the
    steps of a line.
  """
  sums = {name: metrics[f'{name}/loss_sum'] for name in loss_weights}
  weights = {name: metrics[f'{name}/weight'] for name in loss_weights}
  per_step = t5x_metrics.AveragePerStep.from_model_output
  per_second = lambda x: t5x_metrics.TimeRate.from_model_output(numerator=x)
  # A dataset that had no turn (round_robin) adds nothing.
  loss = sum(
      loss_weights[name] * sums[name] / jnp.maximum(weights[name], 1e-9)
      for name in loss_weights
  )
  return {
      f'loss/{name}': clu.metrics.Average(sums[name], weights[name])
      for name in loss_weights
  } | {
      'loss': per_step(loss),
      'grad_norm': per_step(metrics['grad_norm']),
  } | {
      f'{key}_per_second': per_second(metrics[key])
      for key in ('tokens', 'images') if key in metrics
  }
