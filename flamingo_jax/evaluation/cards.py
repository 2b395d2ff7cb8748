# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation cards: a score with everything that it takes to get it again.

  OUTPUT_DIR/<settings>/card.json         the score and how it came about
                       /predictions.json  as the benchmark's server takes it
                       /examples.jsonl    each query: shots, prediction, value
                       /examples.html     some of them, with their pictures
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import datetime
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import time
from typing import Any

from etils import epath
import jax
import numpy as np

from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.evaluation import answering
from flamingo_jax.evaluation import baselines
from flamingo_jax.evaluation import clips
from flamingo_jax.evaluation import drafts
from flamingo_jax.evaluation import fewshot
from flamingo_jax.evaluation import gallery
from flamingo_jax.evaluation import stored_cards
from flamingo_jax.evaluation.answering import Answerer, Outcome
from flamingo_jax.evaluation.benchmark import Benchmark
from flamingo_jax.evaluation.fewshot import Queries, Settings
from flamingo_jax.evaluation.metrics.metric import Target, rehearse
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.machine import cores

BATCH_SIZE = 8  # of an evaluation that asks for no other
_KEPT = 2**28  # bytes of answers; those of 50,000 rankings of 1,000 are more
_PACKAGES = (
    'flamingo_jax', 'jax', 'flax', 'numpy', 'pillow', 'av', 'sentencepiece',
    'pycocoevalcap', 'nltk', 'scikit-learn',
)
_RULES = {
    False: 'shot i of a query: place int(sha256("<seed> <place of the query in '
    'its file> <i>")[:8]) mod the size of the pool, places drawn before left '
    'out; the pool: the 2048 training samples (or 32 of each class) with the '
    'smallest sha256("<benchmark>:<split>:<place>")',
    True: 'the supports of the pool with the most similar features in the '
    'vision encoder, the most similar one last',
}


def evaluate(
    benchmark: Benchmark,
    data: str | os.PathLike,
    settings: Settings,
    answerer: Answerer,
    model: Mapping[str, Any],
    output_dir: str | os.PathLike,
    *,
    allow_missing: bool = False,
    batch_size: int = BATCH_SIZE,
    controls: Mapping[str, Mapping[str, float]] | None = None,
    keep: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
  """Evaluates, or goes on where the same evaluation was stopped.

  Args:
    benchmark: which one.
    data: the folder with a folder of its name.
    settings: what decides the predictions.
    answerer: the model.
    model: what tells it from others, for the card; its 'sha256' at least.
    output_dir: gets a folder for these settings.
    allow_missing: leave examples out whose media are missing.
    batch_size: queries at once on each device; answers of which two are as
      likely to six digits may hang on it, so the card has it.
    controls: scores of the same under controls, by their name and metric.
    keep: whether answers are kept for, and taken from, the same evaluation at
      another time; else they are from now or a time that it was stopped.
    progress: is told how many queries are done.

  Returns:
    The card.

  Raises:
    UserError: see `check`.
  """
  settings = settings.of(benchmark)
  started, clock = datetime.datetime.now(datetime.timezone.utc), time.time()
  found = fewshot.read_queries(benchmark, data, settings, allow_missing)
  targets = [query.target for query in found.queries]
  metrics, left_out = rehearse(benchmark.metrics, targets)
  benchmark = dataclasses.replace(benchmark, metrics=metrics)
  folder = as_folder(output_dir) / settings.name
  folder.mkdir(parents=True, exist_ok=True)
  files = _hash_files(benchmark, data, settings)
  draft = _draft(
      folder, settings, benchmark, model, found, files, batch_size
  )
  before = _answered_before(draft, keep)
  outcome = answering.answer(
      benchmark, found, settings, answerer, draft=draft, batch_size=batch_size,
      progress=progress,
  )
  card = {
      'format': stored_cards.FORMAT,
      'benchmark': benchmark.name,
      'settings': dataclasses.asdict(settings),
      'scores': {},
      'left_out': left_out,
      'queries': len(found.queries),
      'supports': len(found.supports),
      'missing': found.missing,
      **_protocol(benchmark, found, settings, answerer, outcome, batch_size),
      'data': {'folder': os.fspath(data), 'files': files},
      'code': benchmark.code,
      'model': dict(model),
      'environment': environment(),
  }
  card |= _score(benchmark, found, settings, targets, outcome, folder)
  card['baselines'] |= controls or {}
  card['time'] = {
      'started': started.isoformat(timespec='seconds'),
      'seconds': round(time.time() - clock, 1), 'answered_before': before,
  }
  write_atomically(folder / 'card.json', json.dumps(card, indent=2) + '\n')
  _set_aside(draft, keep)
  return card


def _answered_before(draft: epath.Path, keep: bool) -> int:
  """How many answers are there, in a draft or kept since it was whole."""
  kept = draft.with_suffix('.jsonl')
  if keep and kept.exists():
    kept.rename(draft)
  return len(drafts.read(draft))


def _set_aside(draft: epath.Path, keep: bool) -> None:
  """Keeps the answers of the last evaluation in this folder, or no answers."""
  for kept in draft.parent.glob('answers.*.jsonl'):
    kept.unlink()
  if keep and draft.exists() and draft.stat().length <= _KEPT:
    draft.rename(draft.with_suffix('.jsonl'))
  draft.unlink(missing_ok=True)


def _protocol(
    benchmark: Benchmark, found: Queries, settings: Settings,
    answerer: Answerer, outcome: Outcome, batch_size: int,
) -> dict[str, Any]:
  """What was asked, and how it was answered."""
  return {
      'prompt': {
          'template': benchmark.prompt, 'example': outcome.example,
          'style': dataclasses.asdict(benchmark.style),
          'differs': list(benchmark.differs),
          'longest': outcome.longest, 'context': answerer.context,
          'beyond_context': [found.queries[i].source for i in outcome.beyond],
          'shots': _rule(benchmark, settings),
          # The fewest and the most that a query has.
          'shown': [f(map(len, outcome.shots)) for f in (min, max)],
      },
      'decoding': {
          'max_new_tokens': benchmark.max_new_tokens, 'beams': settings.beams,
          'trim': list(benchmark.trim), 'batch_size': batch_size,
      },
  }


def _rule(benchmark: Benchmark, settings: Settings) -> str:
  rule = benchmark.rule.told if benchmark.rule else _RULES[settings.rices]
  if settings.fixed_shots:
    rule = (f'the same for all queries: {rule}; -1 stands for the place of the '
            'query')
  if settings.order:
    rule += ('; shown in the order of sha256("<seed> <place of the query> '
             f'permutation {settings.order} <i>")')
  return rule


def check(
    benchmark: Benchmark, data: str | os.PathLike, settings: Settings,
    answerer: Answerer, allow_missing: bool,
) -> None:
  """What can be known before the model is asked; arguments as of `evaluate`.

  Raises:
    UserError: see `fewshot.read_queries`; the metric is not defined; too many
      prompts are longer than the model's context, if the shots are not those
      of RICES, for which the model is asked.
  """
  found = fewshot.read_queries(benchmark, data, settings, allow_missing)
  rehearse(benchmark.metrics, [query.target for query in found.queries])
  if not (settings.rices and settings.shots):
    answering.lay_out(benchmark, found, settings, answerer)


def _draft(
    folder: epath.Path, settings: Settings, benchmark: Benchmark,
    model: Mapping[str, Any], found: Queries, files: Mapping[str, str],
    batch_size: int,
) -> epath.Path:
  """The file of answers so far, another one for anything that differs."""
  same = [
      dataclasses.asdict(settings), dataclasses.asdict(benchmark.style),
      benchmark.prompt, benchmark.trim,
      benchmark.max_new_tokens, stored_cards.essence(model), files, _stamps(found),
      found.missing, batch_size, environment()['packages'], benchmark.code,
  ]
  key = hashlib.sha256(json.dumps(same).encode()).hexdigest()[:16]
  return folder / f'answers.{key}.tmp'


def _stamps(found: Queries) -> str:
  """A digest of the sizes and times of all files of media."""
  digest = hashlib.sha256()
  paths = {
      medium.path for sample in (*found.queries, *found.supports)
      for medium in sample.media if medium.data is None
  }
  for path in sorted(filter(os.path.exists, paths)):
    stat = os.stat(path)
    digest.update(f'{path!r} {stat.st_size} {stat.st_mtime_ns}\n'.encode())
  return digest.hexdigest()


def _score(
    benchmark: Benchmark, found: Queries, settings: Settings,
    targets: Sequence[Target], outcome: Outcome, folder: epath.Path,
) -> dict[str, Any]:
  """Writes predictions and examples; what the card says of them."""
  scores, values = {}, [None] * len(targets)
  graded = outcome.outputs
  if benchmark.is_close_ended:
    graded = graded.copy()
    for i in (*outcome.beyond, *outcome.unnamed):
      graded[i] = _wrong(targets[i])
  for metric in benchmark.metrics:
    rows = metric.rows(targets, graded)
    if not benchmark.is_close_ended:
      rows[outcome.beyond] = 0
    low, high = metric.interval(rows)
    scores[metric.name] = {
        'score': metric.score(rows), 'low': low, 'high': high,
        'version': metric.version, 'notes': metric.notes,
    }
    if metric.tokenizer:
      scores[metric.name]['tokenizer'] = metric.tokenizer()
    if metric is benchmark.metrics[0] and rows.dtype != object:
      values = rows.tolist()
  submission = benchmark.submission
  content = submission.write(found.queries, outcome.outputs)
  file = folder / f'predictions{submission.suffix}'
  write_atomically(file, content)
  examples = [
      gallery.Example(query, shots, _plain(query, output), value)
      for query, shots, output, value in zip(
          found.queries, outcome.shots, outcome.outputs, values, strict=True
      )
  ]
  write_atomically(
      folder / 'examples.jsonl',
      ''.join(json.dumps(example.to_dict()) + '\n' for example in examples),
  )
  write_atomically(
      folder / 'examples.html', gallery.render(folder.name, examples)
  )
  sha256 = hashlib.sha256(content).hexdigest()
  result = {
      'scores': scores, 'predictions': {'file': file.name, 'sha256': sha256},
      'baselines': {},
  }
  if scores and settings.shots:
    result['baselines'] = baselines.score(
        benchmark.metrics, targets,
        [[shot.answers[0] for shot in shots] for shots in outcome.shots],
        outcome.outputs, settings.rices and not settings.order,
    )
  if outcome.unnamed:
    result['unnamed'] = [found.queries[i].source for i in outcome.unnamed]
  if settings.sampling and settings.control != 'no_pictures':
    shown = itertools.chain(found.queries, *outcome.shots)
    result['clips'] = clips.describe(shown, Sampling(**settings.sampling))
  return result


def _wrong(target: Target) -> np.ndarray:
  """Log-likelihoods f32[C] of a query that counts as wrong: the worst."""
  relevance = target['record'].get('relevance') or [
      text in target['answers'] for text in target['candidates']
  ]
  return -100 * np.asarray(relevance, np.float32)


def _plain(query: Sample, output: Any) -> Any:
  """An answer; of a ranking the likeliest candidate."""
  if isinstance(output, str):
    return output
  return query.candidates[int(np.argmax(output))]


def environment() -> dict[str, Any]:
  """What was installed and what it ran on."""
  versions = {}
  for name in _PACKAGES:
    try:
      versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return {
      'python': platform.python_version(),
      'packages': versions,
      'devices': jax.device_count(),
      'platform': jax.devices()[0].device_kind,
      'cores': cores(),  # XLA rounds differently with a single one
  }


def _hash_files(
    benchmark: Benchmark, data: str | os.PathLike, settings: Settings
) -> dict[str, str]:
  """SHA-256 of each annotation file that was read."""
  splits = [settings.split] + ([benchmark.supports] * bool(benchmark.supports))
  hashes = {}
  for split in splits:
    source = benchmark.source(data, split)
    for name in source.files:
      if name not in hashes and (source.folder / name).is_file():
        with open(source.folder / name, 'rb') as file:
          hashes[name] = hashlib.file_digest(file, 'sha256').hexdigest()
  return hashes
