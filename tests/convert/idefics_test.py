# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted IDEFICS against what transformers computes.

references/record_idefics.py made the references.
"""

import functools

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import flamingo_jax as fj
from flamingo_jax.convert import families
from flamingo_jax.convert import rules
from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.data.interleaved import tokenize_document
from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.trainable import (
    is_trainable,
    merge_params,
    split_params,
)
from tests.convert.idefics_folders import (  # pylint: disable=unused-import
    MODELS,
    REFERENCES,
    TOLD,
    converted,
    shown,
    tensors_of,
    write_folder,
)

FOUND = np.load(REFERENCES / 'idefics.npz')


def inputs(name):
  """Tokens, the picture that each sees, pictures, which there are."""
  told = MODELS[name]
  tokens, index = np.array(told['ids']), np.array(told['index'])
  media = np.zeros((len(tokens), 3, 1, 12, 12, 3), np.uint8)
  mask = np.zeros(media.shape[:3], bool)
  for row, prompt in enumerate(TOLD['prompts']):
    for column in range(prompt.count('i')):
      media[row, column, 0], mask[row, column] = shown(row, column), True
  return [jnp.asarray(x) for x in (
      tokens.astype(np.int32), index.astype(np.int32), media, mask
  )]


@pytest.mark.parametrize('name', MODELS)
def test_numbers_are_those_of_the_maker(converted, tmp_path, name):
  told = MODELS[name]
  config = stored_config(converted(name))
  params = jax.tree.map(jnp.asarray, load_params(converted(name))[0])
  module = config.build()
  tokens, index, media, mask = inputs(name)
  lengths = jnp.array(told['lengths'], jnp.int32)
  is_token = np.arange(tokens.shape[1]) < np.array(told['lengths'])[:, None]
  trained, frozen = split_params(params)
  labels = (is_token & ~np.isin(tokens, told['given']))[:, 1:]

  def loss_of(trained):
    logits = module.apply(
        {'params': merge_params(trained, frozen)}, tokens, index, media, mask
    )
    nats = -jnp.take_along_axis(
        jax.nn.log_softmax(logits[:, :-1]), tokens[:, 1:, None], axis=-1
    )[..., 0]
    return jnp.sum(nats * labels) / labels.sum(), logits

  gradients, logits = jax.jit(jax.grad(loss_of, has_aux=True))(trained)
  np.testing.assert_allclose(
      logits * is_token[..., None], FOUND[f'{name}/logits'], atol=5e-5
  )
  check_gradients(gradients, name, tmp_path)

  longest, new = int(lengths.max()), 20
  latents = module.apply(
      {'params': params}, media, mask, method='encode_media'
  )

  @jax.jit
  def continue_prompts(params):
    apply = functools.partial(module.apply, {'params': params})
    state = apply(
        tokens[:, :longest], index, latents, lengths, longest + new,
        method='prefill',
    )

    def step(state, _):
      logits, cache = state
      token = logits.at[:, np.array(told['given'])].set(-jnp.inf).argmax(-1)
      y, cache = apply(token[:, None], cache, method='extend')
      return (y[:, 0], cache), token

    return jax.lax.scan(step, state, None, new)[1].T

  assert continue_prompts(params).tolist() == told['greedy']


def check_gradients(gradients, name, tmp_path):
  """A gradient has the layout of its parameter, so it converts like one."""
  prefix = f'{name}/gradient/'
  expected = tensors_of(name) | {
      key.removeprefix(prefix): FOUND[key] for key in FOUND
      if key.startswith(prefix)
  }
  folder = write_folder(tmp_path / 'gradients', name, expected)
  kind, config = families.read_config(folder)
  tensors = families.open_tensors(folder, kind)
  mapping = families.find_mapping(folder, kind, config, tensors)
  wanted = {path: np.zeros_like(x) for path, x in traverse_util.flatten_dict(
      jax.device_get(gradients)).items()}
  for path, place, values in rules.pieces(mapping, tensors, is_trainable):
    wanted[path][place] = values
  for path, found in traverse_util.flatten_dict(gradients).items():
    np.testing.assert_allclose(
        found, wanted[path], rtol=1e-4, atol=1e-5 * np.abs(wanted[path]).max(),
        err_msg=str(path),
    )
