# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of launch/real_language.sh that need no download."""

import json

import numpy as np
import PIL.Image
import pytest
import tokenizers

from flamingo_jax.errors import UserError
from launch import real_language


def write_stamps(folder, count):
  folder.mkdir()
  for i in range(count):
    PIL.Image.new('RGB', (4, 4)).save(folder / f'{i:03}.png')
    (folder / f'{i:03}.txt').write_text(f' Stamp é {i}. \nes.utf8=Sello.\n')
  (folder / 'sound.txt').write_text('no picture of this name')
  (folder / '000.txt').write_text('\n')  # no text of this one
  return folder


def test_pairs_are_split_the_same_way_each_time(tmp_path):
  stamps = write_stamps(tmp_path / 'stamps', 101)
  real_language.write_pairs(stamps, tmp_path)
  found = {}
  for name in ('train', 'validation'):
    lines = (tmp_path / f'{name}.jsonl').read_text('utf-8').splitlines()
    found[name] = [json.loads(line)['parts'] for line in lines]
  assert len(found['validation']) == 60 and len(found['train']) == 40
  texts = {text['text'] for _, text in found['validation'] + found['train']}
  assert texts == {f'Stamp é {i}.' for i in range(1, 101)}
  image, text = found['train'][0]
  number = image['image'].rpartition('/')[2].removesuffix('.png').lstrip('0')
  assert text['text'] == f'Stamp é {number}.'
  before = (tmp_path / 'validation.jsonl').read_bytes()
  real_language.write_pairs(stamps, tmp_path)
  assert (tmp_path / 'validation.jsonl').read_bytes() == before


def test_a_folder_without_stamps_is_told(tmp_path):
  stamps = write_stamps(tmp_path / 'stamps', 20)
  with pytest.raises(UserError, match='19 pictures with a text .* too few'):
    real_language.write_pairs(stamps, tmp_path)


def test_rows_of_queries_are_put_back_into_halves():
  """llama.cpp has the two numbers of a rotation side by side."""
  heads, size, width = 2, 6, 3
  hub = np.arange(heads * size * width).reshape(heads * size, width)
  first, second = hub.reshape(heads, 2, size // 2, width).swapaxes(0, 1)
  beside = np.stack([first, second], axis=2).reshape(hub.shape)
  name, found = real_language._as_the_hub(
      'blk.7.attn_q.weight', beside, {'attn_q': heads, 'attn_k': 1}
  )
  assert name == 'model.layers.7.self_attn.q_proj.weight'
  np.testing.assert_array_equal(found, hub)
  name, found = real_language._as_the_hub('output_norm.weight', hub, {})
  assert name == 'model.norm.weight' and found is hub


def test_the_tokenizer_has_each_digit_by_itself():
  alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
  tokens = ['<|end|>', *alphabet, 'Ġa', '12']
  kinds = [3] + [1] * (len(tokens) - 1)
  tokenizer = real_language._tokenizer(tokens, ['Ġ a', '1 2'], kinds)
  said = tokenizer.encode('x a 12<|end|>')
  assert said.tokens == ['x', 'Ġa', 'Ġ', '1', '2', '<|end|>']
  assert tokenizer.decode(said.ids) == 'x a 12'
