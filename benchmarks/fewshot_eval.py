# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Queries per second of few-shot evaluation, against doing all for each query.

  python -m benchmarks.fewshot_eval
  python -m benchmarks.fewshot_eval --variant=flamingo_tiny --queries=64 --alone=16 \
    --supports=64 --batch=8 --repeats=3

The first is of a model as people have them (SmolLM2-135M and SigLIP 2 B/16, four
minutes on two quiet cores), the second of the one that is shipped, whose encoder is
next to nothing. Each prints JSON: for each number of shots, fixed ones and those of
RICES, queries/s of the whole way from picture files to answers (beam 3), in two ways
that take turns:

  shared     supports are known from an earlier evaluation, on disk, and queries
             are not. Fixed shots are read once. RICES compares the features of
             queries, which come with their latents, and reads each prompt whole.
  per_query  all pictures of a prompt are encoded for it, and it is read whole.
             RICES has chosen its shots before the clock starts.

'times' is how many times the queries/s of 'per_query' those of 'shared' are, and
'cpu_times' the same of the process's CPU time, which other work on the machine
changes less. The fastest of each way counts. 'support' is what encoding a support
takes, once for a model. 0 shots are two texts without pictures (Flamingo A.2).
Weights and pictures are random, and no answer ends before its last token. The
context is as long as the shots need, and the vocabulary is one of the package's.
When the clock starts, programs are compiled.
"""

import argparse
from collections.abc import Callable, Sequence
import json
import os
import pathlib
import tempfile
import time
from typing import Any

import jax
import numpy as np
import PIL.Image

from benchmarks.random_params import random_params
from flamingo_jax.data.documents import END_OF_CHUNK, image
from flamingo_jax.data.vocabulary import Vocabulary, default_vocabulary
from flamingo_jax.evaluation import prompts, rices
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.models import variants
from flamingo_jax.predictor import Predictor
from flamingo_jax.tasks.shapes_vocabulary import shapes_vocabulary
from flamingo_jax.training.partitioner import Partitioner

# In words that every vocabulary here has.
QUESTION = 'Question: What colour is the star? Answer:'
ANSWER = 'red'
VOCABULARIES = {'flamingo_tiny': shapes_vocabulary}  # of other than the default
KINDS = ('fixed', 'rices')


class Pictures:
  """Samples with random pictures, none of which comes twice."""

  def __init__(self, folder: pathlib.Path, size: int):
    self._folder, self._size = folder, size
    self._rng, self._count = np.random.default_rng(0), 0

  def __call__(self, count: int) -> list[Sample]:
    """New ones."""
    samples = []
    for _ in range(count):
      pixels = self._rng.integers(0, 256, (self._size, self._size, 3), np.uint8)
      path = self._folder / f'{self._count}.png'
      PIL.Image.fromarray(pixels).save(path)
      samples.append(Sample(
          (image(path),), QUESTION, (ANSWER,), f'sample {self._count}', 0
      ))
      self._count += 1
    return samples

  def again(self, parts: list, name: str) -> list:
    """The parts with pictures of their own, which nobody knows are others'."""
    found = []
    for number, part in enumerate(parts):
      if hasattr(part, 'path'):
        path = self._folder / f'{name}_{number}.png'
        if not path.exists():
          os.link(part.path, path)
        part = image(path)
      found.append(part)
    return found


def share(
    predictor: Predictor, kind: str, shots: int, supports: Sequence[Sample],
    queries: Sequence[Sample], limits: dict[str, int],
) -> list[str]:
  """Answers to queries, as `flamingo eval` asks for them."""
  if kind == 'rices':
    index = rices.Index(queries, supports, predictor.embed)
    return predictor.generate(
        [prompts.join(index.nearest(q, shots), q) for q in queries], **limits
    )
  return predictor.generate(
      list(map(prompts.ask, queries)), prefix=_fixed(shots, supports), **limits
  )


def _fixed(shots: int, supports: Sequence[Sample]) -> list:
  """The parts of shots that are the same for all."""
  if shots:
    return prompts.join(supports[:shots], prompts.ANY_QUERY)
  return 2 * [f'{QUESTION} {ANSWER}', END_OF_CHUNK]


def measure(options: argparse.Namespace) -> dict[str, Any]:
  """All measurements, taking turns `options.repeats` times."""
  vocabulary = VOCABULARIES.get(options.variant, default_vocabulary)()
  overrides = {
      'decoder.context': _context(options, vocabulary),
      'decoder.vocab': vocabulary.base_size,
  }
  if options.vision_of:
    other = variants.get(options.vision_of)
    overrides |= {'vision': other.vision, 'image_size': other.image_size}
  config = variants.get(options.variant, overrides)
  params = random_params(config)
  make = lambda **kept: Predictor(
      config, params, vocabulary, partitioner=Partitioner(), **kept
  )
  sharing = make(keep_latents=4096, cache_media=True)
  limits = {
      'max_new_tokens': options.new_tokens, 'beams': 3,
      'batch_size': options.batch,
  }
  with tempfile.TemporaryDirectory() as folder:
    os.environ['XDG_CACHE_HOME'] = folder
    new = Pictures(pathlib.Path(folder), config.image_size)
    supports = new(options.supports)
    sharing.embed([supports[0].media[0]])  # compiles
    support = _clock(lambda: sharing.embed(
        [sample.media[0] for sample in supports[1:]]
    )) / (options.supports - 1)
    seconds = {}
    for turn in range(options.repeats + 1):  # the first one compiles
      for shots in options.shots:
        for kind in KINDS[: 2 if shots else 1]:
          queries = new(options.queries)
          sharing.forget()
          sharing.embed([supports[0].media[0]])  # opens what is on disk
          found = _clock(lambda: share(
              sharing, kind, shots, supports, queries, limits
          )) / options.queries
          asked = _alone(
              new, kind, shots, supports, queries[: options.alone], sharing,
              f'{turn}_{shots}_{kind}',
          )
          forgetful = make()
          alone = _clock(
              lambda: forgetful.generate(asked, **limits)
          ) / len(asked)
          if turn:
            seconds.setdefault((shots, kind), []).append((found, alone))
  return summarize(options, support, {
      key: np.min(turns, axis=0) for key, turns in seconds.items()
  })


def _alone(
    new: Pictures, kind: str, shots: int, supports: Sequence[Sample],
    queries: Sequence[Sample], predictor: Predictor, name: str,
) -> list[list]:
  """Whole prompts of queries, whose pictures no two have in common."""
  if kind == 'rices':
    index = rices.Index(queries, supports, predictor.embed)
    whole = [prompts.join(index.nearest(q, shots), q) for q in queries]
  else:
    whole = [[*_fixed(shots, supports), *prompts.ask(q)] for q in queries]
  return [new.again(p, f'{name}_{i}') for i, p in enumerate(whole)]


def _clock(run: Callable[[], Any]) -> np.ndarray:
  """Seconds: of the clock, and of CPU time."""
  start = time.perf_counter(), time.process_time()
  run()
  return np.subtract((time.perf_counter(), time.process_time()), start)


def _context(options: argparse.Namespace, vocabulary: Vocabulary) -> int:
  """The tokens of the longest prompt and its answer, or more."""
  shot = len(vocabulary.encode(f'{QUESTION} {ANSWER}')) + 8
  return shot * (2 + max(options.shots)) + options.new_tokens


def summarize(
    options: argparse.Namespace, support: np.ndarray,
    seconds: dict[tuple[int, str], np.ndarray],
) -> dict[str, Any]:
  """The fastest of the repeats, [way, (wall clock, CPU)], for JSON."""
  device = jax.devices()[0]
  rate = lambda value: float(f'{1 / value[0]:.4g}')
  return {
      **vars(options),
      'runs': [
          {
              'shots': shots, 'kind': kind,
              'shared_per_second': rate(shared),
              'per_query_per_second': rate(alone),
              'times': round(alone[0] / shared[0], 2),
              'cpu_times': round(alone[1] / shared[1], 2),
          }
          for (shots, kind), (shared, alone) in seconds.items()
      ],
      'support': {'seconds': round(support[0], 4), 'cpu': round(support[1], 4)},
      'hardware': f'{len(jax.devices())} x {device.device_kind} '
                  f'({device.platform})',
      'jax': jax.__version__,
  }


def main() -> None:
  """Parses the flags and prints the measurements."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--variant', default='flamingo_smollm2')
  parser.add_argument('--vision_of', metavar='VARIANT',
                      help='take the vision encoder of another one (of '
                      'flamingo_smollm2: flamingo_llama_1b)')
  parser.add_argument(
      '--shots', default=[0, 4, 32], metavar='N,...',
      type=lambda text: [int(number) for number in text.split(',')],
  )
  parser.add_argument('--queries', type=int, default=8)
  parser.add_argument('--alone', type=int, default=2,
                      help='how many of them are asked one by one')
  parser.add_argument('--supports', type=int, default=33)
  parser.add_argument('--batch', type=int, default=4)
  parser.add_argument('--new_tokens', type=int, default=8)
  parser.add_argument('--repeats', type=int, default=1)
  options = parser.parse_args()
  if options.variant == 'flamingo_smollm2':
    options.vision_of = options.vision_of or 'flamingo_llama_1b'
  print(json.dumps(measure(options), indent=2))


if __name__ == '__main__':
  main()
