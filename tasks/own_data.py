# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Your own JSONL file as a task (`flamingo_jax.data.documents` has the schema).

In a gin file:
  from flamingo_jax.tasks import own_data
  LENGTHS = {'tokens': 64, 'media': 1, 'image_size': 64}
  own_data.mixture.path = %DATA
  own_data.mixture.lengths = %LENGTHS
  DatasetConfig.mixture_or_task_name = @own_data.mixture()
  DatasetConfig.task_feature_lengths = {'own_data': %LENGTHS}
"""


from flamingo_jax.data import quiet_tensorflow

quiet_tensorflow.load()  # before anything else imports TensorFlow

from absl import logging
import seqio

from flamingo_jax.data import documents
from flamingo_jax.data import features
from flamingo_jax.data import interleaved
from flamingo_jax.data import packed
from flamingo_jax.data import pipeline
from flamingo_jax.data.document_source import LENGTHS, Documents, splits_of
from flamingo_jax.data.misfits import Misfits
from flamingo_jax.data.vocabulary import (
    LoadVocabulary, Vocabulary, default_vocabulary,
)
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import finetuning
from flamingo_jax.evaluation import learned
from flamingo_jax.evaluation.seqio_scores import EvaluationDatasetConfig

NAME = 'own_data'
_LOOK_AT = 10_000  # documents are tokenized to tell how many do not fit


def mixture(
    path: str,
    lengths: features.Lengths,
    validation_path: str = '',
    vocabulary: LoadVocabulary = default_vocabulary,
    p_next: float = 0.0,
    p_space: float = 0.0,
    augment: str = '',
) -> str:
  """Registers the file as the task `own_data` and returns this name.

  The file is checked at once, and a warning tells how many of its documents do
  not fit into an example: of these, training sees random windows.

  Args:
    path: the JSONL file, split 'train'.
    lengths: of an example, as in DatasetConfig.task_feature_lengths. With
      'documents', a row holds so many side by side (`data/packed.py`).
    validation_path: a JSONL file that is not trained on, split 'validation'; ''
      for none.
    vocabulary: returns the tokenizer.
    p_next: how often text looks at the next picture instead of the last one;
      0.5 if some texts come before the picture that they are about.
    p_space: how often a space is put before a text.
    augment: of `features.add_task`,.

  Raises:
    UserError: the file, one of its lines, or a file that it names is unfit.
  """
  if not path:
    raise UserError('own_data.mixture.path is empty; pass --data=FILE.jsonl')
  is_packed = 'documents' in lengths
  lengths = features.check_lengths(
      NAME, lengths, packed.LENGTHS if is_packed else LENGTHS
  )
  files = {'train': path}
  if validation_path:
    files['validation'] = validation_path
  size = features.frame_size(lengths['image_size'])
  read = {
      split: documents.JsonlDocuments(
          file, size=size, frames=lengths['frames']
      ) for split, file in files.items()
  }
  of_a_prompt = {key: lengths[key] for key in LENGTHS}
  for split, file in files.items():
    message = misfits(
        read[split], lengths if split == 'train' else of_a_prompt, vocabulary()
    )
    if message:
      logging.warning('%s: %s', file, message)
  add_task = packed.add_task if is_packed else features.add_task
  add_task(
      NAME,
      splits_of(read),
      vocabulary=vocabulary,
      p_next=p_next,
      p_space=p_space,
      augment=augment,
      arrays=features.has_arrays(lengths),
  )
  return NAME


def evaluation(
    name: str, lengths: features.Lengths, batch_size: int
) -> EvaluationDatasetConfig | None:
  """What tells, in training and at its end, what is learned of captions.

  Args:
    name: what `mixture` has returned.
    lengths: those that it was given.
    batch_size: captions at a time.

  Returns:
    For a driver's infer_eval_dataset_cfg; None, with a warning, if no text of
    the data is behind an image or video.
  """
  source = seqio.TaskRegistry.get(name).source
  lengths = features.check_lengths(NAME, lengths, source.lengths)
  validation = (
      source.documents('validation') if 'validation' in source.splits else ()
  )
  learned_name = learned.add_tasks(
      name, source.documents('train'), validation, lengths, source.vocabulary
  )
  if not learned_name:
    logging.warning(
        'no text of %s is behind an image or video: what is learned of '
        'captions cannot be told', name
    )
    return None
  of_a_prompt = {key: lengths[key] for key in LENGTHS}
  return EvaluationDatasetConfig(
      mixture_or_task_name=learned_name,
      task_feature_lengths=of_a_prompt | {'targets': lengths['tokens']},
      split=learned.SPLIT,
      batch_size=batch_size,
  )


def held_out(name: str, metric: str) -> str:
  """Registers what tells in fine-tuning how good answers to others' pictures are.

  Args:
    name: what `mixture` has returned, with a file of validation data.
    metric: of `evaluation.finetuning.METRICS`.

  Returns:
    The name of the task.

  Raises:
    UserError: an unknown metric, or a document that is not one image or video
      and then its text.
  """
  source = seqio.TaskRegistry.get(name).source
  found = source.documents('validation')
  finetuning.add_held_out_task(
      name,
      [finetuning.as_sample(found[index]) for index in range(len(found))],
      [finetuning.find_metric(metric)], lambda: source.vocabulary,
  )
  return finetuning.held_out(name)


def best_metric(name: str) -> str:
  """What tells which step knows captions best that are not trained on.

  Args:
    name: what `mixture` has returned, once `evaluation` was called.

  Returns:
    For BestLogger; '' if there are none.
  """
  tasks = [task.name for task in pipeline.mixture_tasks(f'{name}_learned')]
  given = learned.name_given(name)
  return f'{given}/nats_per_token' if given in tasks else ''


def misfits(
    found: Documents,
    lengths: features.Lengths,
    vocabulary: Vocabulary,
) -> str:
  """One line on the documents that an example cannot hold; '' if it holds all.

  Of many documents some are looked at, spread over the whole.
  """
  counts = Misfits(lengths)
  for index in range(0, len(found), -(-len(found) // _LOOK_AT)):
    counts.add(interleaved.tokenize_document(found[index].parts, vocabulary))
  return counts.sentence()
