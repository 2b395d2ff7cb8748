# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs that went on from a converted Flamingo for one step, and their exports.

  python -m tests.convert.stepped_runs FOLDER

writes the exports that references/record_exports.py takes to their makers.
"""

import functools
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from flamingo_jax.convert import conversion
from flamingo_jax.convert import exporting
from flamingo_jax.models import variants
from flamingo_jax.run_dir.checkpoint import Checkpoints, save_frozen
from flamingo_jax.run_dir.model_json import write_model_json
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.run_dir.towers import tower_overrides, tower_vocabulary
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import train_step
from flamingo_jax.training.trained_model import FlamingoModel
from tests.convert import idefics_folders
from tests.convert import open_flamingos
from tests.convert.recorded_prompts import labelled

# Formats and models. The added rows of the one's head are trained, which its
# maker's checkpoints do not have.
EXPORTED = (('idefics', 'instruct'), ('openflamingo', 'llama'))
STEP = idefics_folders.TOLD['step']


def step(folder, inputs, lengths, given):
  """(model, state, frozen) of a step of AdamW from INITIAL_WEIGHTS.

  With the shape and the words of the model, and nothing else told.
  """
  folder = str(folder)
  model = FlamingoModel(
      variants.get('flamingo_small', tower_overrides('', '', weights=folder)),
      tower_vocabulary('', lambda: 1 / 0, folder),
      optax.adamw(STEP['lr'], eps=STEP['eps'],
                  weight_decay=STEP['weight_decay']),
  )
  state, frozen = TrainStateInitializer(
      model, Partitioner(devices=jax.devices()[:1]), weights=folder
  ).from_scratch(jax.random.key(0))
  tokens, index, media, mask = inputs
  targets = jnp.roll(tokens, -1, axis=1)
  weights = np.zeros(tokens.shape, np.float32)
  weights[:, :-1] = labelled(tokens, lengths, given)
  examples = {
      'tokens': tokens, 'targets': targets, 'media_index': index,
      'loss_weights': weights, 'media': media, 'media_mask': mask,
  }
  state, _ = jax.jit(functools.partial(
      train_step, model=model, loss_weights={'own': 1.0}, num_microbatches=1
  ))(state, frozen, {f'own/{k}': x[:, None] for k, x in examples.items()})
  return model, state, frozen


def save(folder, model, state, frozen):
  """As a run's folder, at step 1."""
  folder.mkdir()
  write_model_json(folder, model.config, model.vocabulary, max_media=3, frames=1)
  save_frozen(folder, frozen)
  checkpoints = Checkpoints(folder)
  checkpoints.save(1, state, {}, None)
  checkpoints.close()


def main():
  """Writes FOLDER/<name>/export."""
  root = pathlib.Path(sys.argv[1])
  for form, name in EXPORTED:
    folder = root / name
    (folder / 'towers').mkdir(parents=True)
    if form == 'idefics':
      of = idefics_folders
      told, hub = of.MODELS[name], of.write_folder(folder / 'hub', name)
      conversion.convert(hub, folder / 'model')
      given = told['given']
    else:
      of = open_flamingos
      told = of.MODELS[name]
      of.write_converted(folder, name, of.write_towers(folder / 'towers'))
      given = [told['words'] + 1]
    save(folder / 'run', *step(
        folder / 'model', of.inputs(name), told['lengths'], given
    ))
    exporting.export(folder / 'run', folder / 'export', form)


if __name__ == '__main__':
  main()
