# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers of seqio's few-shot tasks in files: `infer`, as t5x calls it."""

from collections.abc import Callable, Iterator, Mapping
import json
import os

from etils import epath
import jax
import numpy as np
import seqio
import tensorflow as tf

from flamingo_jax.data import pipeline
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.answer_file import AnswerFile
from flamingo_jax.evaluation.cards import environment
from flamingo_jax.evaluation.examples import MODEL_FEATURES, ExampleInference
from flamingo_jax.evaluation.seqio_scores import (
    EvaluationDatasetConfig,
    check_parts,
)
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.checkpoint import RestoreCheckpointConfig
from flamingo_jax.run_dir.fingerprint import fingerprint
from flamingo_jax.run_dir.job_owner import owned_by_job
from flamingo_jax.run_dir.weights import restore_params
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import FlamingoModel

MODES = ('predict', 'score', 'predict_with_aux')
_RECORDED = '_pretokenized'


def infer(
    *,
    mode: str,
    model: FlamingoModel,
    dataset_cfg: EvaluationDatasetConfig,
    restore_checkpoint_cfg: RestoreCheckpointConfig,
    partitioner: Partitioner,
    output_dir: str,
    checkpoint_period: int,
    shard_id: int = 0,
    num_shards: int = 1,
    summarize_config_fn: Callable[..., None],
    use_orbax: bool = False,
) -> list[str]:
  """Writes what the newest checkpoint of a run answers, an example per line.

  A file is there when all of it is, and until then its lines are in a draft.
  What is there is kept if it was made from the same weights and examples in the
  same way, and is answered anew otherwise.

  Args:
    mode: 'predict', 'predict_with_aux' (and the answers' log-probabilities) or
      'score' (the log-likelihood of candidates).
    model: whose checkpoint it is; needs no optimizer.
    dataset_cfg: what to read; one task or several.
    restore_checkpoint_cfg: names the run's MODEL_DIR.
    partitioner: the mesh.
    output_dir: where <task>-<mode>.jsonl-<shard>-of-<shards> goes.
    checkpoint_period: batches between additions to the draft.
    shard_id: which part of each task this job does, from 0.
    num_shards: how many jobs share a task.
    summarize_config_fn: is given (model_dir, summary_writer, step).
    use_orbax: False, which makes t5x read the checkpoints of this package.

  Returns:
    The files.

  Raises:
    UserError: as `evaluate`, an unknown mode, or tasks that don't go with it.
  """
  if mode not in MODES:
    raise UserError(f'mode is {mode!r} and must be one of {", ".join(MODES)}')
  if checkpoint_period < 1:
    raise UserError(
        f'checkpoint_period is {checkpoint_period} and must be at least 1'
    )
  checkpoint.check_are_ours(use_orbax)
  path, step = check_parts(
      model, dataset_cfg, restore_checkpoint_cfg, partitioner
  )
  params = restore_params(model, partitioner, path, step)
  made_from = {
      'weights': fingerprint(params),
      'architecture': model.config.to_dict(),
      'vocabulary': model.vocabulary.sha256,
      'mode': mode,
      'batch_size': dataset_cfg.batch_size,
      'checkpoint_period': checkpoint_period,
      'versions': environment()['packages'],
  }
  inference = ExampleInference(
      model, partitioner, dataset_cfg.batch_size, params
  )
  shard = f'{shard_id:05}-of-{num_shards:05}'
  files = []
  with owned_by_job(output_dir, f'.infer-{shard}.lock'):
    if shard_id == 0:
      summarize_config_fn(model_dir=output_dir, summary_writer=None, step=step)
    for task in pipeline.mixture_tasks(dataset_cfg.mixture_or_task_name):
      file = AnswerFile(
          epath.Path(output_dir) / f'{task.name}-{mode}.jsonl-{shard}',
          made_from,
      )
      info = seqio.ShardInfo(shard_id, num_shards)
      chunks = _chunks(task, dataset_cfg, info, checkpoint_period)
      _answer(inference, mode, task, chunks, file)
      files.append(os.fspath(file.path))
      if jax.process_index() == 0:
        print(file.path)
  return files


def _answer(
    inference: ExampleInference,
    mode: str,
    task: seqio.Task,
    chunks: Iterator[dict[str, np.ndarray]],
    file: AnswerFile,
) -> None:
  """Writes what the model answers to each chunk of a task's examples."""
  vocabulary = task.output_features['targets'].vocabulary
  with pipeline.reading_errors():
    for batch in chunks:
      file.add(batch, lambda: _lines(inference, mode, vocabulary, batch))
  file.finish()


def _chunks(
    task: seqio.Task, cfg: EvaluationDatasetConfig, shard: seqio.ShardInfo,
    batches: int,
) -> Iterator[dict[str, np.ndarray]]:
  """So many batches at a time, as one; the last may be fewer."""
  examples = task.get_dataset(
      sequence_length=cfg.task_feature_lengths, split=cfg.split, shuffle=False,
      shard_info=shard, num_epochs=1,
  )
  kept = lambda key: key in MODEL_FEATURES or key.endswith(_RECORDED)
  pick = lambda example: {k: x for k, x in example.items() if kept(k)}
  size = batches * cfg.batch_size
  return examples.map(pick).batch(size).as_numpy_iterator()


def _lines(
    inference: ExampleInference,
    mode: str,
    vocabulary: seqio.Vocabulary,
    batch: Mapping[str, np.ndarray],
) -> list[str]:
  """A JSON object per example, with the keys of t5x's."""
  model_features = {key: batch[key] for key in MODEL_FEATURES}
  dataset = tf.data.Dataset.from_tensor_slices(model_features).enumerate()
  if mode == 'score':
    if not batch['lengths'][:, 1].all():
      raise UserError(
          "mode 'score' is for tasks with candidates: use 'predict' for "
          'open-ended ones'
      )
    results = [{'score': score} for _, score in inference.score(dataset)]
  else:
    rows, aux = inference.predict_with_aux(dataset)
    results = [{'prediction': vocabulary.decode(row)} for _, row in rows]
    if mode == 'predict_with_aux':
      for result, score in zip(results, aux['scores'], strict=True):
        result['aux'] = {'scores': score}
  records = {k: x for k, x in batch.items() if k.endswith(_RECORDED)}
  return [
      json.dumps(
          {'inputs': {k: x[i].decode() for k, x in records.items()}} | result
      )
      for i, result in enumerate(results)
  ]
