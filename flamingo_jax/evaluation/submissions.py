# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files of predictions, in the formats that benchmarks' servers take."""

from collections.abc import Callable, Sequence
import csv
import dataclasses
import io
import json
from typing import Any

import numpy as np

from flamingo_jax.evaluation.prompts import Sample


@dataclasses.dataclass(frozen=True)
class Submission:
  """How predictions are written: the file's suffix, and its bytes."""

  suffix: str  # of the file
  # Of (queries, answers, or log-likelihoods[Q C]).
  write: Callable[[Sequence[Sample], Any], bytes]


def _json(value: Any) -> bytes:
  return (json.dumps(value, ensure_ascii=False, indent=1) + '\n').encode()


def _list(key: str, said: str) -> Submission:
  """[{key: which one, said: the prediction}]."""
  return Submission('.json', lambda queries, outputs: _json([
      {key: query.record[key], said: output}
      for query, output in zip(queries, outputs, strict=True)
  ]))


def captions(key: str) -> Submission:
  """COCO's list of results."""
  return _list(key, 'caption')


def answers(key: str) -> Submission:
  """VQA's list of results."""
  return _list(key, 'answer')


def _by_video(queries, outputs):
  videos = {}
  for query, output in zip(queries, outputs, strict=True):
    record = query.record
    videos.setdefault(record['video'], {})[record['qid']] = output
  return _json(videos)


def _ranks(queries, scores):
  order = np.argsort(-np.asarray(scores), axis=1, kind='stable')
  places = np.argsort(order, axis=1) + 1
  return _json([
      {'image_id': query.record['image_id'],
       'round_id': query.record['round_id'], 'ranks': row.tolist()}
      for query, row in zip(queries, places, strict=True)
  ])


def _probabilities(queries, scores):
  scores = np.asarray(scores, np.float64)
  total = np.logaddexp.reduce(scores, axis=1)
  lines = ['id,proba,label']
  for query, row, norm in zip(queries, scores, total, strict=True):
    share = float(np.exp(row[-1] - norm))
    lines.append(f'{query.record["id"]},{share:.6f},{int(share > 0.5)}')
  return ('\n'.join(lines) + '\n').encode()


def _choices_by_type(queries, scores):
  types = {}
  for query, row in zip(queries, scores, strict=True):
    types.setdefault(query.record['type'], []).append({
        'question_id': query.record['question_id'],
        'answer': int(np.argmax(row)),
    })
  return _json(types)


def _best_candidates(queries, scores):
  return _json([
      {'id': query.record['id'], 'answer': query.candidates[np.argmax(row)]}
      for query, row in zip(queries, scores, strict=True)
  ])


def _score_matrix(queries, scores):
  del queries
  file = io.BytesIO()
  np.save(file, np.asarray(scores, np.float32))
  return file.getvalue()


def _results(queries, outputs):
  return _json([
      {**query.record['entry'], 'prediction': output}
      for query, output in zip(queries, outputs, strict=True)
  ])


def _problems(queries, outputs):
  file = io.StringIO()
  writer = csv.writer(file)
  writer.writerow(
      ['problem_id', 'final_question', 'true_answer', 'generated_answer']
  )
  for query, output in zip(queries, outputs, strict=True):
    names = ('problem_id', 'question', 'answer')
    writer.writerow([*(query.record[name] for name in names), output])
  return file.getvalue().encode()


# NExT-QA's {video: {question: answer}}.
BY_VIDEO = Submission('.json', _by_video)
# VisDial's list; ranks[i] is the place of candidate i, from 1.
RANKS = Submission('.json', _ranks)
# HatefulMemes' id,proba,label; the last candidate is 'yes'.
PROBABILITIES = Submission('.csv', _probabilities)
# VL-ICL Bench's [{id, question, answer, prediction}], as its I2T_evaluate.py
# reads it.
RESULTS = Submission('.json', _results)
# SMMILE's table of problems, for its evaluate_EM.py.
PROBLEMS = Submission('.csv', _problems)
# STAR's {type: [{question_id, answer: number of the choice}]}.
CHOICES_BY_TYPE = Submission('.json', _choices_by_type)
# [{id, answer}] with the likeliest candidate.
BEST_CANDIDATES = Submission('.json', _best_candidates)
# RareAct's clips x classes, as NumPy saves them.
SCORE_MATRIX = Submission('.npy', _score_matrix)
