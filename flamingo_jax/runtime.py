# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The objects that a run is configured with; gin files import only this.

  from flamingo_jax import runtime
  runtime.Trainer.num_microbatches = 2

Names, attributes and boundaries are t5x's where t5x has them, so that the same
gin file can configure either driver.
"""

from seqio import Evaluator

from flamingo_jax.data.pipeline import (
    DatasetConfig,
    dataset_weights,
    get_dataset,
    get_training_eval_datasets,
)
from flamingo_jax.data.vocabulary import Vocabulary, default_vocabulary
from flamingo_jax.evaluation.evaluate import (
    EvaluationDatasetConfig,
    ScoresLogger,
    evaluation_dir,
    inference_dir,
)
from flamingo_jax.gin_config import summarize_config
from flamingo_jax.models.variants import get as variant
from flamingo_jax.training.checkpoint import (
    CheckpointConfig,
    RestoreCheckpointConfig,
    SaveCheckpointConfig,
)
from flamingo_jax.training.model import FlamingoModel
from flamingo_jax.training.optimizer import (
    linear_warmup_constant,
    make_optimizer,
)
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import Trainer

__all__ = [
    'CheckpointConfig',
    'DatasetConfig',
    'EvaluationDatasetConfig',
    'Evaluator',
    'FlamingoModel',
    'Partitioner',
    'RestoreCheckpointConfig',
    'SaveCheckpointConfig',
    'ScoresLogger',
    'Trainer',
    'Vocabulary',
    'dataset_weights',
    'default_vocabulary',
    'evaluation_dir',
    'get_dataset',
    'get_training_eval_datasets',
    'inference_dir',
    'linear_warmup_constant',
    'make_optimizer',
    'summarize_config',
    'variant',
]
