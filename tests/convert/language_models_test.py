# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted language models against what the reference implementations say.

references/record.py made the references; their weights are made anew here.
"""

import dataclasses
import functools
import json
import pathlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from flamingo_jax.convert import rules
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.families import (
    LANGUAGE_MODELS,
    find_mapping,
    read_config,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig, ResamplerConfig, ViTConfig
from flamingo_jax.models.language_model import LanguageModel
from tests.convert.reference_weights import values
from tests.random_weights import random_weights

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'language_models.json').read_text())
LOGITS = np.load(REFERENCES / 'language_models.npz')
TOKENS = jnp.array(TOLD['tokens'], jnp.int32)
LENGTHS = jnp.array(TOLD['lengths'], jnp.int32)
NAMES = sorted(TOLD['models'])


def write_model(folder, name, config=None, rename=lambda name: name, **extra):
  """A folder as the hub has it, without a tokenizer."""
  model = TOLD['models'][name]
  tensors = {
      rename(key): values(key, tuple(shape))
      for key, shape in model['tensors'].items()
  }
  save_file(tensors | extra, folder / 'model.safetensors')
  text = json.dumps(model['config'] if config is None else config)
  (folder / 'config.json').write_text(text)
  return folder


def read_model(folder):
  """(config, parameters of the decoder)."""
  tensors = Tensors(folder)
  mapping = find_mapping(folder, *read_config(folder), tensors)
  found = {
      path: np.zeros(leaf.shape, np.float32)
      for path, leaf in rules.abstract_tower(mapping.config).items()
  }
  for path, place, piece in rules.pieces(mapping, tensors):
    found[path][place] = piece
  return mapping.config, jax.device_put(traverse_util.unflatten_dict(found))


@pytest.fixture(scope='module')
def read(tmp_path_factory):
  return functools.cache(
      lambda name: read_model(write_model(tmp_path_factory.mktemp(name), name))
  )


def test_every_family_has_a_reference():
  recorded = {TOLD['models'][name]['config']['model_type'] for name in NAMES}
  assert recorded == set(LANGUAGE_MODELS)


@pytest.mark.parametrize('name', NAMES)
def test_logits_and_greedy_tokens_are_those_of_the_reference(read, name):
  config, params = read(name)
  model, params = LanguageModel(config), {'params': {'decoder': params}}
  longest, new = int(LENGTHS.max()), len(TOLD['models'][name]['greedy'][0])

  @jax.jit
  def read_and_continue(params):
    prefill = functools.partial(model.apply, params, method='prefill')
    first, cache = prefill(
        TOKENS[:, :longest], None, None, LENGTHS, longest + new
    )

    def step(state, _):
      logits, cache = state
      token = logits.argmax(-1)
      y, cache = model.apply(params, token[:, None], cache, method='extend')
      return (y[:, 0], cache), token

    greedy = jax.lax.scan(step, (first, cache), None, new)[1].T
    return model.apply(params, TOKENS), greedy

  logits, greedy = read_and_continue(params)
  np.testing.assert_allclose(logits, LOGITS[name], atol=5e-5)
  assert greedy.tolist() == TOLD['models'][name]['greedy']


@pytest.mark.parametrize('name', ['mistral', 'mpt', 'opt'])
def test_a_shared_prefix_changes_no_logits(read, name):
  config, params = read(name)
  model, params = LanguageModel(config), {'params': {'decoder': params}}

  @jax.jit
  def read_behind_prefix(params):
    prefill = functools.partial(model.apply, params, method='prefill')
    _, prefix = prefill(TOKENS[:1, :7], None, None, jnp.array([7]), 7)
    rows = jnp.stack([TOKENS[0, 7:13]] * 2)
    logits, cache = prefill(rows, None, None, jnp.array([6, 4]), 10, prefix)
    more = jnp.stack([TOKENS[0, 11:13]] * 2)
    return logits, model.apply(params, more, cache, method='extend')[0]

  logits, more = read_behind_prefix(params)
  np.testing.assert_allclose(
      logits, LOGITS[name][0, [12, 10]], atol=5e-5
  )
  np.testing.assert_allclose(more[1], LOGITS[name][0, 11:13], atol=5e-5)


@pytest.mark.parametrize('name', ['mistral', 'mpt', 'opt'])
def test_what_is_read_in_two_parts_is_read_at_once(read, name):
  config, params = read(name)
  model, params = LanguageModel(config), {'params': {'decoder': params}}

  @jax.jit
  def read_in_parts(params):
    apply = functools.partial(model.apply, params)
    _, cache = apply(
        TOKENS[:, :7], None, None, jnp.array([5, 7]), 20, method='prefill'
    )
    # The last ones are padding.
    rest = jnp.stack([TOKENS[0, 5:14], TOKENS[1, 7:16]]).at[:, 6:].set(0)
    logits, cache = apply(
        rest, None, None, jnp.array([6, 4]), cache, method='read_on'
    )
    more, _ = apply(TOKENS[:, 11:13], cache, method='extend')
    return logits, more

  logits, more = read_in_parts(params)
  np.testing.assert_allclose(logits, LOGITS[name][:, 10], atol=5e-5)
  np.testing.assert_allclose(more, LOGITS[name][:, 11:13], atol=5e-5)


@pytest.mark.parametrize('name', ['opt', 'pythia'])
def test_packed_documents_are_what_they_are_alone(read, name):
  config, params = read(name)
  segments = np.array([[0] * 8 + [1] * 13] * 2)
  packed = np.concatenate([TOKENS[:, :8], TOKENS[:, :13]], axis=1)
  logits = jax.jit(LanguageModel(config).apply)(
      {'params': {'decoder': params}}, packed, segments
  )
  np.testing.assert_allclose(logits[:, 8:], LOGITS[name][:, :13], atol=5e-5)


def old_names(config):
  """As transformers before 5 wrote it."""
  config = dict(config, torch_dtype=config.pop('dtype'))
  rope = config.pop('rope_parameters')
  config['rope_theta'] = rope.pop('rope_theta')
  if rope['rope_type'] != 'default':
    config['rope_scaling'] = {'type': rope.pop('rope_type'), **rope}
  return config


@pytest.mark.parametrize('name', [
    'llama', 'llama_3_2', 'llama_with_biases', 'llama_with_yarn',
    'phi3_with_longrope',
])
def test_files_of_earlier_versions_are_the_same_model(tmp_path, read, name):
  config = old_names(json.loads(json.dumps(TOLD['models'][name]['config'])))
  inverse = {'layers.0.self_attn.rotary_emb.inv_freq': np.ones(2, np.float32)}
  folder = write_model(
      tmp_path, name, config, lambda key: key.removeprefix('model.'), **inverse
  )
  found, params = read_model(folder)
  assert found == read(name)[0]
  jax.tree.map(np.testing.assert_array_equal, params, read(name)[1])


@pytest.mark.parametrize('name, more', [
    ('llama', {'rope_interleaved': False, 'is_llama_config': True}),
    ('opt', {'activation_dropout': 0.0, 'prefix': '</s>'}),
    ('mpt', {'tokenizer_name': 'x', 'init_config': {}, 'verbose': 0}),
    ('gemma2', {'hidden_act': 'gelu', 'cache_implementation': 'hybrid'}),
    ('llama', {'max_sequence_length': 2048, 'nothing_is_said': None}),
    ('qwen2', {'use_mrope': False}),
    ('phi3', {'full_attn_mod': 1, 'interpolate_factor': 1, 'lm_head_bias': False,
              'auto_map': {
                  'AutoModelForCausalLM': 'modeling_phi3.Phi3ForCausalLM',
              }}),
])
def test_what_files_of_the_hub_have_besides(tmp_path, read, name, more):
  config = TOLD['models'][name]['config'] | more
  assert read_model(write_model(tmp_path, name, config))[0] == read(name)[0]


def test_longrope_is_that_of_short_texts(tmp_path, read):
  config, told = read('phi3_with_longrope')[0], TOLD['models']
  assert (config.decoder.context, read('phi3')[0].decoder.context) == (40, 64)
  file = json.loads(json.dumps(told['phi3_with_longrope']['config']))
  file['rope_parameters']['rope_type'] = 'su'  # as the first files called it
  folder = write_model(tmp_path, 'phi3_with_longrope', file)
  assert read_model(folder)[0] == config


def test_only_some_layers_of_gemma_3_could_have_llama_3s_positions(tmp_path):
  file = json.loads(json.dumps(TOLD['models']['gemma3']['config']))
  file['rope_parameters']['full_attention']['rope_type'] = 'llama3'
  with pytest.raises(UserError, match="'llama3', and known are default, dyn"):
    read_model(write_model(tmp_path, 'gemma3', file))


def test_a_divisor_belongs_to_each_pair(read):
  with pytest.raises(UserError, match='has 6 values, and a head 4 pairs'):
    dataclasses.replace(read('llama_with_yarn')[0].decoder, head_size=8)


def test_dynamic_positions_are_plain_ones_up_to_the_context(tmp_path, read):
  file = json.loads(json.dumps(TOLD['models']['llama']['config']))
  file['rope_parameters'] |= {'rope_type': 'dynamic', 'factor': 4.0}
  found = read_model(write_model(tmp_path, 'llama', file))
  assert found[0] == read('llama')[0]


@pytest.mark.parametrize('change, words', [
    ({'rope_interleaved': True}, 'rope_interleaved is True'),
    ({'model_type': 'mamba'}, "models of type 'mamba' are not known"),
    ({'attention_sinks': 4}, r'config\.json: attention_sinks is 4, an attrib'),
    ({'hidden_act': 'xielu'}, "hidden_act is 'xielu'"),
    ({'rope_parameters': {'rope_type': 'proportional'}}, "is 'proportional'"),
    ({'rope_parameters': {'rope_type': 'yarn'}}, "has no 'factor'"),
    ({'rope_parameters': {'rope_type': 'yarn', 'factor': 4, 'rope_theta': 1}},
     'rope_theta is 1, and YaRN needs one above 1'),
    ({'rope_parameters': {'rope_type': 'longrope', 'short_factor': [1.0]}},
     r'short_factor is \[1\.0\] and has to be a list of 2'),
    ({'rope_parameters': {'rope_type': 'longrope', 'short_factor': [1, 'a']}},
     "short_factor is 'a' and has to be a number above 0"),
    ({'intermediate_size': 32}, r'gate_proj.* of shape \[16, 24\].*\[16, 32\]'),
    ({'num_hidden_layers': 4}, r"no tensor 'model\.layers\.3\."),
    ({'num_hidden_layers': 2}, r"9 tensors that are not known.*layers\.2\."),
    ({'vocab_size': 64}, 'vocab_size is 64, and the table .* has 60 rows'),
    ({'hidden_size': None}, "has no 'hidden_size'"),
    ({'num_key_value_heads': 3}, 'kv_heads is 3, which does not divide'),
    ({'num_attention_heads': 3, 'head_dim': None}, 'heads is 3, which does not divide hidden_s'),
    ({'head_dim': 7}, 'rotary positions turn pairs, here 3.5'),
    ({'num_hidden_layers': 3.0}, r'layers is 3\.0 and has to be a whole number'),
    ({'vocab_size': 10**9}, 'vocab_size is 1000000000 and has to be .* below'),
    ({'rms_norm_eps': -1}, 'rms_norm_eps is -1 and has to be a number above 0'),
    ({'rms_norm_eps': float('nan')}, 'eps is nan and has to be a number above'),
    ({'attention_bias': 'no'}, "bias is 'no' and has to be true or false"),
    ({'rope_parameters': [1]}, r'parameters is \[1\] and has to be an object'),
    ({'rope_parameters': {'partial_rotary_factor': 0.5}}, 'factor is 0.5, which'),
    ({'sliding_window': 4}, 'sliding_window is 4, an attribute that is not kn'),
    ({'quantization_config': {'quant_method': 'gptq'}}, r'quantised \(gptq\)'),
    ({'architectures': ['MyModel']}, 'MyModel computes it, which is not known'),
    ({'auto_map': {'AutoModelForCausalLM': 'me/it--code.MyModel'}}, 'MyModel'),
    ({'model_type': 'llava', 'text_config': {'model_type': 'llama'}},
     'the llama in it may be known by its own name'),
], ids=str)
def test_what_is_not_understood_is_told(tmp_path, change, words):
  config = dict(TOLD['models']['llama']['config'], **change)
  folder = write_model(tmp_path, 'llama', config)
  with pytest.raises(UserError, match=words):
    read_model(folder)


@pytest.mark.parametrize('kind', sorted(TOLD['defaults']))
def test_what_a_config_omits_is_the_default_of_transformers(tmp_path, kind):
  default = TOLD['defaults'][kind]
  rows = default.get('text_config', default)['vocab_size']
  table = np.zeros((rows, 1), np.float16)
  save_file({
      f'{name}.weight': table for name in (
          'model.embed_tokens', 'model.decoder.embed_tokens',
          'gpt_neox.embed_in', 'transformer.wte',
          'transformer.blocks.0.ffn.up_proj',
      )
  }, tmp_path / 'model.safetensors')
  found = []
  for config in (default, {'model_type': kind}):
    (tmp_path / 'config.json').write_text(json.dumps(config))
    found.append(find_mapping(
        tmp_path, *read_config(tmp_path), Tensors(tmp_path)
    ).config)
  assert found[0] == found[1]


def test_mosaic_gpt_has_no_positions_by_default(tmp_path):
  config = dict(TOLD['models']['mpt_1b']['config'])
  del config['alibi']
  with pytest.raises(UserError, match='alibi is False, which is not known'):
    read_model(write_model(tmp_path, 'mpt_1b', config))


@pytest.mark.parametrize('name, tensor, shape', [
    ('phi3', 'model.layers.1.mlp.gate_up_proj.weight', (47, 16)),
    ('pythia', 'gpt_neox.layers.1.attention.query_key_value.bias', (1, 96)),
    ('llama', 'model.layers.1.self_attn.o_proj.weight', (16, 15)),
    ('llama', 'model.layers.1.mlp.up_proj.weight', ()),
    ('llama', 'model.embed_tokens.weight', ()),
])
def test_a_tensor_of_another_shape_is_told(tmp_path, name, tensor, shape):
  other = {tensor: np.zeros(shape, np.float32)}
  folder = write_model(tmp_path, name, **other)
  with pytest.raises(UserError, match='do not belong together'):
    read_model(folder)


@pytest.mark.parametrize('name', ['llama', 'gemma2', 'pythia', 'opt'])
def test_a_flamingo_around_it_says_the_same_before_it_is_trained(read, name):
  """Gates of 0 leave no trace of pictures, to the bit."""
  tower, params = read(name)
  config = FlamingoConfig(
      vision=ViTConfig(patch=16, layers=1, width=8, heads=1),
      decoder=tower.decoder, image_size=32,
      resampler=ResamplerConfig(
          layers=1, width=16, heads=2, head_size=8, latents=2
      ),
      dtype='float32', frozen_dtype='float32',
  )
  rng, rows = np.random.default_rng(0), len(TOKENS)
  pictures = rng.integers(0, 255, (rows, 1, 1, 32, 32, 3), np.uint8)
  tree = {
      path: np.zeros_like(x) if path[-1].endswith('_gate') else x for path, x in
      traverse_util.flatten_dict(random_weights(config, scale=0.1)).items()
  }
  tree |= traverse_util.flatten_dict({'decoder': params})
  said = jax.jit(config.build().apply)(
      {'params': traverse_util.unflatten_dict(tree)}, TOKENS,
      np.ones(TOKENS.shape, np.int32), pictures, np.ones((rows, 1, 1), bool),
  )
  alone = jax.jit(LanguageModel(tower).apply)(
      {'params': {'decoder': params}}, TOKENS
  )
  np.testing.assert_array_equal(said[..., : config.decoder.vocab], alone)
