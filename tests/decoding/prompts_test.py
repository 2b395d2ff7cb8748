# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a prompt once and going on from there is the full forward pass."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.decoding.prompts import extend


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


def test_row_equals_itself_alone_without_padding(tiny):
  logits, _ = tiny.read_with_media(tiny.params, tiny.prompts)
  alone = jax.tree.map(lambda x: x[2:3], tiny.prompts)
  alone = alone.replace(
      tokens=alone.tokens[:, :5],
      media_index=alone.media_index[:, :5],
      media=alone.media[:, :2],
      media_mask=alone.media_mask[:, :2],
  )
  single, _ = tiny.read_with_media(tiny.params, alone)
  np.testing.assert_allclose(single[0], logits[2], atol=1e-5)


def test_padding_changes_nothing_and_pictures_do(tiny):
  """Pixels and tokens of padding are never read; those of prompts are."""
  prompts = tiny.prompts
  before, _ = tiny.read_with_media(tiny.params, prompts)
  padding = np.arange(8) >= prompts.lengths[:, None]
  unseen = ~np.asarray(prompts.media_mask)[..., None, None, None]
  after, _ = tiny.read_with_media(tiny.params, prompts.replace(
      tokens=jnp.where(padding, 4 - prompts.tokens, prompts.tokens),
      media=jnp.where(unseen, 255 - prompts.media, prompts.media),
  ))
  np.testing.assert_array_equal(before, after)
  after, _ = tiny.read_with_media(
      tiny.params, prompts.replace(media=255 - prompts.media)
  )
  moved = np.abs(after - before).max(axis=1)
  assert (moved[:3] > 1e-3).all()
  assert moved[3] == 0  # the prompt without media


def test_extending_depends_on_the_last_medium_alone(tiny):
  """Of the media's keys, the cache holds those of one medium per row."""
  _, cache = tiny.read
  assert cache.groups.media.keys.shape[-4:-2] == (4, 3)  # rows, latents
  run = functools.partial(tiny.jit(extend), tiny.params)
  tokens = np.zeros((4, 1), np.int32)
  other = cache.replace(groups=cache.groups.replace(
      media=jax.tree.map(lambda x: x + 1.0, cache.groups.media)
  ))
  moved = np.abs(run(tokens, other)[0] - run(tokens, cache)[0]).max(axis=(1, 2))
  assert (moved[:3] > 1e-3).all()
  assert moved[3] == 0
