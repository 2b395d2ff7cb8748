# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The loss of the next token, without all logits at once.

Over 152k words the logits of 256 tokens are 156 MB. Where a device would hold
many, the text is cut into pieces, and each piece's logits are made, used and
forgotten: for the loss, and at once for its gradient, so that nothing is
computed twice.
"""

from collections.abc import Callable
import math
from typing import Any

import jax
import jax.numpy as jnp

from flamingo_jax.models.unembedding import Unembedding
from flamingo_jax.sharding import shape_on_device
from flamingo_jax.training.losses import weighted_cross_entropy
from flamingo_jax.typing import Array, Float, Int

# What a device has of a piece, at least. Logits in bytes: fewer are little beside
# all else that a step holds, and less than twice as many stay whole.
_PIECE_BYTES = 2**27
# Tokens: with fewer, reading the table of words takes longer than its products.
_PIECE_TOKENS = 512


def next_token_loss(
    unembed: Unembedding,
    x: Float[Array, 'B L D'],
    targets: Int[Array, 'B L'],
    weights: Float[Array, 'B L'],
) -> tuple[Float[Array, ''], Float[Array, '']]:
  """`weighted_cross_entropy` of the scores of states x."""
  weights = weights.astype(jnp.float32)
  is_whole = _piece_length(unembed, x) == x.shape[1]
  summed = _summed if is_whole else _summed_in_pieces
  return summed(unembed, x, targets, weights), jnp.sum(weights)


def _piece_length(unembed: Unembedding, x: Array) -> int:
  """Tokens of each text that a piece has."""
  shape = (*x.shape[:2], len(unembed.known))
  rows, length, words = shape_on_device(shape, 'batch', 'length', 'vocab')
  tokens = rows * length
  pieces = min(4 * tokens * words // _PIECE_BYTES, tokens // _PIECE_TOKENS)
  return math.ceil(x.shape[1] / max(pieces, 1))


def _summed(
    unembed: Unembedding, x: Array, targets: Array, weights: Array
) -> Array:
  return weighted_cross_entropy(unembed.scores(x), targets, weights)[0]


@jax.custom_vjp
def _summed_in_pieces(
    unembed: Unembedding, x: Array, targets: Array, weights: Array
) -> Array:
  def add(total, piece):
    return total + _summed(unembed, *piece), None

  pieces = _cut(_piece_length(unembed, x), (x, targets, weights))
  return jax.lax.scan(add, jnp.float32(0), pieces)[0]


def _with_gradient(
    unembed: Any, x: Any, targets: Any, weights: Any
) -> tuple[Array, Callable[[Array], Any]]:
  """The sum, and the function from its gradient to those of the arguments.

  Leaves of the arguments are `CustomVJPPrimal`s, which say what is trained.
  """
  trains_table = unembed.known.perturbed
  unembed, x, targets, weights = jax.tree.map(
      lambda leaf: leaf.value, (unembed, x, targets, weights),
      is_leaf=lambda leaf: hasattr(leaf, 'perturbed'),
  )
  if trains_table:
    # Each piece would sum the table's gradient over devices: no pieces.
    return jax.vjp(_summed, unembed, x, targets, weights)

  def summed(added, x, weights, targets):
    return _summed(unembed.replace(added=added), x, targets, weights)

  def add(total, piece):
    x, targets, weights = piece
    loss, (added, *grads) = jax.value_and_grad(summed, argnums=(0, 1, 2))(
        unembed.added, x, weights, targets
    )
    return jax.tree.map(jnp.add, total, (loss, added)), grads

  zeros = 0.0, jax.tree.map(
      lambda leaf: jnp.zeros(leaf.shape, jnp.float32), unembed.added
  )
  (loss, added), grads = jax.lax.scan(
      add, zeros, _cut(_piece_length(unembed, x), (x, targets, weights))
  )
  added = jax.tree.map(
      lambda grad, leaf: grad.astype(leaf.dtype), added, unembed.added
  )
  return loss, jax.tree_util.Partial(
      _scaled, unembed.replace(known=None, added=added),
      *(_join(grad, x.shape[1]) for grad in grads),
  )


def _scaled(unembed: Any, x: Array, weights: Array, scale: Array) -> Any:
  """Gradients of the arguments, of which the table and targets have none."""
  unembed, x, weights = jax.tree.map(
      lambda grad: (scale * grad).astype(grad.dtype), (unembed, x, weights)
  )
  return unembed, x, None, weights


_summed_in_pieces.defvjp(
    _with_gradient, lambda pull, scale: pull(scale), symbolic_zeros=True
)


def _cut(length: int, texts: Any) -> Any:
  """[B, L, ...] to [pieces, B, length, ...]; the last one may end with zeros."""
  def cut(x):
    padding = [(0, 0)] * x.ndim
    padding[1] = 0, -x.shape[1] % length
    x = jnp.pad(x, padding).reshape(len(x), -1, length, *x.shape[2:])
    return jnp.moveaxis(x, 1, 0)

  return jax.tree.map(cut, texts)


def _join(x: Array, length: int) -> Array:
  """Back to [B, L, ...]."""
  x = jnp.moveaxis(x, 0, 1)
  return x.reshape(len(x), -1, *x.shape[3:])[:, :length]
