# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Signals before the first step; loop_test.py has those after it."""

import functools
import os
import signal

import pytest

from flamingo_jax.data import pipeline
from flamingo_jax.data.batches import get_batches
from flamingo_jax.driver import interrupt
from flamingo_jax.driver.loop import train
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import pretrained
from flamingo_jax.run_dir.steps import saved_steps
from flamingo_jax.tasks import shapes
from flamingo_jax.training.train_step import Trainer


def stop(*args):
  os.kill(os.getpid(), signal.SIGTERM)


class StoppedTrainer(Trainer):
  """Is stopped while it compiles, and would fail at its first step."""

  compile_train = stop


@pytest.mark.parametrize('trainer, summarize', [
    (Trainer, stop),  # between loading and compiling
    (StoppedTrainer, lambda *args: None),
])
def test_a_run_that_is_stopped_before_its_first_step_saves_nothing(
    model, one_device, tmp_path, capfd, trainer, summarize
):
  shapes.register()
  before = signal.getsignal(signal.SIGTERM)
  with pytest.raises(SystemExit) as stopped:
    train(
        model=model,
        train_dataset_cfg=pipeline.DatasetConfig(
            mixture_or_task_name='shapes_pairs',
            task_feature_lengths={
                'shapes_pairs': {'tokens': 6, 'media': 1, 'image_size': 16}
            },
            split='train', batch_sizes={'shapes_pairs': 2}, shuffle=True,
            seed=0,
        ),
        train_eval_dataset_cfg=None,
        infer_eval_dataset_cfg=None,
        checkpoint_cfg=checkpoint.CheckpointConfig(),
        partitioner=one_device,
        trainer_cls=functools.partial(
            trainer, learning_rate_fn=lambda step: 1e-3,
            loss_weights={'shapes_pairs': 1.0}, num_microbatches=None,
        ),
        model_dir=str(tmp_path),
        total_steps=3,
        eval_steps=1,
        eval_period=1,
        random_seed=0,
        summarize_config_fn=summarize,
        get_dataset_fn=get_batches,
        train_eval_get_dataset_fn=pipeline.get_training_eval_datasets,
        train_state_initializer_cls=pretrained.TrainStateInitializer,
        verify_matching_vocabs_fn=lambda cfg, model: None,
    )
  assert stopped.value.code == 128 + signal.SIGTERM
  assert capfd.readouterr().err.splitlines()[-1] == interrupt.at_rest('SIGTERM')
  assert not saved_steps(tmp_path)
  # All that a run writes before its first step is whole.
  assert (tmp_path / 'frozen').exists()
  assert not list(tmp_path.rglob('*tmp*'))
  assert signal.getsignal(signal.SIGTERM) == before
