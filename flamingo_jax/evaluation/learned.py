# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a run has learned of captions: of its own and, if there are, of others.

A falling loss says little: without its pictures a model can still learn all
captions of a small data set by heart, and then says one of them to any picture.
So captions of the training data are asked for, and scored given their own
picture and two controls, a blank one and those of other captions. Captions that
are kept apart tell what is known of new pictures, and which step knows most.
"""

import collections
from collections.abc import Mapping, Sequence
import dataclasses
import functools
import math
from typing import Any

import numpy as np
import seqio

from flamingo_jax import progress
from flamingo_jax.data import features
from flamingo_jax.data import media as media_lib
from flamingo_jax.data.document_source import Documents
from flamingo_jax.data.documents import Document
from flamingo_jax.data.media import Kind, Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.evaluation import tasks
from flamingo_jax.evaluation.prompts import Episode, Sample
from flamingo_jax.picture_size import Lengths

CAPTIONS = 64  # that are asked for
SPLIT = 'captions'  # of the tasks here
# Below this gain over another's picture, in nats per token, pictures do not
# matter.
ENOUGH = 0.05
_CONTROLS = ('blank', 'shuffled')
# Pictures of other captions, drawn from all: what is next to a caption in a file
# is often of its kind, and one picture more or less like it says little.
_OTHERS = 4
_VALIDATION = '_validation'
_CONFIDENCE = 0.95
_GREY = 128
_LOOK_AT = 1000  # documents, for those captions
# What sentences call a medium and the controls.
_PICTURES = {
    'own': 'picture', 'all': 'pictures', 'blank': 'a blank picture',
    'shuffled': "another caption's",
    'remedy': 'train the vision encoder on the same pairs first '
    '(configs/contrastive_own_data.gin) and give it as VISION_ENCODER, give a '
    'language model as LANGUAGE_MODEL, or train longer',
}
_FEATURES = {
    'own': 'features', 'all': 'features', 'blank': 'zeros',
    'shuffled': "another caption's",
    'remedy': 'bring their numbers to one scale, give an ENCODER, give a '
    'language model as LANGUAGE_MODEL, or train longer (docs/modalities.md)',
}


def add_tasks(
    name: str,
    documents: Documents,
    validation: Documents,
    lengths: Lengths,
    vocabulary: Vocabulary,
) -> str:
  """Registers what asks for captions, in the place of tasks of these names.

  A caption is the text behind a document's first image or video, as far as an
  example of the run holds it. They are drawn from all documents.

  Args:
    name: of the data; the tasks are <name>_said, which `count_exact` scores,
      and <name>_given, which `compare_pictures` does, and of validation data
      <name>_validation_said and <name>_validation_given.
    documents: that are trained on.
    validation: documents that are not; may be none.
    lengths: of an example in training, complete.
    vocabulary: of the language model.

  Returns:
    The name of the mixture of all; '' if no document has a caption.
  """
  names = [
      *_add_tasks_of(name, documents, lengths, vocabulary),
      *_add_tasks_of(name + _VALIDATION, validation, lengths, vocabulary),
  ]
  if not names:
    return ''
  mixture = features.add_mixture(f'{name}_learned', dict.fromkeys(names, 1.0))
  return mixture.name


def _add_tasks_of(
    name: str,
    documents: Documents,
    lengths: Lengths,
    vocabulary: Vocabulary,
) -> list[str]:
  """Names of the tasks of some documents; none without captions."""
  samples = _captions(documents, lengths, vocabulary)
  if not samples:
    return []
  given = _with_controls(samples, lengths)
  limits = {
      'tokens': _prompt_length(vocabulary),
      'media': 1,
      'targets': 1 + max(sample.record['tokens'] for sample in samples),
  }
  for part, asked, candidates, metric in (
      ('said', samples, 0, count_exact), ('given', given, 1, compare_pictures)
  ):
    # Those of one length side by side: a batch is padded to its longest.
    asked = sorted(asked, key=lambda sample: sample.record['tokens'])
    episodes = [Episode((), sample) for sample in asked]
    tasks.add_episode_task(
        f'{name}_{part}',
        {SPLIT: functools.partial(list, episodes)},
        candidates=candidates,
        limits=limits,
        metric_fns=[metric],
        vocabulary=lambda: vocabulary,
        arrays=features.has_arrays(lengths),
    )
  return [f'{name}_said', f'{name}_given']


def name_given(name: str) -> str:
  """Of data, the task that `compare_pictures` scores validation captions by."""
  return f'{name}{_VALIDATION}_given'


def count_exact(
    targets: Sequence[Mapping[str, Any]], predictions: Sequence[str]
) -> dict[str, float]:
  """Shares of captions that come back, and of answers that differ."""
  exact = [
      said.strip() == target['answers'][0].strip()
      for target, said in zip(targets, predictions)
  ]
  return {
      'exact': float(np.mean(exact)),
      'different': len(set(predictions)) / len(predictions),
  }


def compare_pictures(
    targets: Sequence[Mapping[str, Any]], scores: Sequence[float] | np.ndarray
) -> dict[str, float]:
  """Nats per token of captions given their picture, and what controls add.

  Of each control '<control>_adds' and, if there are two captions or more,
  '<control>_adds_within', half of the width of its 95 % interval over captions.
  """
  nats = {shown: collections.defaultdict(list) for shown in ('own', *_CONTROLS)}
  tokens = {}
  for target, score in zip(targets, scores):
    record = target['record']
    nats[record['shown']][record['caption']].append(-float(score))
    tokens[record['caption']] = record['tokens']
  mean = {
      shown: np.array([np.mean(of[caption]) for caption in tokens])
      for shown, of in nats.items() if of
  }
  lengths = np.array(list(tokens.values()))
  result = {'nats_per_token': float(mean['own'].sum() / lengths.sum())}
  for control in _CONTROLS:
    if control in mean:
      adds, within = _per_token(mean[control] - mean['own'], lengths)
      result[f'{control}_adds'] = adds
      if within is not None:
        result[f'{control}_adds_within'] = within
  return result


def _per_token(
    nats: np.ndarray, tokens: np.ndarray
) -> tuple[float, float | None]:
  """The ratio of two sums over captions, and half of its interval's width."""
  count = len(nats)
  ratio = float(nats.sum() / tokens.sum())
  if count < 2:
    return ratio, None
  import scipy.stats

  deviations = nats - ratio * tokens
  error = math.sqrt(count / (count - 1) * (deviations**2).sum()) / tokens.sum()
  t = scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, df=count - 1)
  return ratio, float(t * error)


class LearnedLogger(seqio.Logger):
  """Tells what `add_tasks` found out, a sentence for each of its tasks."""

  def __call__(self, task_name, step, metrics, dataset, inferences, targets):
    values = {name: float(value.value) for name, value in metrics.items()}
    validation = task_name.removesuffix('_said').removesuffix('_given').endswith(
        _VALIDATION
    )
    kind = targets[0]['record']['kind']
    told = sentence(values, len(targets), validation, kind)
    progress.say(f'step {step}: {told}')


def sentence(
    metrics: Mapping[str, float], count: int, validation: bool = False,
    kind: Kind = 'image',
) -> str:
  """What the metrics of one of the tasks say.

  Args:
    metrics: of `count_exact` or of `compare_pictures`.
    count: examples.
    validation: whether they are not trained on.
    kind: of the first one's medium.
  """
  captions = 'validation captions' if validation else 'training captions'
  if 'exact' in metrics:
    exact, different = (
        round(count * metrics[name]) for name in ('exact', 'different')
    )
    answers = (
        f'{different} different answers' if different > 1
        else 'the same answer for all'
    )
    return f'{exact} of {count} {captions} come back word for word; {answers}'
  gains = {name: metrics[f'{name}_adds'] for name in _CONTROLS
           if f'{name}_adds' in metrics}
  within = {name: metrics.get(f'{name}_adds_within') for name in gains}
  words = _FEATURES if kind == 'features' else _PICTURES
  told = (
      f'given their own {words["own"]}, {captions} take '
      f'{metrics["nats_per_token"]:.3f} nats per token, ' + ' and '.join(
          f'{gain:.3f} '
          + ('' if within[name] is None else f'± {within[name]:.3f} ')
          + f'fewer than given {words[name]}'
          for name, gain in gains.items()
      )
  )
  if not validation and min(gains.values()) < ENOUGH:
    told += (
        f'; warning: so far the {words["all"]} do not matter: {words["remedy"]}'
    )
  return told


def _captions(
    documents: Documents, lengths: Lengths, vocabulary: Vocabulary
) -> list[Sample]:
  """In the order of the documents."""
  # <EOC> follows.
  room = max(1, lengths['tokens'] - _prompt_length(vocabulary) - 1)
  order = np.random.default_rng(0).permutation(len(documents))
  found = {}
  for index in map(int, order[:_LOOK_AT]):
    document = documents[index]
    medium, caption = _first_caption(document)
    if medium is None or not caption.strip():
      continue
    ids = vocabulary.encode(caption)[:room]
    found[index] = Sample(
        (medium,), '', (vocabulary.decode(ids),), document.source,
        document.example_id, record={'tokens': len(ids), 'kind': medium.kind},
    )
    if len(found) == CAPTIONS:
      break
  return [found[index] for index in sorted(found)]


def _prompt_length(vocabulary: Vocabulary) -> int:
  """Of what begins a document and a medium's tag."""
  tag = [*vocabulary.around_tags, *vocabulary.image_tag, *vocabulary.around_tags]
  return len(vocabulary.first_ids) + len(tag)


def _first_caption(document: Document) -> tuple[Media | None, str]:
  """The first medium and the text from it to the next one or <EOC>."""
  medium, caption = None, ''
  for part in document.parts:
    if isinstance(part, str):
      caption += part if medium else ''
    elif medium is not None:
      break
    elif isinstance(part, Media):
      medium = part
  return medium, caption


def _with_controls(
    samples: Sequence[Sample], lengths: Lengths
) -> list[Sample]:
  """Each caption given its own picture, a blank one and those of others."""
  found = []
  rng = np.random.default_rng(0)
  for place, sample in enumerate(samples):
    others = [other for other in samples if other.answers != sample.answers]
    drawn = rng.permutation(len(others))[:_OTHERS]
    shown = [
        ('own', sample.media),
        ('blank', (_blank(sample.media[0], lengths),)),
        *(('shuffled', others[i].media) for i in drawn),
    ]
    found += [
        dataclasses.replace(
            sample, media=media, candidates=sample.answers,
            record=dict(sample.record) | {'caption': place, 'shown': name},
        )
        for name, media in shown
    ]
  return found


def _blank(medium: Media, lengths: Mapping[str, Any]) -> Media:
  """A grey medium of the same kind; of features, zeros."""
  frames, is_video = lengths['frames'], medium.kind == 'video'
  if medium.kind == 'features':
    shape = frames, *lengths['image_size'].shape
    return media_lib.features(np.zeros(shape, np.float32))
  grey = np.full((frames, 8, 8, 3), _GREY, np.uint8)
  return media_lib.video(grey) if is_video else media_lib.image(grey[0])
