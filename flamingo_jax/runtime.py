# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The objects that a run is configured with; gin files import only this.

  from flamingo_jax import runtime
  runtime.Trainer.num_microbatches = 2

Names, attributes and boundaries are t5x's where t5x has them, so that the same
gin file can configure either driver: the classes below are those of t5x_adapter
when a program of t5x was started, and the built-in driver's otherwise.
"""

from seqio import Evaluator, TensorBoardLogger

from flamingo_jax.ablations.architecture import variant
from flamingo_jax.data.batches import get_batches
from flamingo_jax.data.pipeline import (
    DatasetConfig,
    dataset_weights,
    get_training_eval_datasets,
)
from flamingo_jax.data.vocabulary import Vocabulary, default_vocabulary
from flamingo_jax.driver.start import verify_matching_vocabs
from flamingo_jax.evaluation.best_logger import BestLogger
from flamingo_jax.evaluation.seqio_scores import (
    EvaluationDatasetConfig,
    ScoresLogger,
)
from flamingo_jax.evaluation.learned import LearnedLogger
from flamingo_jax.evaluation.output_dir import evaluation_dir, inference_dir
from flamingo_jax.gin_config import summarize_config, write_config
from flamingo_jax.models.contrastive import get as contrastive_variant
from flamingo_jax.models.lora import LoraConfig
from flamingo_jax.run_dir.model_json import stored_config, stored_vocabulary
from flamingo_jax.run_dir.towers import (
    array_encoder,
    finetuned_config,
    finetuned_picture_size,
    tower_image_size,
    tower_overrides,
    tower_vocabulary,
)
from flamingo_jax.shipped import shipped_weights
from flamingo_jax.t5x_adapter import installation
from flamingo_jax.training.optimizer import (
    contrastive_optimizer,
    language_model_optimizer,
    linear_warmup_constant,
    linear_warmup_cosine,
    linear_warmup_exponential,
    linear_warmup_linear,
    make_optimizer,
)

if installation.is_main():
  installation.prepare()
  from flamingo_jax.t5x_adapter.checkpointer import (
      CheckpointConfig,
      RestoreCheckpointConfig,
      SaveCheckpointConfig,
  )
  from flamingo_jax.t5x_adapter.initializer import TrainStateInitializer
  from flamingo_jax.t5x_adapter.model import (
      ContrastiveModel,
      FlamingoModel,
      LanguageModel,
  )
  from flamingo_jax.t5x_adapter.partitioning import Partitioner
  from flamingo_jax.t5x_adapter.trainer import Trainer
else:
  from flamingo_jax.run_dir.checkpoint import (
      CheckpointConfig,
      RestoreCheckpointConfig,
      SaveCheckpointConfig,
  )
  from flamingo_jax.run_dir.pretrained import TrainStateInitializer
  from flamingo_jax.training.partitioner import Partitioner
  from flamingo_jax.training.train_step import Trainer
  from flamingo_jax.training.trained_model import (
      ContrastiveModel,
      FlamingoModel,
      LanguageModel,
  )
