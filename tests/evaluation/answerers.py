# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Models whose score is known: one that is always right, and the opposite."""

import itertools
import json
import pathlib

import numpy as np

from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.evaluation import cards
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.fewshot import Settings
from tests.evaluation.miniature import files, views

_PHOTOGRAPHS = {files.image_id(view): view.photograph for view in views.VIEWS}


def photograph(path):
  """What a picture is a part of, by its name as COCO's are."""
  return _PHOTOGRAPHS[int(pathlib.Path(path).stem.split('_')[-1])]


def known_by(prompt):
  """The pictures of a prompt's query, and its text."""
  is_medium = lambda part: isinstance(part, Media)
  media = itertools.takewhile(is_medium, reversed(prompt[:-1]))
  return (*(medium.path for medium in media), prompt[-1])


class Oracle:
  """Knows each query by its picture and text, and says its first answer."""

  context = 2048

  def __init__(self, queries):
    self.vocabulary = default_vocabulary()
    self.asked, self.sampling = [], []  # prompts; of each call frames, fps
    self.separators = set()
    self._known = {known_by(prompts.ask(q)): q for q in queries}

  def query(self, prefix, prompt):
    self.asked.append([*prefix, *prompt])
    return self._known[known_by(prompt)]

  def generate(
      self, asked, *, max_new_tokens, beams, batch_size, prefix, **sampling
  ):
    self.sampling.append(sampling)
    assert beams in (1, 3) and 0 < len(asked) <= 8 * batch_size
    assert max_new_tokens >= 5
    return [self.query(prefix, prompt).answers[0] for prompt in asked]

  def score(
      self, asked, candidates, *, separator, batch_size, prefix, **sampling
  ):
    del batch_size
    self.separators.add(separator)
    self.sampling.append(sampling)
    rows = np.array(
        [self.likelihoods(self.query(prefix, p), candidates) for p in asked]
    )
    return -5 + rows.astype(np.float32)

  def likelihoods(self, query, candidates):
    record = query.record
    if record.get('relevance'):
      return record['relevance']
    is_shown = record.get('annotation', 1) == 1
    return [float(is_shown and c in query.answers) for c in candidates]

  def embed(self, media, **sampling):
    """Parts of one photograph have the same features."""
    self.sampling.append(sampling)
    rows = [
        np.random.default_rng(list(photograph(m.path).encode())).normal(size=4)
        for m in media
    ]
    return np.array(rows)


class Silent(Oracle):
  """Says nothing, and finds the right candidate the least likely."""

  def generate(self, asked, **options):
    del options
    return ['' for _ in asked]

  def likelihoods(self, query, candidates):
    return [-x for x in super().likelihoods(query, candidates)]


class Inexact(Oracle):
  """Says the last of the answers, or more, and ranks in any order."""

  def generate(self, asked, *, prefix, **options):
    del options
    queries = [self.query(prefix, prompt) for prompt in asked]
    return [
        query.answers[-1] + ' or not' * (query.example_id % 3 == 2)
        for query in queries
    ]

  def likelihoods(self, query, candidates):
    return np.random.default_rng(query.example_id).permutation(len(candidates))


class Rambling(Oracle):
  """Is right, but misses <EOC> and goes on with a prompt of its own."""

  def generate(self, asked, **options):
    keyword = 'Output' if asked[0][-1] == 'Output:' else 'Question'
    said = super().generate(asked, **options)
    return [f' {text} {keyword}: and so on Answer: more' for text in said]


def evaluate(data, folder, name='vqav2', model=Oracle, answerer=None,
             allow_missing=False, batch_size=8, **more):
  """(the card, the model)."""
  benchmark = paper_benchmarks.find(name, more.get('prompts'))
  settings = Settings(**{
      'benchmark': name, 'split': benchmark.split, 'shots': 2,
      'prompts': benchmark.style.name, 'beams': benchmark.beams,
  } | more)
  answerer = answerer or model(benchmark.queries(data, settings.split))
  return cards.evaluate(
      benchmark, data, settings, answerer,
      {'sha256': 'none', 'model_dir': 'nowhere'}, folder,
      allow_missing=allow_missing, batch_size=batch_size,
  ), answerer


def results(folder, card):
  """The folder of an evaluation."""
  return folder / Settings(**card['settings']).name


def examples(folder, card):
  """Its queries and what was answered."""
  lines = (results(folder, card) / 'examples.jsonl').read_text().splitlines()
  return list(map(json.loads, lines))
