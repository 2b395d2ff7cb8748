# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what transformers computes of tiny Llama 3.2 Visions.

As record_idefics.py, into mllama.json and mllama.npz, with the tiles that the
processor makes of photographs (scikit-image's). Last run with transformers 5.23.0
and torch 2.13.0.

In one thing the model is mended: what a token that sees no picture gets by
attention is taken away, as the maker's code does (transformers' issue 39379).
Without that, such a token sees all pictures, also those that come later and what
pads the batch. That nothing else changes is checked here: prompts that begin with
their pictures, or have none, give the same without it.
"""

import contextlib
import json
import pathlib
import sys
import tempfile

import numpy as np
import PIL.Image
from safetensors import safe_open
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
import torch
from torch.nn import functional
import transformers
from transformers.models.mllama import image_processing_pil_mllama
from transformers.models.mllama import modeling_mllama

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from photographs import photographs  # noqa: E402
from reference_weights import added_values  # noqa: E402
from shown_pictures import cut, shown  # noqa: E402

HEADERS = ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>']
WORDS = [
    '<pad>', '<|begin_of_text|>', '<|end_of_text|>', *(
        f'w{i}' for i in range(3, 52)
    ), 'user', 'assistant', 'system',
]
TAG = len(WORDS) + len(HEADERS)
TEXT = {
    'vocab_size': TAG, 'hidden_size': 16, 'intermediate_size': 24,
    'num_attention_heads': 4, 'num_key_value_heads': 2,
    'max_position_embeddings': 128, 'pad_token_id': 0, 'bos_token_id': 1,
    'eos_token_id': 2, 'rope_parameters': {
        'rope_type': 'llama3', 'rope_theta': 500.0, 'factor': 8.0,
        'low_freq_factor': 1.0, 'high_freq_factor': 4.0,
        'original_max_position_embeddings': 32,
    },
}
VISION = {
    'hidden_size': 16, 'num_hidden_layers': 3, 'num_global_layers': 2,
    'attention_heads': 4, 'intermediate_size': 20, 'vision_output_dim': 48,
    'image_size': 12, 'patch_size': 4, 'intermediate_layers_indices': [0, 2],
}
# The second one begins with a block, ends with a whole group, has as many heads of
# keys as of queries, three tiles at most and another activation.
CASES = {
    'base': (
        TEXT | {'num_hidden_layers': 8, 'cross_attention_layers': [2, 6]},
        VISION,
    ),
    'chat': (
        TEXT | {'num_hidden_layers': 6, 'cross_attention_layers': [0, 3],
                'num_key_value_heads': 4, 'rms_norm_eps': 1e-6},
        VISION | {
            'image_size': 8, 'max_num_tiles': 3, 'hidden_act': 'quick_gelu',
            'intermediate_layers_indices': [1], 'vision_output_dim': 32,
            'supported_aspect_ratios': [[1, 1], [1, 2], [1, 3], [2, 1], [3, 1]],
        },
    ),
}
# 'i' is a picture, 'e' ends a turn, the rest are texts: before the first picture;
# two side by side; none; four, with two side by side behind a text.
PROMPTS = {
    'base': (
        ('w5 w17', 'i', ' w30 w8 w9', 'i', 'w41 w12'),
        ('i', 'i', 'w23 w6 w50'),
        ('w33 w7 w21',),
        ('i', 'w11 w50', 'i', 'i', 'w19 w45 w9', 'i', 'w28'),
        ('i',),
    ),
    'chat': (
        ('i', 'w5 w17', 'e', 'w30 w8 w9', 'e', 'i', 'w41 w12'),
        ('w23', 'i', 'i', 'w6 w50'),
        ('w33 w7 w21',),
        ('w4', 'i', 'w11', 'e', 'w9'),
    ),
}
# What Llama 3.2 Vision's template comes to without tools, written anew.
TEMPLATE = (
    "{{ bos_token }}{% set ns = namespace(seen=false) %}"
    "{% for m in messages %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{% set ns.seen = true %}{% endif %}"
    "{% endfor %}{% endfor %}{% if not ns.seen %}"
    "<|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    "<|eot_id|>{% endif %}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' }}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<|image|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{{ '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
NEW = 20


@contextlib.contextmanager
def mended():
  """Tokens that see no picture get nothing by attention."""
  whole = modeling_mllama.MllamaCrossAttentionDecoderLayer
  forward, attend = whole.forward, modeling_mllama.MllamaTextCrossAttention.forward
  seen = []

  def layer(self, *args, full_text_row_masked_out_mask=None, **kwargs):
    seen.append(full_text_row_masked_out_mask)
    try:
      return forward(
          self, *args,
          full_text_row_masked_out_mask=full_text_row_masked_out_mask, **kwargs
      )
    finally:
      seen.pop()

  def attention(self, *args, **kwargs):
    y, weights = attend(self, *args, **kwargs)
    return y if seen[-1] is None else seen[-1][:, 0] * y, weights

  whole.forward = layer
  modeling_mllama.MllamaTextCrossAttention.forward = attention
  try:
    yield
  finally:
    whole.forward = forward
    modeling_mllama.MllamaTextCrossAttention.forward = attend


def make_processor(name, vision):
  """As the hub has it, with a tokenizer of words."""
  tokenizer = Tokenizer(models.WordLevel(
      {word: i for i, word in enumerate(WORDS)}, '<pad>'
  ))
  tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
  tokenizer = transformers.PreTrainedTokenizerFast(
      tokenizer_object=tokenizer, bos_token='<|begin_of_text|>',
      eos_token='<|eot_id|>' if name == 'chat' else '<|end_of_text|>',
      pad_token='<pad>', unk_token='<pad>', padding_side='right',
      extra_special_tokens=[*HEADERS, '<|image|>'],
  )
  images = image_processing_pil_mllama.MllamaImageProcessorPil(
      size={'height': vision['image_size'], 'width': vision['image_size']},
      max_image_tiles=vision.get('max_num_tiles', 4),
      image_mean=[0.48145466, 0.4578275, 0.40821073],
      image_std=[0.26862954, 0.26130258, 0.27577711],
  )
  return transformers.MllamaProcessor(images, tokenizer)


def build(text, vision):
  """(model, config.json, shapes of the tensors as they are saved)."""
  model = transformers.MllamaForConditionalGeneration(transformers.MllamaConfig(
      text_config=text, vision_config=vision, image_token_index=TAG
  ))
  with tempfile.TemporaryDirectory() as folder:
    model.save_pretrained(folder)
    config = json.loads((pathlib.Path(folder) / 'config.json').read_text())
    file = pathlib.Path(folder) / 'model.safetensors'
    with safe_open(file, 'numpy') as tensors:
      shapes = {k: tensors.get_slice(k).get_shape() for k in tensors.keys()}
    save_file({k: added_values(k, tuple(x)) for k, x in shapes.items()}, file,
              {'format': 'pt'})
    model = transformers.MllamaForConditionalGeneration.from_pretrained(folder)
  model.generation_config.eos_token_id = None
  return model.eval(), config, shapes


def saved_name(name):
  """Of a parameter, as files have it."""
  name = name.removeprefix('model.')
  if name.startswith('language_model.'):
    return name.replace('language_model.', 'language_model.model.', 1)
  return f'language_model.{name}' if name.startswith('lm_head') else name


def texts_and_pictures(name):
  """Of each prompt, as the processor takes them."""
  found = []
  for row, prompt in enumerate(PROMPTS[name]):
    pictures, turns = [], [[]]
    for part in prompt:
      if part == 'i':
        pictures.append(PIL.Image.fromarray(shown(row, len(pictures))))
        turns[-1].append({'type': 'image'})
      elif part == 'e':
        turns.append([])
      else:
        turns[-1].append({'type': 'text', 'text': part})
    found.append((turns, pictures))
  return found


def read_prompts(name, processor):
  """What the processor makes of each prompt alone."""
  found = []
  for turns, pictures in texts_and_pictures(name):
    if name == 'chat':
      messages = [
          {'role': ('user', 'assistant')[i % 2], 'content': turn}
          for i, turn in enumerate(turns)
      ]
      is_open = len(turns) % 2 == 0
      text = processor.apply_chat_template(
          messages, chat_template=TEMPLATE,
          add_generation_prompt=not is_open,
      )
      text = text.removesuffix('<|eot_id|>') if is_open else text
    else:
      text = ''.join(x.get('text', '<|image|>') for x in turns[0])
    found.append(processor(
        text=[text], images=[pictures] if pictures else None,
        return_tensors='pt', add_special_tokens=False,
    ))
  return found


def batched(rows):
  """All prompts in one batch, padded as the processor pads."""
  length = max(x['input_ids'].shape[1] for x in rows)
  count = max(x['pixel_values'].shape[1] for x in rows if 'pixel_values' in x)
  like = next(x for x in rows if 'pixel_values' in x)
  found = {'input_ids': (length,), 'attention_mask': (length,)}
  found |= {
      key: (count, *like[key].shape[2:])
      for key in ('pixel_values', 'aspect_ratio_ids', 'aspect_ratio_mask')
  }
  found['cross_attention_mask'] = length, count, *like[
      'cross_attention_mask'
  ].shape[3:]
  for key, shape in found.items():
    values = torch.zeros((len(rows), *shape), dtype=like[key].dtype)
    for row, x in enumerate(rows):
      if key in x:
        part = x[key][0]
        values[(row, *map(slice, part.shape))] = part
    found[key] = values
  found['aspect_ratio_mask'][:, :, 0] = 1
  return found


def record(name):
  """What is told of one model, and its arrays."""
  model, config, shapes = build(*CASES[name])
  processor = make_processor(name, CASES[name][1])
  rows = read_prompts(name, processor)
  inputs = batched(rows)
  ids, mask = inputs['input_ids'], inputs['attention_mask'].bool()
  for key, x in model.named_parameters():
    layer = key.split('layers.')[-1].split('.')[0]
    is_block = 'language_model.layers' in key and int(layer) in CASES[name][0][
        'cross_attention_layers'
    ]
    x.requires_grad_(is_block or 'projector' in key or 'embed_tokens' in key)
  with mended():
    logits = model(**inputs).logits
    labels = torch.where(mask & (ids != TAG), ids, -100)[:, 1:]
    functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels.flatten()
    ).backward()
    greedy = [answer(model, x) for x in rows]
  check_the_rest(model, rows, logits)
  found = {'logits': logits.detach().numpy() * mask[..., None].numpy()}
  for key, x in model.named_parameters():
    if x.requires_grad:
      found[f'gradient/{saved_name(key)}'] = x.grad.numpy()
  print(name, logits.std().item(), greedy)
  return {
      'config': config, 'tensors': shapes,
      'tokenizer': json.loads(processor.tokenizer.backend_tokenizer.to_str()),
      'eos': processor.tokenizer.eos_token,
      'processor': processor.image_processor.to_dict(),
      'prompts': PROMPTS[name], 'given': [TAG], 'greedy': greedy,
      'ids': [x['input_ids'][0].tolist() for x in rows],
      'layouts': [x['aspect_ratio_ids'][0].tolist()
                  if 'aspect_ratio_ids' in x else [] for x in rows],
      'sees': [seen(x) for x in rows],
  }, found


def seen(x):
  """Of each token, the first and the last picture that it sees, from 1."""
  if 'cross_attention_mask' not in x:
    return [[0, 0]] * x['input_ids'].shape[1]
  found = []
  for row in x['cross_attention_mask'][0].any(-1).int().tolist():
    there = [i for i, is_seen in enumerate(row, 1) if is_seen]
    found.append([there[0], there[-1]] if there else [0, 0])
  return found


def check_the_rest(model, rows, logits):
  """That transformers as it is computes the same where all see a picture."""
  with torch.no_grad():
    for row, x in enumerate(rows):
      length = x['input_ids'].shape[1]
      if 'pixel_values' in x and int(x['input_ids'][0, 0]) != TAG:
        continue
      torch.testing.assert_close(
          model(**x).logits[0], logits[row, :length], atol=1e-5, rtol=0
      )


def answer(model, inputs):
  """Greedy tokens behind a prompt alone, with the maker's cache."""
  length = inputs['input_ids'].shape[1]
  out = model.generate(**inputs, max_new_tokens=NEW, do_sample=False)
  return out[0, length:].tolist()


def record_tiles():
  """Tiles of photographs, in bytes, and their layouts."""
  found = {}
  for most in (4, 6):
    processor = image_processing_pil_mllama.MllamaImageProcessorPil(
        size={'height': 19, 'width': 19}, max_image_tiles=most,
        image_mean=[0.0] * 3, image_std=[1.0] * 3,
    )
    parts, layouts = [], []
    for picture in cut(dict([*photographs().items()][:6])).values():
      x = processor([[PIL.Image.fromarray(picture)]], return_tensors='np')
      tiles = x['pixel_values'][0, 0][x['aspect_ratio_mask'][0, 0] > 0]
      parts.append(np.round(255 * tiles).astype(np.uint8))
      layouts.append(int(x['aspect_ratio_ids'][0, 0]))
    found[f'tiles/{most}'] = np.concatenate(parts).transpose(0, 2, 3, 1)
    found[f'layouts/{most}'] = np.array(layouts)
  return found


def main():
  """Writes both files."""
  told, arrays = {}, record_tiles()
  for name in CASES:
    told[name], found = record(name)
    arrays |= {f'{name}/{key}': x for key, x in found.items()}
  told = {'template': TEMPLATE, 'models': told}
  (HERE / 'mllama.json').write_text(json.dumps(told) + '\n')
  np.savez_compressed(HERE / 'mllama.npz', **arrays)


if __name__ == '__main__':
  main()
