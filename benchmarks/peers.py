# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Our speed beside that of another Flamingo's maker, on the same weights.

  python -m benchmarks.peers openflamingo --python=refs/bin/python

prints JSON. The maker (openflamingo or idefics) runs in refs, an environment
with torch, transformers and, for OpenFlamingo, open_clip and open_flamingo
(makers.py). It writes a model with random weights as it writes any, `flamingo
convert` makes ours of it, and nothing is timed unless the logits are the same.
Then both take turns, in float32 on CPUs and in bfloat16 where there is a GPU,
compiled beforehand:

  train     a step of AdamW on texts with their pictures: the vision encoder
            without a gradient, the resampler and blocks with one. Both clip the
            gradient's norm and spare the resampler the decay of weights;
            'losses_differ' is the largest difference over the steps
  prefill   pictures and prompts to the first token
  decode    the tokens behind it
  query     a picture and a text behind 32 shots that stay the same, and the ten
            tokens of the answer; we read the shots once, the makers' code has
            nowhere to keep them

'ours' and 'theirs' are medians of seconds, 'ratio' is that of the medians and
'ratios' of each turn, ours over theirs; 'cpu_ratio' is of the seconds of
processors, which tells more where others compute too.
"""

import argparse
import functools
import json
import os
import pathlib
import statistics
import tempfile
from typing import Any

import jax
import numpy as np

from benchmarks.turns import OtherSide, timed
import flamingo_jax as fj
from flamingo_jax import decoding
from flamingo_jax import machine
from flamingo_jax.convert import conversion
from flamingo_jax.convert import whole
from flamingo_jax.predictor import programs
from flamingo_jax.training.optimizer import make_optimizer
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import Trainer, init_state
from flamingo_jax.training.trained_model import FlamingoModel

NEVER = -1  # no token has this id: every run decodes as many tokens
SIZES = {
    'tiny': dict(
        image=32, patch=8, v_width=64, v_layers=2, v_heads=2, v_mlp=256,
        lm_layers=4, d=64, heads=4, ffn=256, gated_ffn=171, vocab=509, added=3,
        max_pos=256, x_every=2, x_heads=4, x_dim_head=16, r_depth=2, r_heads=4,
        r_dim_head=16, r_latents=8, batch=2, seq=32, images=2, prompt=16,
        new=16, shots=8, shot=8, answer=4,
    ),
    'small': dict(
        image=224, patch=32, v_width=768, v_layers=12, v_heads=12, v_mlp=3072,
        lm_layers=12, d=512, heads=8, ffn=2048, gated_ffn=1365, vocab=32000,
        added=3, max_pos=2048, x_every=4, x_heads=8, x_dim_head=64, r_depth=6,
        r_heads=8, r_dim_head=64, r_latents=64, batch=4, seq=256, images=2,
        prompt=64, new=64, shots=32, shot=16, answer=10,
    ),
}


def make_texts(
    size: dict[str, int], rows: int, length: int, images: int, seed: int,
    lead: int = 2,
) -> dict[str, np.ndarray]:
  """Texts in which a picture follows `lead` words, and others at even spaces."""
  rng = np.random.default_rng(seed)
  tokens = rng.integers(3, size['vocab'], (rows, length))
  end, image = size['vocab'], size['vocab'] + 1
  places = lead + np.arange(images) * ((length - lead) // images)
  tokens[:, places] = image
  tokens[:, places[1:] - 1] = end
  targets = np.full_like(tokens, -100)
  targets[:, :-1] = np.where(tokens[:, 1:] == image, -100, tokens[:, 1:])
  shape = rows, images, size['image'], size['image'], 3
  return {
      'tokens': tokens.astype(np.int32), 'targets': targets.astype(np.int32),
      'media_index': np.cumsum(tokens == image, axis=1, dtype=np.int32),
      'pixels': rng.integers(0, 256, shape, np.uint8),
  }


class Ours:
  """The converted model: its training step, and the programs it answers by."""

  def __init__(self, folder: pathlib.Path):
    loaded = fj.load(folder)
    self._params, self._vocabulary = loaded.params, loaded.vocabulary
    self._config = loaded.config
    self._module = loaded.config.build()
    self._encode = jax.jit(functools.partial(programs.see, self._module))
    self._read = jax.jit(functools.partial(programs.read_prefix, self._module))
    self._greedy = jax.jit(
        functools.partial(programs.greedy, self._module, stop=NEVER),
        static_argnames='room',
    )
    self._logits = jax.jit(self._module.apply)

  def logits(self, texts: dict[str, np.ndarray]) -> np.ndarray:
    """Of a batch."""
    mask = np.ones((*texts['pixels'].shape[:2], 1), bool)
    return np.asarray(self._logits(
        {'params': self._params}, texts['tokens'], texts['media_index'],
        texts['pixels'][:, :, None], mask,
    ))

  def start_training(self, texts: dict[str, np.ndarray]) -> None:
    """Compiles the step for these texts."""
    optimizer = make_optimizer(lambda step: 1e-4)
    model = FlamingoModel(self._config, self._vocabulary, optimizer)
    partitioner = Partitioner(devices=jax.local_devices()[:1])
    # A step takes the weights it is given; those to answer with stay.
    weights = jax.tree.map(jax.numpy.copy, self._params)
    self._state, self._frozen = init_state(
        model, partitioner, jax.random.key(0), weights
    )
    batch = {
        'tokens': texts['tokens'],
        'targets': np.maximum(texts['targets'], 0),
        'loss_weights': (texts['targets'] >= 0).astype(np.float32),
        'media_index': texts['media_index'],
        'media': texts['pixels'][:, :, None],
        'media_mask': np.ones((*texts['pixels'].shape[:2], 1), bool),
    }
    self._batch = partitioner.put_batch(
        {f'texts/{name}': x[:, None] for name, x in batch.items()}
    )
    trainer = Trainer(model, partitioner, lambda step: 1e-4, {'texts': 1.0})
    self._step = trainer.compile_train(self._state, self._frozen, self._batch)

  def train(self) -> float:
    """A step: its loss."""
    self._state, metrics = self._step(self._state, self._frozen, self._batch)
    jax.block_until_ready(self._state)
    return float(metrics['texts/loss_sum'] / metrics['texts/weight'])

  def read(self, texts: dict[str, np.ndarray]) -> Any:
    """What texts that stay in front leave in memory."""
    return jax.block_until_ready(
        self._read(self._params, None, self._rows(texts))
    )

  def generate(
      self, texts: dict[str, np.ndarray], new: int, prefix: Any = None
  ) -> np.ndarray:
    """The likeliest `new` tokens behind prompts."""
    found = self._greedy(
        self._params, (prefix, np.int32(new)), self._rows(texts), room=new
    )
    return np.asarray(found.tokens)

  def _rows(self, texts: dict[str, np.ndarray]) -> Any:
    """Prompts and the latents of their pictures."""
    rows, images = texts['pixels'].shape[:2]
    # All at once, as their code does; a Predictor takes one after the other.
    latents, _ = self._encode(self._params, None, (
        texts['pixels'].reshape(-1, 1, 1, *texts['pixels'].shape[2:]),
        np.ones((rows * images, 1, 1), bool),
    ))
    tokens = texts['tokens']
    prompts = decoding.Prompts(
        tokens, np.full(rows, tokens.shape[1], np.int32), texts['media_index']
    )
    return prompts, latents.reshape(rows, images, *latents.shape[1:])


def convert(maker: str, folder: pathlib.Path, size: dict[str, int]) -> None:
  """Makes `ours` of what the maker has written."""
  if maker == 'idefics':
    conversion.convert(folder / 'whole', folder / 'ours')
    return
  for name in ('language_model', 'vision'):
    conversion.convert(folder / name, folder / f'{name}_tower')
  whole.convert(
      folder / 'checkpoint.pt', folder / 'language_model_tower',
      folder / 'vision_tower', folder / 'ours', size['x_dim_head'],
  )


def check_logits(
    ours: np.ndarray, theirs: np.ndarray, tolerance: float
) -> float:
  """The largest difference, over the spread of logits; an error if too large."""
  differ = float(np.abs(ours - theirs).max() / theirs.std())
  if not differ <= tolerance:
    raise RuntimeError(
        f'logits differ by {differ:.3g} of their spread: it is not the same '
        'model, and nothing is timed'
    )
  return differ


def measure(
    options: argparse.Namespace, folder: pathlib.Path
) -> dict[str, Any]:
  """All of it, both sides taking turns."""
  size = SIZES[options.size]
  theirs = OtherSide([
      options.python, str(pathlib.Path(__file__).parent / 'makers.py'),
      options.maker, str(folder), str(options.threads), json.dumps(size),
  ])
  convert(options.maker, folder, size)
  ours = Ours(folder / 'ours')
  shots, query = make_query(size)
  texts = {
      'train': make_texts(
          size, size['batch'], size['seq'], size['images'], seed=0
      ),
      'prompts': make_texts(
          size, size['batch'], size['prompt'], size['images'], seed=1
      ),
      'query': joined(shots, query),
  }
  for name, arrays in texts.items():
    np.savez(folder / f'{name}.npz', **arrays)
  is_bfloat16 = theirs.told['device'] == 'cuda'
  found = theirs(['logits', 'train.npz'])
  differ = check_logits(
      ours.logits(texts['train']), np.load(folder / found),
      0.1 if is_bfloat16 else 1e-3,
  )
  ours.start_training(texts['train'])
  prefix = ours.read(shots)
  new, answer = size['new'], size['answer']
  both = {  # trained last, as the weights of both then change
      'prefill': (
          lambda: ours.generate(texts['prompts'], 1),
          ['generate', 'prompts.npz', 1],
      ),
      'generate': (
          lambda: ours.generate(texts['prompts'], new),
          ['generate', 'prompts.npz', new],
      ),
      'query': (
          lambda: ours.generate(query, answer, prefix),
          ['generate', 'query.npz', answer],
      ),
      'train': (ours.train, ['train', 'train.npz']),
  }
  turns, results = {}, {}
  for name, (function, asked) in both.items():
    if name in options.only:
      pairs = [
          (timed(function), theirs(asked))
          for _ in range(options.warmup + options.rounds)
      ]
      results[name] = [[result for _, result in pair] for pair in pairs]
      turns[name] = [
          [seconds for seconds, _ in pair] for pair in pairs[options.warmup :]
      ]
  theirs.close()
  device = jax.devices()[0]
  return {
      'maker': options.maker, 'size': options.size,
      'dtype': 'bfloat16' if is_bfloat16 else 'float32',
      'threads': options.threads, 'rounds': options.rounds,
      'logits_differ': differ, **summarize(turns, results, size),
      'hardware': f'{len(jax.devices())} x {device.device_kind}',
      'load': os.getloadavg(), 'jax': jax.__version__, **theirs.told,
  }


def make_query(size: dict[str, int]) -> tuple[dict, dict]:
  """Shots, and a query behind them."""
  shots = make_texts(
      size, 1, size['shots'] * size['shot'], size['shots'], seed=2, lead=0
  )
  return shots, make_texts(size, 1, size['shot'], 1, seed=3, lead=0)


def joined(shots: dict, query: dict) -> dict[str, np.ndarray]:
  """Shots and query as one text."""
  seen = query['media_index'] + shots['pixels'].shape[1]
  later = query | {'media_index': seen}
  return {
      name: np.concatenate([x, later[name]], axis=1)
      for name, x in shots.items()
  }


def summarize(
    turns: dict[str, list], results: dict[str, list], size: dict[str, int]
) -> dict[str, Any]:
  """Of turns [(seconds, those of processors) of both], and what came out."""
  turns = {name: np.array(x) for name, x in turns.items()}  # [turn, side, kind]
  if {'prefill', 'generate'} <= turns.keys():
    turns['decode'] = turns['generate'] - turns['prefill']
  turns.pop('generate', None)
  told = {}
  for name, seconds in turns.items():
    ours, theirs = np.median(seconds[..., 0], axis=0)
    cpu_ours, cpu_theirs = np.median(seconds[..., 1], axis=0)
    ratios = seconds[:, 0, 0] / seconds[:, 1, 0]
    told[name] = {
        'ours': round(ours, 4), 'theirs': round(theirs, 4),
        'ratio': round(ours / theirs, 3),
        'ratios': [round(float(x), 3) for x in ratios],
        'cpu_ratio': round(cpu_ours / cpu_theirs, 3),
    }
    if name == 'decode':
      tokens = size['batch'] * (size['new'] - 1)
      told[name] |= {'tokens_per_second': round(tokens / ours, 1),
                     'their_tokens_per_second': round(tokens / theirs, 1)}
  for name in results.keys() - {'train', 'prefill'}:
    same = [np.mean(np.array(a) == np.array(b)) for a, b in results[name]]
    told[f'{name}_same'] = float(statistics.mean(same))
  if 'train' in results:
    told['losses'] = results['train']
    told['losses_differ'] = max(abs(a - b) for a, b in results['train'])
  return told


def main() -> None:
  """Parses the flags and prints the measurements."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('maker', choices=['openflamingo', 'idefics'])
  parser.add_argument('--python', required=True)
  parser.add_argument('--size', choices=SIZES, default='small')
  parser.add_argument('--threads', type=int, default=2)
  parser.add_argument('--warmup', type=int, default=2)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--only', nargs='*',
                      default=['train', 'prefill', 'generate', 'query'])
  options = parser.parse_args()
  machine.keep_memory()  # as `flamingo train` does
  with tempfile.TemporaryDirectory() as folder:
    print(json.dumps(measure(options, pathlib.Path(folder)), indent=2))


if __name__ == '__main__':
  main()
