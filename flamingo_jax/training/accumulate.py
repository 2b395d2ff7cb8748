# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients of several datasets, one after the other (Flamingo §2.4)."""

from collections.abc import Callable, Mapping
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.sharding import batch_parts
from flamingo_jax.training.trained_model import Batch, TrainedModel
from flamingo_jax.typing import Array, Tree


def split_batch(batch: Batch) -> dict[str, dict[str, Any]]:
  """Flat batch -> {dataset: {feature: [B * k_d, ...]}}, datasets sorted."""
  datasets: dict[str, dict[str, Any]] = {}
  for key in sorted(batch):
    dataset, feature = key.rsplit('/', 1)
    x = batch[key]
    datasets.setdefault(dataset, {})[feature] = x.reshape(-1, *x.shape[2:])
  return datasets


def _gradients(
    model: TrainedModel,
    params: Tree,
    frozen_params: Tree,
    examples: Batch,
    loss_weight: float,
    num_microbatches: int,
) -> tuple[Tree, Array, Array]:
  """(gradient of loss_weight * mean loss, summed loss, weight) of a dataset."""

  def forward(part: Batch) -> tuple[Array, Callable[[Array], Any], Array]:
    """Summed loss, the function from its gradient to that of params, weight."""
    return jax.vjp(
        lambda params: model.summed_loss(params, frozen_params, part), params,
        has_aux=True,
    )

  def scale(weight: Array) -> Array:
    exists = weight > 0
    return jnp.where(exists, loss_weight / jnp.where(exists, weight, 1.0), 0.0)

  if num_microbatches == 1:
    # The weight is known before the way back: nothing is scaled behind it.
    loss, pull, weight = forward(examples)
    return pull(scale(weight))[0], loss, weight
  check_microbatches(len(examples['tokens']), num_microbatches)
  # Rows are dealt out like cards: microbatch i takes rows i, i + n, ... so a
  # batch sharded over devices gives every device its share of each microbatch.
  parts = jax.tree.map(
      lambda x: jnp.moveaxis(
          x.reshape(-1, num_microbatches, *x.shape[1:]), 1, 0
      ),
      dict(examples),
  )

  def add(total, part):
    loss, pull, weight = forward(part)
    new = pull(jnp.ones_like(loss))[0], loss, weight
    return jax.tree.map(jnp.add, total, new), None

  zeros = jax.tree.map(
      jnp.zeros_like, (params, jnp.float32(0), jnp.float32(0))
  )
  grads, loss, weight = jax.lax.scan(add, zeros, parts)[0]
  return jax.tree.map(lambda g: scale(weight) * g, grads), loss, weight


def check_microbatches(rows: int, num_microbatches: int) -> None:
  """Raises UserError if a dataset's examples don't make even microbatches.

  Of each microbatch every device gets its share: otherwise some would compute
  what others do too.

  Args:
    rows: examples of a dataset in a batch, over all hosts.
    num_microbatches: parts they are cut into.
  """
  mesh, rules = jax.sharding.get_abstract_mesh(), nn.get_logical_axis_rules()
  devices = 1 if mesh.empty or not rules else batch_parts(mesh, rules)
  if rows % (num_microbatches * devices):
    sizes = [
        str(n) for n in range(1, rows + 1) if rows % (n * devices) == 0
    ]
    raise UserError(
        f'{rows} examples of a dataset cannot be cut into {num_microbatches} '
        f'microbatches over {devices} devices; numbers of microbatches that '
        f'can be are {", ".join(sizes)}'
    )


def compute_gradients(
    model: TrainedModel,
    params: Tree,
    frozen_params: Tree,
    batch: Batch,
    weights: Mapping[str, float],
    num_microbatches: int = 1,
) -> tuple[Tree, dict[str, Array]]:
  """Gradient of sum_d weights[d] * mean loss of dataset d (Flamingo eq. 2).

  Datasets are visited one at a time: an optimization barrier lets the next one
  start only when the gradient of the last is done. Compiled for a TPU, the step
  then needs memory for the activations of a single dataset
  (tests/planning/accumulate_test.py; without the barrier, for those of all). On
  CPUs the barrier changes nothing: there it is always those of all.

  Args:
    model: what is trained.
    params: the trainable tree; the result has its structure.
    frozen_params: the frozen tree; it gets no gradient.
    batch: flat, '<dataset>/<feature>' -> [B, k_d, ...].
    weights: the paper's lambda of each dataset.
    num_microbatches: parts that every dataset's B * k_d examples are cut into;
      the result is the same for any number that divides them.

  Returns:
    (gradients, metrics) with metrics '<dataset>/loss_sum' and
    '<dataset>/weight', whose quotient is the dataset's mean loss. A dataset
    whose weights are all 0 contributes nothing.

  Raises:
    UserError: microbatches of a loss that is not the sum of its parts.
  """
  if num_microbatches > 1 and not model.additive:
    raise UserError(
        f'Trainer.num_microbatches is {num_microbatches}, and in a contrastive '
        'loss every example of a batch is compared with every other: leave it '
        'at None and use more devices or a smaller batch'
    )
  total, metrics = None, {}
  batch = model.prepare(frozen_params, batch)
  for dataset, examples in split_batch(batch).items():
    examples, total = jax.lax.optimization_barrier((examples, total))
    grads, loss_sum, weight = _gradients(
        model, params, frozen_params, examples, weights[dataset],
        num_microbatches,
    )
    total = jax.tree.map(jnp.add, total, grads) if metrics else grads
    metrics[f'{dataset}/loss_sum'] = loss_sum
    metrics[f'{dataset}/weight'] = weight
  return total, metrics
