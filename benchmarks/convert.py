# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of `flamingo convert` beside those of a copy, as JSON.

  python -m benchmarks.convert --gigabytes=4

A Llama of random bfloat16 weights is made, copied and converted, the latter two
in turns, with its file on the disk alone and then in the page cache. A tower is
on the disk when its conversion ends; so is a copy from the disk, and one from the
cache may end in the cache. The ratio is that of the fastest turns, which others
on the machine have slowed least. Memory is the most that the process of a
conversion held at once.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import shutil
import tempfile
import time
from typing import Any

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

from flamingo_jax.convert import conversion

_WIDTH, _MLP, _VOCAB = 2048, 8192, 32_000
_WORDS = {f'w{i}': i for i in range(100)}


def make_model(folder: pathlib.Path, gigabytes: float) -> None:
  """A Llama whose file has about that size."""
  per_layer = 4 * _WIDTH**2 + 3 * _WIDTH * _MLP
  layers = max(1, round((gigabytes * 1e9 / 2 - _VOCAB * _WIDTH) / per_layer))
  (folder / 'config.json').write_text(json.dumps({
      'model_type': 'llama', 'hidden_size': _WIDTH, 'vocab_size': _VOCAB,
      'intermediate_size': _MLP, 'num_hidden_layers': layers,
      'num_attention_heads': 16, 'max_position_embeddings': 2048,
      'tie_word_embeddings': True, 'bos_token_id': 1, 'eos_token_id': 2,
  }))
  (folder / 'tokenizer.json').write_text(json.dumps({
      'version': '1.0', 'model': {
          'type': 'WordLevel', 'vocab': _WORDS, 'unk_token': 'w0',
      },
  }))
  rng = np.random.default_rng(0)

  def weights(*shape: int) -> np.ndarray:
    bits = rng.integers(0, 2**14, shape, np.uint16)
    return bits.view(ml_dtypes.bfloat16)

  tensors = {
      'model.embed_tokens.weight': weights(_VOCAB, _WIDTH),
      'model.norm.weight': weights(_WIDTH),
  }
  for layer in range(layers):
    at = f'model.layers.{layer}.'
    for name in 'qkvo':
      tensors[f'{at}self_attn.{name}_proj.weight'] = weights(_WIDTH, _WIDTH)
    for name in ('gate', 'up'):
      tensors[f'{at}mlp.{name}_proj.weight'] = weights(_MLP, _WIDTH)
    tensors[f'{at}mlp.down_proj.weight'] = weights(_WIDTH, _MLP)
    for name in ('input_layernorm', 'post_attention_layernorm'):
      tensors[f'{at}{name}.weight'] = weights(_WIDTH)
  save_file(tensors, folder / 'model.safetensors')


def convert(folder: str, out: str, results: multiprocessing.Queue) -> None:
  """One conversion: seconds, bytes from the disk, most memory."""
  before = _bytes_from_disk()
  begin = time.monotonic()
  conversion.convert(folder, out)
  seconds = time.monotonic() - begin
  # Of this program alone: what getrusage tells is handed on from the parent.
  peak = 1024 * int(_of_process('status', 'VmHWM').removesuffix(' kB'))
  results.put((seconds, _bytes_from_disk() - before, peak))


def _bytes_from_disk() -> int:
  return int(_of_process('io', 'read_bytes'))


def _of_process(file: str, name: str) -> str:
  lines = pathlib.Path('/proc/self', file).read_text(encoding='ascii')
  return dict(line.split(':', 1) for line in lines.splitlines())[name].strip()


def copy(source: pathlib.Path, out: pathlib.Path, is_synced: bool) -> float:
  """Seconds of a copy."""
  begin = time.monotonic()
  shutil.copyfile(source, out)
  if is_synced:
    _sync(out)
  seconds = time.monotonic() - begin
  out.unlink()
  return seconds


def _sync(path: pathlib.Path) -> None:
  with open(path, 'rb') as file:
    os.fsync(file.fileno())


def place(path: pathlib.Path, where: str) -> None:
  """Puts a file into the page cache, or takes it out."""
  with open(path, 'rb') as file:
    if where == 'disk':
      os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    else:
      while file.read(2**24):
        pass


def measure(folder: pathlib.Path, where: str, repeats: int) -> dict[str, Any]:
  """Copies and conversions in turns; outputs lie beside the folder."""
  context = multiprocessing.get_context('spawn')
  file, tower = folder / 'model.safetensors', folder.with_name('tower')
  copies, conversions, results = [], [], context.Queue()
  for _ in range(repeats):
    place(file, where)
    copies.append(copy(file, folder.with_name('copy'), where == 'disk'))
    place(file, where)
    process = context.Process(
        target=convert, args=(str(folder), str(tower), results)
    )
    process.start()
    conversions.append(results.get())
    process.join()
    shutil.rmtree(tower)
  seconds, read, peak = (list(column) for column in zip(*conversions))
  return {
      'copy_seconds': [round(s, 2) for s in copies],
      'convert_seconds': [round(s, 2) for s in seconds],
      'ratio': round(min(seconds) / min(copies), 2),
      'bytes_from_disk': read,
      'peak_memory_gb': round(max(peak) / 1e9, 2),
  }


def main() -> None:
  """Prints one JSON object."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--gigabytes', type=float, default=4.0)
  parser.add_argument('--repeats', type=int, default=3)
  options = parser.parse_args()
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name, 'hub')
    folder.mkdir()
    make_model(folder, options.gigabytes)
    file = folder / 'model.safetensors'
    _sync(file)  # only then it can leave the page cache
    print(json.dumps({'file_bytes': file.stat().st_size} | {
        f'from_{where}': measure(folder, where, options.repeats)
        for where in ('disk', 'cache')
    }, indent=2))


if __name__ == '__main__':
  main()
