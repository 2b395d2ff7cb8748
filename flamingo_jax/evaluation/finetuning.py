# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A task to fine-tune on, and held-out examples to choose by (Flamingo B.2.2).

Both have the form of pairs: one image or video, what is asked, and its answer. An
answer is asked for without shots, and without the texts that few-shot prompts
show in their place.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import hashlib
import os
import re
from typing import Any

from absl import logging

from flamingo_jax.data import features
from flamingo_jax.data.documents import Document
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import metrics as metrics_lib
from flamingo_jax.evaluation import tasks
from flamingo_jax.evaluation.metrics import Metric
from flamingo_jax.evaluation.metrics.metric import rehearse
from flamingo_jax.evaluation.prompts import (
    PAPER, Episode, Sample, Samples, Style, answered,
)

SPLIT = 'held_out'  # of the examples that are not trained on
# Metrics of what a model says, by name.
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in (
    metrics_lib.TOP1, metrics_lib.CIDER, metrics_lib.VQA_ACCURACY,
    metrics_lib.IVQA_ACCURACY, metrics_lib.WUPS,
)}
# What ends a question in the paper's prompts (A.2).
_ASKED = re.compile(r'.*\b(?:Output|Answer):', re.DOTALL)


@dataclasses.dataclass(frozen=True)
class AnsweredSamples:
  """Samples with their first answers, as documents."""

  samples: Samples
  style: Style = PAPER

  def __len__(self) -> int:
    return len(self.samples)

  def __getitem__(self, index: int) -> Document:
    sample = self.samples[index]
    return Document(
        (*sample.media, ''.join(answered(sample, self.style))), sample.source,
        sample.example_id,
    )


def held_out(name: str) -> str:
  """The task of held-out examples that belongs to a task to train on."""
  return f'{name}_held_out'


def add_held_out_task(
    name: str,
    samples: Sequence[Sample],
    metrics: Sequence[Metric],
    vocabulary: Callable[[], Vocabulary],
    sampling: Sampling | None = None,
) -> None:
  """Registers `held_out(name)`, which asks for answers or ranks candidates.

  Args:
    name: of the task to train on.
    samples: that are not trained on; all have as many candidates, or none.
    metrics: of the answers, or of the log-likelihoods of candidates.
    vocabulary: returns the tokenizer.
    sampling: of videos; None where samples show none.

  Raises:
    UserError: the first metric lacks a package or data, or is not defined for
      these samples.
  """
  metrics, left_out = rehearse(metrics, [sample.target for sample in samples])
  for metric, reason in left_out.items():
    logging.warning('%s is left out: %s', metric, reason)
  episodes = [Episode((), sample) for sample in samples]
  options: dict[str, Any] = {'sampling': sampling} if sampling else {}
  tasks.add_episode_task(
      held_out(name), {SPLIT: functools.partial(list, episodes)},
      candidates=len(samples[0].candidates), vocabulary=vocabulary,
      metric_fns=[metric.seqio_function() for metric in metrics], **options,
  )


def set_apart(
    samples: Sequence[Sample], count: int
) -> tuple[list[Sample], list[Sample]]:
  """(samples to train on, `count` held-out ones or a few more).

  No picture is in both. A hash of places in the source and of names of files
  decides, wherever the folder of the data is.

  Raises:
    UserError: there are no more samples than are to be held out.
  """
  by_media: dict[tuple[str, ...], list[Sample]] = {}
  for sample in samples:
    shown = tuple(medium.path for medium in sample.media)
    by_media.setdefault(shown, []).append(sample)

  def digest(shown):
    first = min(sample.example_id for sample in by_media[shown])
    told = [str(first), *map(os.path.basename, shown)]
    return hashlib.sha256('\n'.join(told).encode()).digest()

  apart: set[tuple[str, ...]] = set()
  left = count
  for shown in sorted(by_media, key=digest):
    if left <= 0:
      break
    apart.add(shown)
    left -= len(by_media[shown])
  parts: tuple[list, list] = ([], [])
  for shown, found in by_media.items():
    parts[shown in apart].extend(found)
  if not parts[0]:
    raise UserError(
        f'{count} of {len(samples)} examples are to be held out, and none is '
        'left to train on: hold out fewer'
    )
  return parts


def as_sample(document: Document) -> Sample:
  """A document as a question and its answer.

  The answer is what is behind the last 'Answer:' or 'Output:', and all of the text
  where there is neither.

  Raises:
    UserError: it is not one image or video, and then text.
  """
  medium, *texts = document.parts
  if not isinstance(medium, Media) or not texts or not all(
      isinstance(text, str) for text in texts
  ):
    raise UserError(
        f'{document.source}: a held-out example is one image or video and then '
        'its text; leave this one out'
    )
  text = ''.join(texts)
  asked = _ASKED.match(text)
  question = asked[0] if asked else ''
  answer = text.removeprefix(question)
  if not answer.strip():
    raise UserError(
        f'{document.source}: there is no answer behind {question[-40:]!r}; leave '
        'this example out'
    )
  return Sample(
      (medium,), question, (answer.strip() if question else answer,),
      document.source, document.example_id,
  )


def find_metric(name: str) -> Metric:
  """A metric of METRICS; UserError if there is none of this name."""
  if name not in METRICS:
    raise UserError(
        f'unknown metric {name!r} of answers: there are {", ".join(METRICS)}'
    )
  return METRICS[name]
