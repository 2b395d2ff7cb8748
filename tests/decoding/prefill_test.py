# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a prompt once and going on from there is the full forward pass."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import decoding, models
from flamingo_jax.decoding.prefill import extend


def test_prefill_and_extend_equal_the_full_forward(either):
  logits, cache = either.read
  continuation = np.array(
      [[1, 0, 4, 2], [3, 5, 0, 1], [2, 2, 5, 0], [0, 4, 1, 3]], np.int32
  )
  # In two pieces, so that the second one continues an extended cache.
  run = either.jit(extend)
  first, cache = run(either.params, continuation[:, :3], cache)
  second, _ = run(either.params, continuation[:, 3:], cache)
  found = jnp.concatenate([logits[:, None], first, second], axis=1)
  for row in range(4):
    expected = either.log_probs(row, continuation[row][None])[0]
    actual = np.asarray(jax.nn.log_softmax(found[row]))
    np.testing.assert_allclose(
        actual[np.arange(4), continuation[row]], expected, atol=1e-5
    )


def test_padding_changes_nothing_and_media_do(tiny):
  """Tokens and latents of padding are never read; those of prompts are."""
  prompts, latents = tiny.prompts, tiny.latents
  before, _ = tiny.read
  padding = np.arange(8) >= prompts.lengths[:, None]
  unseen = np.arange(3) >= prompts.media_index.max(axis=1, keepdims=True)
  after, _ = tiny.read_prompts(
      tiny.params,
      prompts.replace(
          tokens=jnp.where(padding, 4 - prompts.tokens, prompts.tokens)
      ),
      jnp.where(unseen[..., None, None], -latents, latents),
  )
  np.testing.assert_array_equal(before, after)
  after, _ = tiny.read_prompts(tiny.params, prompts, -latents)
  moved = np.abs(after - before).max(axis=1)
  assert (moved[:3] > 1e-3).all()
  assert moved[3] == 0  # the prompt without media


def test_media_are_encoded_each_on_its_own(tiny):
  rng = np.random.default_rng(0)
  media = jnp.array(rng.integers(0, 256, (2, 3, 2, 16, 16, 3)), jnp.uint8)
  mask = jnp.array([[[1, 1], [1, 0], [0, 0]], [[1, 0], [1, 1], [1, 1]]], bool)
  encode = functools.partial(tiny.jit(decoding.encode_media), tiny.params)
  latents = encode(media, mask)
  assert latents.shape == (2, 3, 3, 16)
  flat = encode(media.reshape(6, 1, 2, 16, 16, 3), mask.reshape(6, 1, 2))
  np.testing.assert_allclose(
      flat.reshape(latents.shape), latents, atol=1e-5
  )
  assert np.abs(latents[0, 0] - latents[1, 0]).max() > 1e-3
  # The second frame of medium 1 is padding.
  other = media.at[0, 1, 1].set(255 - media[0, 1, 1])
  np.testing.assert_array_equal(encode(other, mask)[0, 1], latents[0, 1])


def test_prompts_share_what_they_begin_with(tiny):
  """The shots' keys are kept once, and each row pays for its own tokens."""
  rng = np.random.default_rng(3)
  tokens = rng.integers(0, 5, (4, 9)).astype(np.int32)
  tokens[:, :5] = tokens[0, :5]
  own = np.array([[1, 1, 2, 2], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
  lengths = np.array([4, 2, 3, 1], np.int32)
  first = np.array([0, 1, 1, 2, 2])
  index = np.concatenate([np.tile(first, (4, 1)), own + 2], axis=1)
  shots, latents = tiny.latents[:1, :2], tiny.latents[:, 1:]
  prompts = lambda *arrays: decoding.Prompts(
      *(jnp.asarray(x, jnp.int32) for x in arrays)
  )
  candidates = decoding.Candidates(
      jnp.array(rng.integers(0, 5, (4, 3)), jnp.int32),
      models.Branches(np.tile([0, 1, 0], (4, 1)), np.tile(np.array(
          [[1, 0, 0], [1, 1, 0], [0, 0, 1]], bool), (4, 1, 1))),
      *jnp.array(rng.integers(0, 4, (2, 4, 5)), jnp.int32),
  )

  def answer(model, params, rows, latents, prefix):
    state = decoding.read_prompts(model, params, rows, latents, 4, prefix)
    found = decoding.beam_search(
        model, params, *state, beams=3, room=4, max_new_tokens=4, stop=tiny.stop
    )
    scores = decoding.score(model, params, *state, candidates)
    return (found, scores), state[1]

  run = tiny.jit(answer)
  expected, _ = run(
      tiny.params, prompts(tokens, lengths + 5, index),
      jnp.concatenate([jnp.repeat(shots, 4, axis=0), latents], axis=1), None,
  )
  read = functools.partial(tiny.jit(decoding.read_prefix), tiny.params)
  prefix = read(prompts(tokens[:1, :5], [5], first[None]), shots)
  rows = prompts(tokens[:, 5:], lengths, own)
  found, cache = run(tiny.params, rows, latents, prefix)
  for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_allclose(one, other, atol=1e-5)
  other = read(prompts(tokens[:1, :5], [5], first[None]), -shots)
  moved = run(tiny.params, rows, latents, other)[0][1] - found[1]
  assert np.abs(moved).max(axis=1).min() > 1e-3
  layers = cache.stacks['groups'].layers
  assert layers.shared.keys.shape[-3:] == (2, 5, 8)  # of no row
  assert (layers.keys.shape[-2], cache.size) == (8, 13)


def test_extending_depends_on_the_last_medium_alone(tiny):
  """Of the media's keys, the cache holds those of one medium per row."""
  _, cache = tiny.read
  groups = cache.stacks['groups']
  batch, _, latents, _ = groups.media.keys.shape[-4:]
  assert (batch, latents) == (4, 3)
  run = functools.partial(tiny.jit(extend), tiny.params)
  tokens = np.zeros((4, 1), np.int32)
  other = cache.replace(stacks=cache.stacks | {'groups': groups.replace(
      media=jax.tree.map(lambda x: x + 1.0, groups.media)
  )})
  moved = np.abs(run(tokens, other)[0] - run(tokens, cache)[0]).max(axis=(1, 2))
  assert (moved[:3] > 1e-3).all()
  assert moved[3] == 0
