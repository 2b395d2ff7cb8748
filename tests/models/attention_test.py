# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Attention: distances, masks and the reference definition."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.models.attention import attend
from flamingo_jax.models.cache import LayerCache
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.positions import align_distances, sinusoids
from flamingo_jax.models.self_attention import SelfAttention


@pytest.mark.parametrize('first', [0, (0, 5), (3, 1)])
@pytest.mark.parametrize('shared', [False, True])
def test_distances_are_aligned_as_by_a_gather(first, shared):
  x = np.random.default_rng(0).normal(size=(2, 3, 4, 9)).astype(np.float32)
  if shared:  # of three keys, behind which queries stand; heads come first
    first = np.maximum(first, 3).tolist()

  @jax.jit
  def align(x):
    at = first if isinstance(first, int) else jnp.array(first)
    if shared:
      return align_distances(x.swapaxes(0, 1), at, 3, rows=1).swapaxes(0, 1)
    return align_distances(x, at, 9)

  y = np.asarray(align(x))
  for b, row in enumerate(np.broadcast_to(first, 2)):
    for l in range(4):
      keys = np.arange(3 if shared else row + l + 1)  # that a query may see
      # From the end: distances fall.
      np.testing.assert_array_equal(
          y[b, :, l, keys], x[b, :, l, 8 - (row + l - keys)]
      )


def test_a_query_that_sees_nothing_gets_exactly_zero():
  values = np.random.default_rng(0).normal(size=(1, 2, 3, 4))
  values = values.astype(np.float32)
  mask = np.array([[[False] * 3, [True, False, False]]])
  f = jax.jit(lambda v: attend(jnp.ones((1, 2, 2, 3)), v, jnp.asarray(mask)))
  y = np.asarray(f(values))
  np.testing.assert_array_equal(y[0, :, 0], 0)
  np.testing.assert_array_equal(y[0, :, 1], values[0, :, 0])
  gradient = jax.jit(jax.grad(lambda v: f(v)[0, :, 0].sum()))(values)
  np.testing.assert_array_equal(gradient, 0)


def reference(params, x, heads):
  """Transformer-XL attention written token by token."""
  kernel = lambda name: np.asarray(params[name]['map']['kernel'])
  project = lambda name, x: (x @ kernel(name)).reshape(len(x), heads, -1)
  q, k, v = (project(name, x) for name in ('query', 'key', 'value'))
  size = q.shape[-1]
  r = project('relative', np.asarray(sinusoids(len(x), x.shape[-1]))[::-1])
  u, w = np.asarray(params['content_bias']), np.asarray(params['position_bias'])
  y = np.zeros_like(q)
  for l in range(len(x)):
    for h in range(heads):
      scores = np.array([
          (q[l, h] + u[h]) @ k[s, h] + (q[l, h] + w[h]) @ r[l - s, h]
          for s in range(l + 1)
      ]) / np.sqrt(size)
      weights = np.exp(scores - scores.max())
      y[l, h] = (weights / weights.sum()) @ v[: l + 1, h]
  return np.einsum('LHK,HKD->LD', y, kernel('out'))


def attention_and_params(x):
  model = SelfAttention(DecoderConfig(
      vocab=1, layers=1, width=8, heads=2, head_size=4, xattn_every=1
  ))
  params = nn.unbox(jax.jit(model.init)(jax.random.key(0), x))['params']
  for i, name in enumerate(('content_bias', 'position_bias')):
    noise = np.random.default_rng(i).normal(size=params[name].shape)
    noise = noise.astype(np.float32)
    params = params | {name: noise}  # zero at init, which would hide them
  return model, params


# Arrays of numpy need no programs to be made or compared.
X = np.random.default_rng(1).normal(size=(2, 7, 8)).astype(np.float32)


def test_relative_attention_is_transformer_xl():
  model, params = attention_and_params(X)
  y, _ = jax.jit(model.apply)({'params': params}, X)
  for found, x in zip(np.asarray(y), X):
    np.testing.assert_allclose(found, reference(params, x, 2), atol=1e-5)


def test_rows_continue_their_caches_at_their_own_positions():
  model, params = attention_and_params(X)
  # Row 0 goes on after 5 tokens, row 1 after 3 (its last two were padding).
  more = np.stack([X[0, 5:7], X[1, 3:5]])

  @jax.jit
  def at_once_and_in_two(params, x, more):
    whole, _ = model.apply({'params': params}, x)
    zeros = jnp.zeros((2, 2, 10, 4))
    empty = LayerCache(keys=zeros, values=zeros)
    _, new = model.apply({'params': params}, x[:, :5], empty)
    cache = empty.append(new, None)
    y, _ = model.apply({'params': params}, more, cache, jnp.array([5, 3]))
    return whole, y

  whole, y = map(np.asarray, at_once_and_in_two(params, X, more))
  np.testing.assert_allclose(y[0], whole[0, 5:7], atol=1e-5)
  np.testing.assert_allclose(y[1], whole[1, 3:5], atol=1e-5)
