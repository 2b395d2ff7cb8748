# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what the reference implementations of language models compute.

  python3 -m venv refs && refs/bin/pip install torch transformers
  refs/bin/python tests/convert/references/record.py [--llm_foundry=FOLDER]

Tiny models of every family, with all that sets it apart switched on; their
weights are made of names and shapes (reference_weights.py). Writes
language_models.json, their config.json, shapes and greedy tokens and the default
config of each family, and language_models.npz, their logits. Last run with
transformers 5.23.0 and torch 2.13.0.

MPT-1B is remote code: its model is that of a checkout of
github.com/mosaicml/llm-foundry at 39ae5eb64bc4, its last commit but a few with
the names of MPT-1B; it needs einops. Without one what was recorded of it stays.
"""

import argparse
import importlib
import json
import pathlib
import sys
import tempfile
import types
from unittest import mock

import numpy as np
from safetensors.numpy import load_file, save_file
import torch
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from reference_weights import values  # noqa: E402

SIZES = {
    'vocab_size': 60, 'hidden_size': 16, 'intermediate_size': 24,
    'num_hidden_layers': 3, 'num_attention_heads': 4,
    'num_key_value_heads': 2, 'max_position_embeddings': 64,
}
NEOX = {
    'vocab_size': 60, 'hidden_size': 32, 'intermediate_size': 48,
    'num_hidden_layers': 3, 'num_attention_heads': 4,
    'max_position_embeddings': 64,
}
IDS = {'pad_token_id': 0, 'bos_token_id': 1, 'eos_token_id': 2}
LLAMA3 = {
    'rope_type': 'llama3', 'rope_theta': 10_000.0, 'factor': 8.0,
    'low_freq_factor': 1.0, 'high_freq_factor': 4.0,
    'original_max_position_embeddings': 32,
}
YARN = {
    'rope_type': 'yarn', 'rope_theta': 10_000.0, 'factor': 4.0,
    'original_max_position_embeddings': 16,
}
LONGROPE = {
    'rope_type': 'longrope', 'rope_theta': 10_000.0,
    'short_factor': [1.0, 1.25, 3.0], 'long_factor': [2.0, 5.0, 9.0],
    'partial_rotary_factor': 0.75,
}
CASES = {
    'llama': ('Llama', SIZES | {'tie_word_embeddings': False}),
    'llama_3_2': ('Llama', SIZES | {
        'rope_parameters': LLAMA3, 'tie_word_embeddings': True,
    }),
    'llama_with_biases': ('Llama', SIZES | {
        'attention_bias': True, 'mlp_bias': True, 'head_dim': 6,
        'rope_parameters': {
            'rope_type': 'linear', 'rope_theta': 500.0, 'factor': 2.0,
        },
    }),
    'llama_with_yarn': ('Llama', SIZES | {
        'head_dim': 12, 'rope_parameters': YARN | {
            'beta_fast': 2.0, 'beta_slow': 0.5, 'mscale': 0.7,
            'mscale_all_dim': 1.3, 'truncate': False,
        },
    }),
    'mistral': ('Mistral', SIZES | {'sliding_window': 5, 'head_dim': 8}),
    'qwen2': ('Qwen2', SIZES | {
        'tie_word_embeddings': True, 'use_sliding_window': True,
        'sliding_window': 6, 'max_window_layers': 1,
    }),
    'qwen3': ('Qwen3', SIZES | {'head_dim': 8}),
    'smollm3': ('SmolLM3', SIZES | IDS | {
        'num_hidden_layers': 5, 'no_rope_layer_interval': 2,
    }),
    'smollm3_with_yarn': ('SmolLM3', SIZES | IDS | {
        'hidden_size': 64, 'no_rope_layer_interval': 2, 'rope_parameters': YARN,
    }),
    'olmo2': ('Olmo2', SIZES | IDS),
    'olmo3': ('Olmo3', SIZES | IDS | {
        'hidden_size': 64, 'num_hidden_layers': 5, 'sliding_window': 5,
        'rope_parameters': {
            'full_attention': YARN | {'attention_factor': 1.3},
            'sliding_attention': {
                'rope_type': 'default', 'rope_theta': 500.0,
            },
        },
    }),
    'phi3': ('Phi3', SIZES | IDS | {'sliding_window': 7}),
    'phi3_with_longrope': ('Phi3', SIZES | IDS | {
        'hidden_size': 32, 'rope_parameters': LONGROPE,
        'original_max_position_embeddings': 40,
    }),
    'gemma2': ('Gemma2', SIZES | {
        'head_dim': 8, 'query_pre_attn_scalar': 11, 'sliding_window': 5,
        'final_logit_softcapping': 3.0, 'attn_logit_softcapping': 2.0,
    }),
    'gemma3': ('Gemma3Text', SIZES | {
        'num_hidden_layers': 7, 'head_dim': 8, 'query_pre_attn_scalar': 11,
        'sliding_window': 5,
    }),
    'gemma3_with_vision': ('Gemma3', {
        'text_config': SIZES | {
            'head_dim': 8, 'sliding_window': 5, 'model_type': 'gemma3_text',
            'rope_parameters': {
                'full_attention': {
                    'rope_type': 'linear', 'rope_theta': 1e6, 'factor': 8.0,
                },
                'sliding_attention': {
                    'rope_type': 'default', 'rope_theta': 1e4,
                },
            },
        },
        'vision_config': {
            'model_type': 'siglip_vision_model', 'hidden_size': 8,
            'intermediate_size': 8, 'num_attention_heads': 2, 'image_size': 8,
            'num_hidden_layers': 1, 'patch_size': 4, 'vision_use_head': False,
        },
        'mm_tokens_per_image': 4, 'image_token_index': 0,
        'boi_token_index': 1, 'eoi_token_index': 2,
    }),
    'pythia': ('GPTNeoX', NEOX | {'rotary_pct': 0.25}),
    'redpajama': ('GPTNeoX', NEOX | {
        'use_parallel_residual': False, 'rotary_pct': 1.0,
    }),
    'mpt': ('Mpt', {
        'vocab_size': 60, 'd_model': 24, 'n_heads': 3, 'n_layers': 3,
        'max_seq_len': 64, 'attn_config': {'clip_qkv': 0.5},
    }),
    'opt': ('OPT', {
        'vocab_size': 60, 'hidden_size': 16, 'ffn_dim': 24,
        'num_hidden_layers': 3, 'num_attention_heads': 2,
        'max_position_embeddings': 64, 'word_embed_proj_dim': 16,
    }),
}
TOKENS = np.random.default_rng(0).integers(3, 60, (2, 21))
NEW = 20  # greedy tokens behind the first 9 and 6 of each row
LENGTHS = (9, 6)


MOSAIC_GPT = {
    'd_model': 24, 'n_heads': 3, 'n_layers': 3, 'vocab_size': 60,
    'max_seq_len': 64, 'attn_impl': 'torch', 'alibi': True, 'no_bias': True,
    'attn_qk_ln': True, 'attn_clip_qkv': 0.7,
}


def language_model(kind, options):
  """(model, its config.json, shapes of its tensors)."""
  config = getattr(transformers, f'{kind}Config')(**options)
  auto = transformers.AutoModelForCausalLM
  with tempfile.TemporaryDirectory() as folder:
    auto.from_config(config).save_pretrained(folder)
    saved = json.loads(pathlib.Path(folder, 'config.json').read_text())
    path = f'{folder}/model.safetensors'
    shapes = {name: x.shape for name, x in load_file(path).items()}
    save_file(
        {name: values(name, shape) for name, shape in shapes.items()}, path,
        metadata={'format': 'pt'},
    )
    model = auto.from_pretrained(folder, attn_implementation='eager').eval()
  return model, saved, shapes


def record_mosaic_gpt(checkout):
  """As `run` of a `language_model`, by the remote code's own repository."""
  base = 'examples.llm.src.models'
  for name in (
      'composer.algorithms.low_precision_layernorm.low_precision_layernorm',
      'composer.metrics.nlp', 'composer.models', 'omegaconf', f'{base}.utils',
  ):  # for its training and its initial weights
    for end in range(name.count('.') + 1):
      part = '.'.join(name.split('.')[: end + 1])
      if not part.startswith('examples') or part == name:
        sys.modules.setdefault(part, mock.MagicMock())
  for name in ('examples', 'examples.llm', 'examples.llm.src', base,
               f'{base}.layers', f'{base}.mosaic_gpt'):
    # Without what its __init__ imports.
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(checkout.joinpath(*name.split('.')))]
  sys.modules[
      'composer.algorithms.low_precision_layernorm.low_precision_layernorm'
  ].LPLayerNorm = importlib.import_module(f'{base}.layers.norm').LPLayerNorm
  code = importlib.import_module(f'{base}.mosaic_gpt.mosaic_gpt')
  model = code.MosaicGPT(code.MosaicGPTConfig(**MOSAIC_GPT)).eval()
  shapes = {name: x.shape for name, x in model.state_dict().items()}
  model.load_state_dict({
      name: torch.tensor(values(name, tuple(shape)))
      for name, shape in shapes.items()
  })
  return run(model, model.config.to_dict(), shapes)


def run(model, config, shapes):
  """What is told of a model, and its logits."""
  with torch.no_grad():
    logits = model(torch.tensor(TOKENS)).logits.numpy()
    greedy = []
    for row, length in zip(TOKENS, LENGTHS):
      ids = torch.tensor(row[None, :length])
      for _ in range(NEW):
        ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
      greedy.append(ids[0, length:].tolist())
  return {'config': config, 'tensors': shapes, 'greedy': greedy}, logits


def main():
  """Writes both files."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--llm_foundry', type=pathlib.Path)
  checkout = parser.parse_args().llm_foundry
  told, logits, defaults = {}, {}, {}
  for name, (kind, options) in CASES.items():
    told[name], logits[name] = run(*language_model(kind, options))
    default = getattr(transformers, f'{kind}Config')().to_dict()
    defaults[default['model_type']] = default
  if checkout:
    told['mpt_1b'], logits['mpt_1b'] = record_mosaic_gpt(checkout)
  else:
    before = json.loads((HERE / 'language_models.json').read_text())
    told['mpt_1b'] = before['models']['mpt_1b']
    logits['mpt_1b'] = np.load(HERE / 'language_models.npz')['mpt_1b']
  print({name: float(x.std()) for name, x in logits.items()})
  told = {'tokens': TOKENS.tolist(), 'lengths': LENGTHS, 'models': told,
          'defaults': defaults}
  (HERE / 'language_models.json').write_text(json.dumps(told) + '\n')
  np.savez_compressed(HERE / 'language_models.npz', **logits)


if __name__ == '__main__':
  main()
