# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Queries per second of few-shot evaluation, with and without what saves time.

  python -m benchmarks.fewshot_eval --variant=flamingo_tiny --shots=0,4,32

prints JSON: for each number of fixed shots queries/s of the whole way from
picture files to answers, beam 3, with everything on and with something left out
(0 shots are two texts without pictures, Flamingo A.2):

  prefix     the shots are read once, and not again in front of every query
  media      latents of pictures are kept, and not computed again per batch;
             with a prefix that is read once no picture comes twice, so it is
             also tried without both
  bucketing  queries of like length share a batch, and are not padded to the
             longest of all

'ratio' is the time per query over that of the fewest shots with everything on,
'cpu_ratio' the same of the process's CPU time, which other work on the machine
changes less. The measurements take turns and the fastest of each counts. With
few queries, reading 32 shots once is a part of what each costs; --all_on leaves
the slow measurements out, so that there may be as many as in an evaluation.
Weights and pictures are random, and no answer ends before its last token. The
context is as long as the shots need. When the clock starts, programs are compiled
and nothing is encoded or read.
"""

import argparse
import json
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
from flamingo_jax.models import variants
from flamingo_jax.predictor import Predictor
from flamingo_jax.tasks.shapes_vocabulary import shapes_vocabulary
from flamingo_jax.training.partitioner import Partitioner

OFF = ((), ('prefix',), ('prefix', 'media'), ('bucketing',))
# In words that every vocabulary here has.
QUESTION = 'Question: What colour is the{} star? Answer:'
WORDS = ' large striped'  # that some questions have more
VOCABULARIES = {'flamingo_tiny': shapes_vocabulary}  # of other than the default


def make_prompts(
    folder: pathlib.Path, size: int, shots: int, queries: int
) -> tuple[list, list[list]]:
  """(parts of the shots, those of each query): a picture file each.

  0 shots are two texts without pictures.
  """
  rng = np.random.default_rng(0)
  pictures = []
  for i in range(shots + queries):
    path = folder / f'{i}.png'
    pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    pictures.append(image(path))
  prefix = []
  for picture in [[part] for part in pictures[:shots]] or 2 * [[]]:
    prefix += [*picture, QUESTION.format('') + ' red', END_OF_CHUNK]
  # Every fourth query is twice as long or longer.
  return prefix, [
      [picture, QUESTION.format(WORDS * (4 * (i % 4 == 0)))]
      for i, picture in enumerate(pictures[shots:])
  ]


def _context(options: argparse.Namespace, vocabulary: Vocabulary) -> int:
  """The tokens of the longest prompt and its answer, or more."""
  shot = len(vocabulary.encode(QUESTION.format(4 * WORDS) + ' red')) + 2
  return shot * (2 + max(options.shots)) + options.new_tokens


def answer(
    predictor: Predictor, off: tuple[str, ...], prefix: list,
    queries: list[list], options: argparse.Namespace,
) -> list[str]:
  """Answers to all queries, with something left out."""
  asked = queries
  if 'prefix' in off:
    asked, prefix = [[*prefix, *query] for query in queries], []
  limits = {
      'max_new_tokens': options.new_tokens, 'beams': 3, 'prefix': prefix,
      'batch_size': options.batch,
  }
  if 'bucketing' not in off:
    return predictor.generate(asked, **limits)
  # What padding to the longest costs: every query as long as that.
  longest = max(asked, key=lambda query: len(query[-1]))
  return predictor.generate(
      [[*query[:-1], longest[-1]] for query in asked], **limits
  )


def measure(options: argparse.Namespace) -> dict[str, Any]:
  """All measurements, taking turns `options.repeats` times."""
  vocabulary = VOCABULARIES.get(options.variant, default_vocabulary)()
  config = variants.get(
      options.variant, {'decoder.context': _context(options, vocabulary)}
  )
  params = random_params(config)
  make = lambda keep: Predictor(
      config, params, vocabulary, keep_latents=keep, partitioner=Partitioner()
  )
  predictor, forgetful = make(4096), make(0)
  runs = {}
  with tempfile.TemporaryDirectory() as folder:
    for shots in options.shots:
      path = pathlib.Path(folder) / str(shots)
      path.mkdir()
      prompts = make_prompts(path, config.image_size, shots, options.queries)
      for off in OFF[: 1 if options.all_on else None]:
        if shots or 'prefix' not in off:
          runs[shots, off] = prompts, []
    for number in range(options.repeats + 1):
      for (shots, off), (prompts, seconds) in runs.items():
        asked = forgetful if 'media' in off else predictor
        asked.forget()
        start = time.perf_counter(), time.process_time()
        answer(asked, off, *prompts, options)
        if number:  # the first time compiles
          end = time.perf_counter(), time.process_time()
          seconds.append(np.subtract(end, start))
  return summarize(options, {
      key: np.min(seconds, axis=0) for key, (_, seconds) in runs.items()
  })


def summarize(
    options: argparse.Namespace,
    seconds: dict[tuple[int, tuple[str, ...]], np.ndarray],
) -> dict[str, Any]:
  """The fastest of the repeats (wall clock, CPU), for JSON."""
  fewest = seconds[min(options.shots), ()]
  device = jax.devices()[0]
  return {
      'variant': options.variant,
      'queries': options.queries,
      'batch': options.batch,
      'new_tokens': options.new_tokens,
      'repeats': options.repeats,
      'runs': [
          {
              'shots': shots, 'without': off,
              'queries_per_second': round(options.queries / value[0], 3),
              'ratio': round(value[0] / fewest[0], 3),
              'cpu_ratio': round(value[1] / fewest[1], 3),
          }
          for (shots, off), value in seconds.items()
      ],
      'hardware': f'{len(jax.devices())} x {device.device_kind} '
                  f'({device.platform})',
      'jax': jax.__version__,
  }


def main() -> None:
  """Parses the flags and prints the measurements."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--variant', default='flamingo_tiny')
  parser.add_argument(
      '--shots', default=[0, 4, 32], metavar='N,...',
      type=lambda text: [int(number) for number in text.split(',')],
  )
  parser.add_argument('--all_on', action='store_true',
                      help='nothing is left out, for many queries')
  parser.add_argument('--queries', type=int, default=64)
  parser.add_argument('--batch', type=int, default=8)
  parser.add_argument('--new_tokens', type=int, default=8)
  parser.add_argument('--repeats', type=int, default=3)
  print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == '__main__':
  main()
