# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs with low-rank updates of public language models, and their exports.

  python -m tests.convert.adapted_runs FOLDER

writes the exports that references/record_peft.py takes to PEFT.
"""

import json
import pathlib
import sys

from flax import traverse_util
import numpy as np

from flamingo_jax.convert import conversion
from flamingo_jax.convert import exporting
from flamingo_jax.models import FlamingoConfig, variants
from flamingo_jax.models.lora import LoraConfig
from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.run_dir.weights import load_params
from tests.convert.conversion_test import TOKENIZER
from tests.convert.language_models_test import write_model
from tests.convert.reference_weights import values
from tests.random_weights import save_run

# A tensor for each map, one for three of each head, and one that is scaled.
CASES = ('llama', 'pythia', 'gemma2')
LORA = LoraConfig(2, 3.0, ('decoder/*/attn/*', 'decoder/*/ffw/*'))


def write(folder, name):
  """Makes FOLDER/hub, base, run and export.

  Returns:
    The language model's config, and its parameters with all updates, by path.
  """
  hub = folder / 'hub'
  hub.mkdir(parents=True)
  write_model(hub, name)
  (hub / 'tokenizer.json').write_text(json.dumps(TOKENIZER))
  conversion.convert(hub, folder / 'base')
  tower = stored_config(folder / 'base')
  config = variants.get('flamingo_small', {
      **{f'decoder.{field}': x for field, x in vars(tower.decoder).items()},
      'decoder.xattn_every': 2, 'lora': LORA,
  })
  params = traverse_util.flatten_dict(load_params(folder / 'base')[0]['decoder'])
  updates = dict(make_updates(params, 2))
  factors, scales = {}, {}
  for path, x in updates.items():
    part = scales if path[-1] == 'lora_scale' else factors
    for stack, layers in _stacks(config, x[:, 0]).items():
      part['decoder', stack, *path[1:]] = layers
  save_run(folder / 'run', config, 1, *map(
      traverse_util.unflatten_dict, (factors, scales)
  ))
  exporting.export(folder / 'run', folder / 'export', 'peft',
                   base=folder / 'base')
  return tower, params | updates


def make_updates(params, axes):
  """Of the maps of all layers, with their names' values.

  Stacks of layers have so many axes.
  """
  for path, kernel in params.items():
    if path[-1] != 'kernel':
      continue
    inputs = 2 if 'out' in path else 1  # heads and their size
    stack, shape = kernel.shape[:axes], kernel.shape[axes:]
    for name, of_map in (
        ('a', (*shape[:inputs], LORA.rank)), ('b', (LORA.rank, *shape[inputs:]))
    ):
      name = f'lora_{name}'
      yield (*path[:-1], name), 0.5 * values('/'.join((*path[:-1], name)),
                                             (*stack, *of_map))
    yield (*path[:-1], 'lora_scale'), np.full(
        stack, LORA.alpha / LORA.rank, np.float32
    )


def _stacks(config: FlamingoConfig, layers):
  """Layers as a Flamingo's decoder has them."""
  begin, found = 0, {}
  for stack, shape in config.decoder.stacks.items():
    end = begin + int(np.prod(shape))
    found[stack] = layers[begin:end].reshape(*shape, *layers.shape[1:])
    begin = end
  return found


def main():
  """Writes FOLDER/<name>/export, of all cases."""
  for name in CASES:
    write(pathlib.Path(sys.argv[1]) / name, name)


if __name__ == '__main__':
  main()
