# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Puts the weights and the scores of a run into the package.

  python launch/ship_weights.py MODEL_DIR NAME

copies the newest checkpoint without its optimizer, the frozen weights and
MODEL_DIR/eval/results.json to flamingo_jax/weights/NAME, which must not exist; to
replace flamingo_tiny, whose vocabulary is that of the shapes world, put its folder
aside first. No file there names a folder of this machine.
"""

import json
import pathlib
import shutil
import sys

import jax.numpy as jnp

from flamingo_jax import errors
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import weights
from flamingo_jax.training.train_step import TrainState
from flamingo_jax.training.trainable import split_params

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = ('model.json', 'vocabulary.model', 'eval/results.json')


def main(model_dir: pathlib.Path, name: str) -> None:
  """Writes the folder; UserError if something is missing or in the way."""
  target = ROOT / 'flamingo_jax' / 'weights' / name
  missing = [file for file in FILES if not (model_dir / file).exists()]
  if missing:
    raise errors.UserError(
        f'{model_dir} has no {missing[0]}: train, and run flamingo eval'
    )
  if target.exists():
    raise errors.UserError(f'{target} exists: remove it first')
  params, step = weights.load_params(model_dir)
  trained, frozen = split_params(params)
  checkpoints = checkpoint.Checkpoints(target)
  state = TrainState(step=jnp.int32(step), params=trained, opt_state={})
  checkpoints.save(step, state, {}, None)
  checkpoints.close()
  checkpoint.save_frozen(target, frozen)
  for file in FILES[:2]:
    shutil.copy(model_dir / file, target / file)
  results = json.loads((model_dir / FILES[2]).read_text(encoding='utf-8'))
  results['model_dir'] = name
  (target / 'results.json').write_text(
      json.dumps(results, indent=2) + '\n', encoding='utf-8'
  )
  # Orbax's note on where it wrote; reading does not ask for it.
  for note in target.rglob('commit_success.txt'):
    note.unlink()
  print(f'{target}: step {step}')


if __name__ == '__main__':
  sys.exit(errors.status_of(
      lambda: main(pathlib.Path(sys.argv[1]), sys.argv[2])
  ))
