# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what transformers computes of tiny IDEFICS.

As record.py, into idefics.json (folders without their weights, shapes, what the
processor makes of prompts, greedy tokens) and idefics.npz (logits, gradients of
what is trained, and what a step of AdamW makes of it). Last run with transformers 5.23.0 and torch 2.13.0; where
torchvision cannot be imported, put what mends it in front.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import PIL.Image
from tokenizers import Tokenizer, models, pre_tokenizers
import torch
from torch.nn import functional
import transformers
from transformers.models.idefics import image_processing_pil_idefics

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from record_vision import pictures  # noqa: E402
from reference_weights import added_values  # noqa: E402
from written import write  # noqa: E402

TAGS = ['<fake_token_around_image>', '<image>']
WORDS = ['<unk>', '<s>', '</s>'] + [f'w{i}' for i in range(3, 55)]
SIZES = {
    'vocab_size': 55, 'additional_vocab_size': 2, 'hidden_size': 16,
    'intermediate_size': 24, 'num_hidden_layers': 4, 'num_attention_heads': 2,
    'max_position_embeddings': 64, 'cross_layer_interval': 2,
    'use_resampler': True, 'vision_config': {
        'embed_dim': 16, 'image_size': 12, 'intermediate_size': 20,
        'patch_size': 4, 'num_hidden_layers': 2, 'num_attention_heads': 4,
    },
}
RESAMPLER = {
    'resampler_n_latents': 5, 'resampler_depth': 2, 'resampler_n_heads': 2,
    'resampler_head_dim': 8, 'qk_layer_norms_perceiver': False,
}
# Options, and what the tokenizer has beside words and tags. One has its tags
# among the words, as nothing is added, and no resampler.
CASES = {
    'base': (SIZES | {'perceiver_config': RESAMPLER}, []),
    'instruct': (SIZES | {
        'additional_vocab_size': 4, 'num_hidden_layers': 2,
        'cross_layer_interval': 1, 'alpha_type': 'vector',
        'qk_layer_norms': True, 'rms_norm_eps': 1e-5,
        'perceiver_config': RESAMPLER | {'qk_layer_norms_perceiver': True},
    }, ['<end_of_utterance>']),
    'plain': (SIZES | {
        'vocab_size': 60, 'additional_vocab_size': 0, 'num_hidden_layers': 3,
        'cross_layer_interval': 3, 'use_resampler': False,
        'tie_word_embeddings': True,
    }, []),
}
# 'i' is a picture, 'e' ends a chunk, the rest are texts: before the first picture;
# two side by side; none; three, with a text that sees none behind an end.
PROMPTS = (
    ('w5 w17', 'i', ' w30 w8 w9', 'i', 'w41 w12'),
    ('i', 'i', 'w23 w6 w50'),
    ('w33 w7 w21',),
    ('i', 'w11', 'e', 'w52 w9', 'i', 'w19 w45 ', 'i', 'w28 w20 w4 w39'),
)
NEW = 20
# Of AdamW; eps hides the noise of gradients that are 0.
STEP = {'lr': 1e-2, 'eps': 1e-4, 'weight_decay': 0.1}


def make_processor(more, size):
  """As the hub has it, with a tokenizer of words."""
  tokenizer = Tokenizer(models.WordLevel(
      {word: i for i, word in enumerate(WORDS)}, '<unk>'
  ))
  tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
  tokenizer = transformers.PreTrainedTokenizerFast(
      tokenizer_object=tokenizer, bos_token='<s>', eos_token='</s>',
      unk_token='<unk>', pad_token='<unk>', padding_side='right',
      extra_special_tokens=[*TAGS, *more],
  )
  images = image_processing_pil_idefics.IdeficsImageProcessorPil(
      image_size=size
  )
  return transformers.IdeficsProcessor(images, tokenizer)


def build(options):
  """(model, config.json, shapes)."""
  model = transformers.IdeficsForVisionText2Text(
      transformers.IdeficsConfig(**options)
  )
  with torch.no_grad():
    for name, x in model.named_parameters():
      x.copy_(torch.tensor(added_values(name, tuple(x.shape))))
  with tempfile.TemporaryDirectory() as folder:
    model.save_pretrained(folder)
    config = json.loads((pathlib.Path(folder) / 'config.json').read_text())
  tied = options.get('tie_word_embeddings')
  shapes = {
      name: tuple(x.shape) for name, x in model.state_dict().items()
      if not (tied and name.startswith('lm_head.'))
  }
  model.generation_config.eos_token_id = None
  return model.eval(), config, shapes


def read_prompts(processor, end, size):
  """What the processor makes of the prompts, all at once."""
  shown = pictures(size)[0].astype(int)
  prompts = []
  for row, prompt in enumerate(PROMPTS):
    parts, seen = [], 0
    for part in prompt:
      if part == 'i':
        pixels = (shown + 40 * (3 * row + seen)) % 256
        parts.append(PIL.Image.fromarray(pixels.astype(np.uint8)))
        seen += 1
      elif part == 'e':
        parts[-1] += end
      elif parts and isinstance(parts[-1], str):
        parts[-1] += part
      else:
        parts.append(part)
    prompts.append(parts)
  return processor(text=prompts)


def record(name):
  """What is told of one model, and its arrays."""
  options, more = CASES[name]
  size = options['vision_config']['image_size']
  model, config, shapes = build(options)
  processor = make_processor(more, size)
  inputs = read_prompts(processor, (more or ['</s>'])[0], size)
  ids, mask = inputs['input_ids'], inputs['attention_mask'].bool()
  seen = inputs['image_attention_mask']
  given = processor.tokenizer.convert_tokens_to_ids(TAGS)
  trained = ('gated_cross_attn', 'perceiver', 'additional_')
  for key, x in model.named_parameters():
    x.requires_grad_(any(part in key for part in trained))
  logits = model(**inputs).logits
  is_tag = (ids == given[0]) | (ids == given[1])
  labels = torch.where(mask & ~is_tag, ids, -100)[:, 1:]
  functional.cross_entropy(
      logits[:, :-1].flatten(0, 1), labels.flatten()
  ).backward()
  found = {'logits': logits.detach().numpy() * mask[..., None].numpy()}
  for key, x in model.named_parameters():
    if x.requires_grad:
      found[f'gradient/{key}'] = x.grad.numpy()
  greedy = answer(model, inputs, given)
  if name == 'instruct':
    torch.optim.AdamW(
        [x for x in model.parameters() if x.requires_grad], **STEP
    ).step()
    found |= {
        f'stepped/{key}': x.detach().numpy()
        for key, x in model.named_parameters() if x.requires_grad
    }
  print(name, logits.std().item(), greedy)
  index = (seen.argmax(-1) + 1) * seen.any(-1) * mask
  return {
      'config': config, 'tensors': shapes,
      'tokenizer': json.loads(processor.tokenizer.backend_tokenizer.to_str()),
      'processor': processor.image_processor.to_dict(),
      'ids': ids.tolist(), 'lengths': mask.sum(1).tolist(),
      'index': index.tolist(), 'given': given, 'greedy': greedy,
  }, found


def answer(model, inputs, given):
  """Greedy tokens behind each prompt alone, with the maker's cache."""
  greedy = []
  for row in range(len(PROMPTS)):
    one = {key: x[row : row + 1] for key, x in inputs.items()}
    length = int(inputs['attention_mask'][row].sum())
    for key in ('input_ids', 'attention_mask', 'image_attention_mask'):
      one[key] = one[key][:, :length]
    out = model.generate(
        **one, max_new_tokens=NEW, do_sample=False,
        bad_words_ids=[[i] for i in given],
    )
    greedy.append(out[0, length:].tolist())
  return greedy


def main():
  """Writes both files."""
  write('idefics', CASES, record, prompts=PROMPTS, step=STEP)


if __name__ == '__main__':
  main()
