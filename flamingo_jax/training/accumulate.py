# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients of several datasets, one after the other (Flamingo §2.4)."""

from collections.abc import Mapping
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.losses import weighted_cross_entropy
from flamingo_jax.sharding import batch_parts
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.typing import Array, Tree

# A flat batch: '<dataset>/<feature>' -> [B, k_d, ...]; arrays, or their shapes.
Batch = Mapping[str, Any]


def split_batch(batch: Batch) -> dict[str, dict[str, Any]]:
  """Flat batch -> {dataset: {feature: [B * k_d, ...]}}, datasets sorted."""
  datasets: dict[str, dict[str, Any]] = {}
  for key in sorted(batch):
    dataset, feature = key.rsplit('/', 1)
    x = batch[key]
    datasets.setdefault(dataset, {})[feature] = x.reshape(-1, *x.shape[2:])
  return datasets


def encode_media(model: nn.Module, frozen_params: Tree, batch: Batch) -> Batch:
  """Replaces all '<dataset>/media' of a batch by '<dataset>/features'.

  The vision encoder runs once, over the media of all datasets together, which
  costs a quarter of the compilation and needs no backward pass. Features are
  600 kB a picture, small beside what a dataset's activations take.

  Args:
    model: a `flamingo_jax.models.Flamingo`.
    frozen_params: the frozen tree.
    batch: flat, [B, k_d, M, T, h, w, 3] for media. Pictures of one size are
      encoded together.
  """
  media = {k: x for k, x in batch.items() if k.endswith('/media')}
  encoded = {k: x for k, x in batch.items() if k not in media}
  for size in sorted({x.shape[4:] for x in media.values()}):
    alike = {k: x for k, x in media.items() if x.shape[4:] == size}
    rows = lambda x: x.reshape(x.shape[0], -1, *size)
    features = model.apply(
        {'params': frozen_params},
        jnp.concatenate([rows(x) for x in alike.values()], axis=1),
        method='features',
    )
    start = 0
    for key, x in alike.items():
      lead = x.shape[:4]
      stop = start + math.prod(lead[1:])
      encoded[f'{key.removesuffix("media")}features'] = (
          features[:, start:stop].reshape(*lead, *features.shape[2:])
      )
      start = stop
  return encoded


def loss_fn(
    model: nn.Module, params: Tree, frozen_params: Tree, examples: Batch
) -> tuple[Array, Array]:
  """Summed loss of `examples` and the weight it is to be divided by.

  Args:
    model: a `flamingo_jax.models.Flamingo`.
    params: the trainable tree, the only one that is differentiated.
    frozen_params: the frozen tree.
    examples: one dataset's features (`typing.Example`), each [B, ...]; it may
      have the vision encoder's 'features' [B, M, T, P, Dv] instead of 'media'.

  Returns:
    (sum of loss in nats, sum of loss weights), float32 scalars.
  """
  encoded = 'features' in examples
  logits = model.apply(
      {'params': merge_params(params, frozen_params)},
      examples['tokens'],
      examples['media_index'],
      examples['features' if encoded else 'media'],
      examples['media_mask'],
      method='from_features' if encoded else None,
  )
  return weighted_cross_entropy(
      logits, examples['targets'], examples['loss_weights']
  )


def _summed_gradients(
    model: nn.Module,
    params: Tree,
    frozen_params: Tree,
    examples: Batch,
    num_microbatches: int,
) -> tuple[Tree, Array, Array]:
  """(gradient of the summed loss, summed loss, weight) of one dataset."""
  grad_fn = jax.value_and_grad(loss_fn, argnums=1, has_aux=True)

  def gradients(part: Batch) -> tuple[Tree, Array, Array]:
    (loss, weight), grads = grad_fn(model, params, frozen_params, part)
    return grads, loss, weight

  if num_microbatches == 1:
    return gradients(examples)
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
    return jax.tree.map(jnp.add, total, gradients(part)), None

  zeros = jax.tree.map(
      jnp.zeros_like, (params, jnp.float32(0), jnp.float32(0))
  )
  return jax.lax.scan(add, zeros, parts)[0]


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
    model: nn.Module,
    params: Tree,
    frozen_params: Tree,
    batch: Batch,
    weights: Mapping[str, float],
    num_microbatches: int = 1,
) -> tuple[Tree, dict[str, Array]]:
  """Gradient of sum_d weights[d] * mean loss of dataset d (Flamingo eq. 2).

  Datasets are visited one at a time: an optimization barrier lets the next one
  start only when the gradient of the last is done, so the activations of a
  single dataset are alive at any moment.

  Args:
    model: a `flamingo_jax.models.Flamingo`.
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
  """
  total = jax.tree.map(jnp.zeros_like, params)
  metrics = {}
  batch = encode_media(model, frozen_params, batch)
  for dataset, examples in split_batch(batch).items():
    examples, total = jax.lax.optimization_barrier((examples, total))
    grads, loss_sum, weight = _summed_gradients(
        model, params, frozen_params, examples, num_microbatches
    )
    scale = jnp.where(
        weight > 0, weights[dataset] / jnp.where(weight > 0, weight, 1.0), 0.0
    )
    total = jax.tree.map(lambda t, g: t + scale * g, total, grads)
    metrics[f'{dataset}/loss_sum'] = loss_sum
    metrics[f'{dataset}/weight'] = weight
  return total, metrics
