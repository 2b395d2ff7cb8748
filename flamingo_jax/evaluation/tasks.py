# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot evaluation tasks for seqio's Evaluator, under either driver.

An open-ended task has one example per query, and the model says the answer. A
close-ended one has an example per query and candidate, side by side, and the
likeliest candidate is the answer (Flamingo §3, B.1.5). The queries of an
episode task bring shots and candidates of their own.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import json
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from flamingo_jax.data import features
from flamingo_jax.data import interleaved
from flamingo_jax.data import streams
from flamingo_jax.data.document_source import DocumentSource, Splits
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.seqio_vocabulary import SeqioVocabulary
from flamingo_jax.data.vocabulary import Vocabulary, default_vocabulary
from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.examples import MODEL_FEATURES, model_features
from flamingo_jax.evaluation.prompts import (
    Episode, Episodes, Sample, Samples, Style,
)
from flamingo_jax.picture_size import Lengths
from flamingo_jax.predictor.inputs import Prompt, tokenize_candidates

# What metrics and records need besides. seqio and t5x write what ends in
# '_pretokenized' beside each prediction.
_RECORD = {
    'source_pretokenized': tf.string,
    'prompt_pretokenized': tf.string,
    'targets_pretokenized': tf.string,  # the candidate, or the first answer
    'answers': tf.string,  # [any]
    'labels': tf.string,  # [any] the answers of the shots
    'record': tf.string,  # JSON
}
_ONE_FRAME = Sampling(1, 1.0)
_LENGTHS = {
    'tokens': 512, 'media': 5, 'frames': 1, 'image_size': 320, 'targets': 32
}


def add_open_ended_task(
    name: str,
    queries: Mapping[str, Callable[[], Samples]],
    supports: Callable[[], Samples],
    *,
    shots: int,
    seed: int = 0,
    control: str = '',
    trim: Sequence[str] = (),
    metric_fns: Sequence[Callable[..., Any]] = (
        metrics.TOP1.seqio_function(),
    ),
    vocabulary: Callable[[], Vocabulary] = default_vocabulary,
    sampling: Sampling = _ONE_FRAME,
) -> seqio.Task:
  """Registers a task whose answers the model says, in the place of one.

  The lengths of its examples come with each use, as seqio's `sequence_length`:
  {'tokens': L, 'media': M, 'frames': T, 'fps': 3.0, 'image_size': h,
  'targets': n}, where 'frames' and 'fps', which need not be whole, may be left
  out if they are those of `sampling`, and n is the most tokens of an answer.

  Args:
    name: letters, digits, '_', '.', ':' and '#'.
    queries: for each split a function that returns its samples.
    supports: returns the samples that shots are taken from.
    shots: how many; with 0, two supports are shown without their media.
    seed: of the choice of shots.
    control: one of prompts.CONTROLS, or ''.
    trim: words of the prompt; what is said ends before the first of them.
    metric_fns: of (targets, predictions); see `evaluation.metrics`.
    vocabulary: returns the tokenizer; called when the task is first read.
    sampling: how videos are read if the lengths don't say.
  """
  supports = functools.cache(supports)

  def lay_out(query: Sample) -> Episode:
    query = dataclasses.replace(query, candidates=())
    return prompts.make_episode(query, supports(), shots, seed, True, control)

  return _add_task(
      name, queries, lay_out, 0, tuple(trim), metric_fns, vocabulary, sampling,
      has_shots=shots > 0,
  )


def add_close_ended_task(
    name: str,
    queries: Mapping[str, Callable[[], Samples]],
    supports: Callable[[], Samples],
    candidates: Sequence[str],
    *,
    shots: int,
    seed: int = 0,
    control: str = '',
    metric_fns: Sequence[Callable[..., Any]] = (
        metrics.RANKING_TOP1.seqio_function(),
    ),
    vocabulary: Callable[[], Vocabulary] = default_vocabulary,
    sampling: Sampling = _ONE_FRAME,
) -> seqio.Task:
  """Registers a task that ranks candidates, in the place of one of that name.

  Its examples have the candidate in 'targets', which must have room for it. Of
  no shots, the query stands alone. Lengths and arguments are otherwise those of
  `add_open_ended_task`; metrics are given scores in the place of predictions.

  Args:
    candidates: the answers there are; each sample's own is one of them.

  Raises:
    UserError: there are fewer than two candidates, or two that are the same.
  """
  candidates = tuple(candidates)
  if len(set(candidates)) < max(2, len(candidates)):
    raise UserError(
        f'the candidates of task {name!r} must be two or more different '
        f'answers, not {shown(list(candidates))}'
    )
  supports = functools.cache(supports)

  def lay_out(query: Sample) -> Episode:
    query = dataclasses.replace(query, candidates=candidates)
    return prompts.make_episode(query, supports(), shots, seed, False, control)

  return _add_task(
      name, queries, lay_out, len(candidates), (), metric_fns, vocabulary,
      sampling,
  )


def add_episode_task(
    name: str,
    episodes: Mapping[str, Callable[[], Episodes]],
    *,
    candidates: int,
    limits: Mapping[str, int] | None = None,
    trim: Sequence[str] = (),
    style: Style = prompts.PAPER,
    metric_fns: Sequence[Callable[..., Any]] = (
        metrics.RANKING_TOP1.seqio_function(),
    ),
    vocabulary: Callable[[], Vocabulary] = default_vocabulary,
    sampling: Sampling = _ONE_FRAME,
    arrays: bool = False,
    has_shots: bool = True,
) -> seqio.Task:
  """Registers a task whose queries bring their shots, and candidates.

  Its examples, lengths and other arguments are those of `add_close_ended_task`,
  or without candidates those of `add_open_ended_task`.

  Args:
    episodes: for each split a function that returns its episodes.
    candidates: how many each query has; 0: the model says the answer.
    limits: lengths that no episode exceeds, so that those of few shots are not
      padded to the lengths that a mixture needs for many.
    style: of the prompts.
    arrays: whether media are features and no pictures.
    has_shots: False where supports only show what answers look like.
  """
  return _add_task(
      name, episodes, lambda episode: episode, candidates, tuple(trim),
      metric_fns, vocabulary, sampling, limits, arrays, style, has_shots,
  )


def _add_task(
    name: str,
    items: Splits,
    lay_out: Callable[[Any], Episode],
    candidates: int,
    trim: tuple[str, ...],
    metric_fns: Sequence[Callable[..., Any]],
    vocabulary: Callable[[], Vocabulary],
    sampling: Sampling,
    limits: Mapping[str, int] | None = None,
    arrays: bool = False,
    style: Style = prompts.PAPER,
    has_shots: bool = True,
) -> seqio.Task:
  """All kinds of tasks; without candidates, an open-ended one.

  Args:
    name: of the task.
    items: samples or episodes.
    lay_out: from one of them to its episode, whose query has candidates.
    candidates: how many there are of each.
    trim: words of the prompt that end what is said.
    metric_fns: see above, as the rest.
  """
  source = DocumentSource(name, items, vocabulary)
  of_model = model_features(arrays)
  output_features = {
      key: seqio.ContinuousFeature(dtype=dtype, rank=rank)
      for key, (dtype, rank) in of_model.items()
  }
  output_features['targets'] = seqio.Feature(
      vocabulary=SeqioVocabulary(vocabulary), add_eos=False, dtype=tf.int32
  )
  read = functools.partial(
      _read_examples, name=name, source=source, lay_out=lay_out,
      candidates=candidates, sampling=sampling, limits=limits or {},
      style=style, has_shots=has_shots,
  )
  return features.replace_task(
      name, source, read, output_features,
      postprocess_fn=functools.partial(
          _postprocess, candidates=candidates, trim=trim
      ),
      metric_fns=list(metric_fns),
  )


def _read_examples(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, Any] | None,
    *,
    name: str,
    source: DocumentSource,
    lay_out: Callable[[Any], Episode],
    candidates: int,
    sampling: Sampling,
    limits: Mapping[str, int],
    style: Style,
    has_shots: bool,
) -> tf.data.Dataset:
  """seqio preprocessor: places of queries to examples."""
  lengths = dict(sequence_length or {})
  sampling = sampling.override(lengths.get('frames'), lengths.pop('fps', None))
  lengths = {
      key: min(length, limits[key]) if key in limits else length
      for key, length in features.check_lengths(
          name, lengths | {'frames': sampling.frames}, _LENGTHS
      ).items()
  }

  # Candidates of one query follow each other and share its prompt.
  @functools.lru_cache(maxsize=4)
  def prompt(split, place):
    episode = lay_out(source.documents(split)[place])
    query, shots = episode.query, episode.supports
    if len(query.candidates) != candidates:
      raise UserError(
          f'{query.source} has {len(query.candidates)} candidates and its task '
          f'{candidates}: every query needs as many'
      )
    parts = prompts.join(shots, query, style)
    arrays = _read_prompt(query, parts, source.vocabulary, lengths, sampling)
    return query, parts, arrays, [s.answers[0] for s in shots if has_shots]

  def read(split, place, candidate):
    query, parts, arrays, labels = prompt(split.decode(), int(place))
    text, targets, length = _read_target(
        query, parts, int(candidate), source.vocabulary, lengths
    )
    record = (query.source, prompts.as_text(parts), text)
    return (
        *arrays[:-1], targets,
        np.array([arrays[-1], length], np.int32),
        *(x.encode() for x in record),
        *(np.array([text.encode() for text in texts], object)
          for texts in (query.answers, labels)),
        json.dumps(dict(query.record)).encode(),
    )

  of_model = model_features(features.has_arrays(lengths))
  dtypes = {key: dtype for key, (dtype, _) in of_model.items()} | _RECORD
  shapes = _shapes(lengths)

  @tf.autograph.experimental.do_not_convert
  def load(at):
    at = [at['split'], at['number'], at['candidate']]
    return features.call(read, at, dtypes, shapes)

  @tf.autograph.experimental.do_not_convert
  def with_candidates(at):
    numbers = tf.data.Dataset.range(max(1, candidates))
    return numbers.map(lambda number: {**at, 'candidate': number})

  return streams.in_parallel(dataset.flat_map(with_candidates), load)


def _shapes(lengths: Lengths) -> dict[str, tuple[int | None, ...]]:
  """The shape of each feature of an example of these (complete) lengths."""
  shapes = features.example_shapes(lengths)
  return {
      **{key: shapes[key] for key in MODEL_FEATURES if key in shapes},
      'targets': (lengths['targets'],),
      'lengths': (2,),
      **{key: () for key in _RECORD},
      'answers': (None,),
      'labels': (None,),
  }


def _read_prompt(
    query: Sample,
    parts: Prompt,
    vocabulary: Vocabulary,
    lengths: Lengths,
    sampling: Sampling,
) -> tuple[np.ndarray | int, ...]:
  """(tokens, media_index, media, media_mask, length) of a query's prompt.

  Raises:
    UserError: the prompt does not fit the lengths; nothing is ever cut.
  """
  document = interleaved.tokenize_document(parts, vocabulary, close=False)
  length = len(document.tokens)
  for key, count in (('tokens', length), ('media', len(document.media))):
    if count > lengths[key]:
      raise UserError(
          f'{query.source}: its prompt has {count} {key} and an example has '
          f'room for {lengths[key]}: raise {key!r} in task_feature_lengths, or '
          'give fewer shots; '
          f'{document.what_fits(lengths["tokens"], lengths["media"])}'
      )
  pad = (0, lengths['tokens'] - length)
  pixels, mask = interleaved.load_media(
      query.source, document.media, lengths['media'], lengths['frames'],
      lengths['image_size'], None, fps=sampling.fps,
  )
  return (
      np.pad(document.tokens, pad, constant_values=vocabulary.pad_id),
      np.pad(document.media_index, pad),
      pixels,
      mask,
      length,
  )


def _read_target(
    query: Sample,
    prompt: Prompt,
    number: int,
    vocabulary: Vocabulary,
    lengths: Lengths,
) -> tuple[str, np.ndarray, int]:
  """(the candidate's text, its padded tokens, how many); an answer has none."""
  room = lengths['targets']
  targets = np.full(room, vocabulary.pad_id, np.int32)
  if not query.candidates:
    return query.answers[0] if query.answers else '', targets, 0
  if query.answers and not set(query.answers) & set(query.candidates):
    raise UserError(
        f'{query.source}: its answer {query.answers[0]!r} is none of the '
        f'candidates {", ".join(query.candidates)}'
    )
  text = query.candidates[number]
  (ids,) = tokenize_candidates(prompt, [text], vocabulary, ' ', close=False)
  if len(ids) > room:
    raise UserError(
        f'{query.source}: candidate {text!r} has {len(ids)} tokens and an '
        f"example has room for {room}: raise 'targets' in task_feature_lengths"
    )
  targets[: len(ids)] = ids
  return text, targets, len(ids)


def _postprocess(
    text: str,
    *,
    example: Mapping[str, Any],
    is_target: bool,
    candidates: int,
    trim: tuple[str, ...],
) -> str | dict[str, Any]:
  """seqio's hook: targets become what metrics and records read."""
  if not is_target:
    return prompts.trim_answer(text, trim)
  target = {
      'source': example['source_pretokenized'].decode(),
      'prompt': example['prompt_pretokenized'].decode(),
      **{key: [text.decode() for text in example[key]]
         for key in ('answers', 'labels')},
      'record': json.loads(example['record'].decode()),
  }
  if candidates:
    target |= {
        'candidate': text,
        'candidates': candidates,
        'is_correct': text in target['answers'],
    }
  return target
