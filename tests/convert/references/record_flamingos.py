# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what OpenFlamingo computes around tiny language models.

As record.py, and with `pip install --no-deps open-flamingo==2.0.1` and open_clip,
into flamingos.json (configs, shapes, prompts, greedy tokens) and flamingos.npz
(logits, and gradients of what is trained). The vision encoder is the open_clip of
vision_encoders.json. Last run with open-flamingo 2.0.1, transformers 5.23.0,
open_clip_torch 3.3.0 and torch 2.13.0.

Blocks and resampler are the maker's own classes with fewer and smaller heads;
its Flamingo has 8 of 64. The rows of the table that are not added are those of
the language model, as the maker trains the others alone.
"""

import json
import pathlib
import sys

import numpy as np
import open_clip
from open_flamingo.src import helpers
from open_flamingo.src.flamingo import Flamingo
from open_flamingo.src.flamingo_lm import FlamingoLMMixin
from open_flamingo.src.utils import extend_instance
import torch
from torch.nn import functional
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from record import IDS, NEOX, SIZES, language_model  # noqa: E402
from record_vision import pictures  # noqa: E402
from reference_weights import added_values, values  # noqa: E402
from written import write  # noqa: E402

VISION = json.loads((HERE / 'vision_encoders.json').read_text())['open_clip']
SIZE, HEAD_SIZE, WIDTH = 12, 8, 16  # of pictures, of heads, of features
DEPTH, LATENTS, NEW = 2, 5, 20
# Language model, its options, blocks every k layers, words before what is added,
# how many entries are added, what a text begins with.
CASES = {
    'mpt': ('Mpt', {
        'vocab_size': 60, 'd_model': 24, 'n_heads': 3, 'n_layers': 3,
        'max_seq_len': 64,
    }, 1, 55, 3, []),
    'neox': ('GPTNeoX', NEOX | {'num_hidden_layers': 4}, 2, 55, 2, []),
    'llama': ('Llama', SIZES | IDS | {'num_hidden_layers': 5}, 2, 55, 4, [1]),
    'opt': ('OPT', {
        'vocab_size': 60, 'hidden_size': 16, 'ffn_dim': 24,
        'num_hidden_layers': 3, 'num_attention_heads': 2,
        'max_position_embeddings': 64, 'word_embed_proj_dim': 16,
    }, 3, 60, 3, [2]),
}
LAYERS = {'mpt': 'transformer.blocks', 'neox': 'gpt_neox.layers',
          'llama': 'model.layers', 'opt': 'model.decoder.layers'}
# Text before the first picture; two side by side; none; three. 'i' is a picture,
# 'e' ends a chunk, numbers are words.
PROMPTS = (
    (5, 17, 'i', 30, 8, 9, 'e', 'i', 41, 12),
    ('i', 'i', 23, 6, 50),
    (33, 7, 21),
    ('i', 11, 'e', 'i', 19, 45, 14, 'e', 'i', 28, 20, 4, 39),
)


class Mixin(FlamingoLMMixin):
  """Which transformers 5 may call without a mask."""

  def forward(self, input_ids, attention_mask=None, **options):
    return super().forward(input_ids, attention_mask, **options)


def vision_encoder():
  """As record_vision.py has it."""
  config = VISION['config']['model_cfg']
  model = open_clip.CLIP(
      6, config['vision_cfg'] | {'output_tokens': True}, config['text_cfg'],
      quick_gelu=True,
  )
  model.load_state_dict({
      name: torch.tensor(values(name, tuple(x.shape)))
      for name, x in model.state_dict().items()
  })
  return model


def build(name):
  """(model, config.json, shapes)."""
  kind, options, every, words, added, _ = CASES[name]
  lm, config, shapes = language_model(kind, options)
  extend_instance(lm, Mixin)
  lm.set_decoder_layers_attr_name(LAYERS[name])
  lm.resize_token_embeddings(words + added, mean_resizing=False)
  model = Flamingo(vision_encoder(), lm, words, words + 1, vis_dim=WIDTH,
                   cross_attn_every_n_layers=every)
  model.perceiver = helpers.PerceiverResampler(
      dim=WIDTH, depth=DEPTH, dim_head=HEAD_SIZE, heads=3, num_latents=LATENTS
  )
  blocks = lm.gated_cross_attn_layers
  for i, block in enumerate(blocks):
    if block is not None:
      blocks[i] = helpers.GatedCrossAttentionBlock(
          dim=model.lang_dim, dim_visual=WIDTH, dim_head=HEAD_SIZE, heads=2
      )
  lm.init_flamingo_layers(False)
  model.requires_grad_(False)
  model.perceiver.requires_grad_(True)
  lm.gated_cross_attn_layers.requires_grad_(True)
  lm.get_input_embeddings().requires_grad_(True)
  tables = [lm.get_input_embeddings().weight, lm.get_output_embeddings().weight]
  with torch.no_grad():
    for key, x in model.named_parameters():
      if any(x is table for table in tables):
        x[words:] = torch.tensor(added_values(key, (added, x.shape[1])))
      elif x.requires_grad:
        x.copy_(torch.tensor(added_values(key, tuple(x.shape))))
    if name == 'llama':  # whose checkpoints have no map out of the trunk
      tables[1][words:] = 0
  return model.eval(), config, shapes


def batch(words, first):
  """Ids, whether each is a token, and pixels of all prompts; 0 where is none."""
  rows = [
      [*first, *({'e': words, 'i': words + 1}.get(x, x) for x in prompt)]
      for prompt in PROMPTS
  ]
  longest = max(map(len, rows))
  ids = np.array([row + [0] * (longest - len(row)) for row in rows])
  mask = np.array([[i < len(row) for i in range(longest)] for row in rows])
  most = max(prompt.count('i') for prompt in PROMPTS)
  shown = np.stack([pictures(SIZE)[0]] * len(rows) * most)
  shown = shown.reshape(len(rows), most, SIZE, SIZE, 3)
  shown = (shown.astype(int) + 40 * np.arange(len(rows) * most).reshape(
      len(rows), most, 1, 1, 1
  )) % 256
  mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
  pixels = (shown / np.float32(255) - np.array(mean)) / np.array(std)
  for row, prompt in enumerate(PROMPTS):
    pixels[row, prompt.count('i'):] = 0
  pixels = torch.tensor(pixels, dtype=torch.float32).permute(0, 1, 4, 2, 3)
  return torch.tensor(ids), torch.tensor(mask), pixels[:, :, None]


def record(name):
  """What is told of one model, and its arrays."""
  _, _, every, words, added, first = CASES[name]
  model, config, shapes = build(name)
  ids, mask, pixels = batch(words, first)
  logits = model(pixels, ids, attention_mask=mask.long()).logits
  labels = torch.where(mask & (ids != words + 1), ids, -100)[:, 1:]
  functional.cross_entropy(
      logits[:, :-1].flatten(0, 1), labels.flatten()
  ).backward()
  found = {'logits': logits.detach().numpy() * mask[..., None].numpy()}
  for key, x in model.named_parameters():
    if x.requires_grad:
      is_table = x is model.lang_encoder.get_input_embeddings().weight
      gradient = x.grad[words:] if is_table else x.grad
      found[f'gradient/{key}'] = gradient.numpy()
  greedy, gaps = [], []
  with torch.no_grad():
    for row in range(len(PROMPTS)):
      known = ids[row : row + 1, mask[row]]
      length = known.shape[1]
      for _ in range(NEW):
        best = model(
            pixels[row : row + 1], known, attention_mask=torch.ones_like(known)
        ).logits[:, -1]
        best[:, words + 1] = -np.inf  # no pictures are shown after all
        top = best.topk(2).values[0]
        gaps.append(float(top[0] - top[1]))
        known = torch.cat([known, best.argmax(-1, keepdim=True)], 1)
      greedy.append(known[0, length:].tolist())
  print(name, logits.std().item(), 'least gap', min(gaps), greedy[0])
  # What the maker's training saves (filter_state_dict_to_trainable).
  kept = {
      key: tuple(x.shape) for key, x in model.state_dict().items()
      if not key.startswith('vision_encoder.')
      and 'old_decoder_blocks' not in key
      and not key.startswith('lang_encoder.gated_cross_attn_layers')
      and ('embed' in key or 'gated_cross_attn_layer.' in key
           or key.startswith('perceiver.') or key.endswith('wte.weight'))
  }
  if name == 'neox':  # as transformers called it then, and so it was kept
    kept['lang_encoder.embed_out.weight'] = tuple(
        model.lang_encoder.lm_head.weight.shape
    )
  return {
      'config': config, 'tensors': shapes, 'checkpoint': kept,
      'every': every, 'words': words, 'added': added, 'first': first,
      'ids': ids.tolist(), 'lengths': mask.sum(1).tolist(), 'greedy': greedy,
  }, found


def main():
  """Writes both files."""
  write('flamingos', CASES, record, prompts=PROMPTS, head_size=HEAD_SIZE)


if __name__ == '__main__':
  main()
