# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The loss in pieces is the loss of whole logits, and so are its gradients."""

import math

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.models.unembedding import Unembedding
from flamingo_jax.training import next_token_loss as module
from flamingo_jax.training.accumulate import compute_gradients
from flamingo_jax.training.next_token_loss import next_token_loss
from flamingo_jax.training.partitioner import Partitioner
from tests.training.conftest import LAMBDA, make_batch

ROWS, LENGTH, WIDTH, WORDS = 8, 11, 16, 48


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
  monkeypatch.setattr(module, '_PIECE_BYTES', 4 * WORDS)
  monkeypatch.setattr(module, '_PIECE_TOKENS', 16)


def make_arguments(added=2, cap=0.0, dtype=jnp.float32):
  rng = np.random.default_rng(0)
  normal = lambda *shape: jax.device_put(rng.normal(size=shape).astype(dtype))
  unembed = Unembedding(
      normal(WORDS, WIDTH), normal(added, WIDTH) if added else None, cap
  )
  targets = rng.integers(0, WORDS + added, (ROWS, LENGTH))
  weights = rng.integers(0, 3, (ROWS, LENGTH)) / 2
  return (
      unembed, normal(ROWS, LENGTH, WIDTH),
      *jax.device_put((np.int32(targets), np.float32(weights))),
  )


def whole(unembed, x, targets, weights):
  logits = unembed.logits(x)
  chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
  norm = jax.nn.logsumexp(logits, axis=-1)
  return jnp.sum(weights * (norm - chosen))


def pieces(*arguments):
  return next_token_loss(*arguments)[0]


def assert_close(found, expected, rtol=1e-6):
  scale = lambda x: np.abs(x).max()
  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(
          a, b, rtol=rtol, atol=rtol * scale(b)
      ),
      *jax.device_get((found, expected)),
  )


def gradients(function, trained, arguments):
  """Of three times the loss; `trained` says of which leaves of Unembedding."""
  unembed, x, targets, weights = arguments

  def loss(leaves, x, weights):
    return 3 * function(unembed.replace(**leaves), x, targets, weights)

  leaves = {name: getattr(unembed, name) for name in trained}
  return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(
      leaves, x, weights
  )


@pytest.mark.parametrize('added, cap', [(2, 0.0), (0, 0.0), (1, 5.0)])
@pytest.mark.parametrize('table', [(), ('known',)])
def test_value_and_gradients_are_those_of_whole_logits(added, cap, table):
  arguments = make_arguments(added, cap)
  assert module._piece_length(*arguments[:2]) == 3
  assert_close(jax.jit(pieces)(*arguments), jax.jit(whole)(*arguments))
  trained = (*table, 'added') if added else table
  assert_close(
      gradients(pieces, trained, arguments),
      gradients(whole, trained, arguments),
  )


def test_gradients_in_bfloat16_are_summed_in_float32():
  arguments = make_arguments(dtype=jnp.bfloat16)
  expected = gradients(whole, ('added',), jax.tree.map(
      lambda x: x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x,
      arguments,
  ))
  _, found = gradients(pieces, ('added',), arguments)
  assert found[0]['added'].dtype == found[1].dtype == jnp.bfloat16
  assert_close(
      jax.tree.map(lambda x: np.asarray(x).astype(np.float32), found),
      expected[1], rtol=2**-7,
  )


def shapes_inside(jaxpr):
  """Of each result of a jaxpr and of those inside of it."""
  for equation in jaxpr.eqns:
    yield from (x.aval.shape for x in equation.outvars)
    for value in jax.tree.leaves(
        list(equation.params.values()),
        is_leaf=lambda x: hasattr(x, 'eqns') or hasattr(x, 'jaxpr'),
    ):
      inner = getattr(value, 'jaxpr', value)
      if hasattr(inner, 'eqns'):
        yield from shapes_inside(inner)


def most_logits(function, words, *arguments):
  """Elements of the largest array over the vocabulary that is computed."""
  jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
  return max(
      math.prod(shape) for shape in shapes_inside(jaxpr)
      if len(shape) > 2 and shape[-1] in (words, words + 1, words + 2)
  )


def test_neither_loss_nor_gradient_holds_more_logits_than_a_piece_has():
  unembed, x, targets, weights = make_arguments()
  loss = lambda added, x: pieces(
      unembed.replace(added=added), x, targets, weights
  )
  for function in (loss, jax.grad(loss, argnums=(0, 1))):
    logits = most_logits(function, WORDS, unembed.added, x)
    assert logits == ROWS * 3 * WORDS


def test_training_makes_logits_in_pieces(model):
  shapes = nn.unbox(jax.eval_shape(model.initialize, jax.random.key(0)))
  batch = make_batch(0)
  logits = most_logits(
      lambda *trees: compute_gradients(model, *trees, batch, LAMBDA),
      model.config.decoder.vocab, shapes['params'], shapes['frozen_params'],
  )
  # 8 texts of 10 tokens, two tokens of each at a time; 16 of 6, one at a time.
  assert logits == 16 * model.config.decoder.vocab


@pytest.mark.parametrize('rules, mesh', [
    ('tensor_parallel', {'fsdp': 2, 'model': 4}),
    ('sequence_parallel', {'fsdp': 4, 'model': 2}),
    ('fsdp_sequence_parallel', {'fsdp': 4, 'model': 2}),
    ('fsdp', {'fsdp': 8}),
])
def test_devices_that_share_it_make_the_same_loss(rules, mesh, monkeypatch):
  monkeypatch.setattr(module, '_PIECE_TOKENS', 4)
  arguments = make_arguments()
  expected = gradients(whole, ('added',), arguments)
  partitioner = Partitioner(mesh, rules)
  with partitioner.rules_in_use():
    assert module._piece_length(*arguments[:2]) < LENGTH
    found = gradients(pieces, ('added',), jax.device_put(
        arguments, partitioner.replicated
    ))
  assert_close(found, expected)


def test_few_logits_are_made_at_once(monkeypatch):
  monkeypatch.undo()
  arguments = make_arguments()
  assert module._piece_length(*arguments[:2]) == LENGTH
  assert_close(jax.jit(pieces)(*arguments), jax.jit(whole)(*arguments))


def test_texts_of_a_few_tokens_are_not_cut():
  unembed = Unembedding(jnp.zeros((WORDS, 4)))
  assert module._piece_length(unembed, jnp.zeros((1, 3, 4))) == 3
