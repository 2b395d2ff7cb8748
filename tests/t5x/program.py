# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Several runs of one driver in one process.

t5x needs a fresh one:

  python -m tests.t5x.program PLAN.json

PLAN.json: a list of {'name', 'files', 'bindings', 'devices', 'lower'}. Prints
{name: what was seen} as its last line.
"""

import ast
import contextlib
import importlib
import json
import pathlib
import sys
from unittest import mock

ROOT = pathlib.Path(__file__).parents[2]


def flags(plan):
  """One entry of a plan, as arguments of a program."""
  return [
      *(f'--gin_file={file}' for file in plan['files']),
      *(f'--gin.{binding}' for binding in plan['bindings']),
  ]


def see(state, model_dir):
  """Bytes of a t5x state, and whether its frozen part is the one on disk."""
  import jax
  import numpy as np
  from flamingo_jax.run_dir import checkpoint
  from flamingo_jax.t5x_adapter.train_state import from_t5x

  state, frozen = jax.device_get(from_t5x(state))
  stored = checkpoint.restore_frozen(model_dir, frozen)
  same = jax.tree.map(
      lambda x, y: x.tobytes() == np.asarray(y).tobytes(), frozen, stored
  )
  size = lambda tree: sum(x.nbytes for x in jax.tree.leaves(tree))
  return {
      'frozen_is_unchanged': all(jax.tree.leaves(same)),
      'params_bytes': size(state.params),
      'optimizer_bytes': size(state.opt_state),
      'frozen_bytes': size(frozen),
  }


def lower(
    *, model, train_dataset_cfg, partitioner, trainer_cls, get_dataset_fn,
    train_state_initializer_cls, **unused
):
  """As t5x's train, up to the lowered step; for shapes only."""
  del unused
  import flax.traverse_util
  import jax
  from jax.sharding import NamedSharding

  layout = partitioner.get_data_layout(train_dataset_cfg.batch_size)
  spec = get_dataset_fn(
      train_dataset_cfg, layout.shard_id, layout.num_shards,
      model.FEATURE_CONVERTER_CLS,
  ).element_spec
  batch_sharding = NamedSharding(
      partitioner.mesh, partitioner.data_partition_spec
  )
  batch = {
      key: jax.ShapeDtypeStruct(
          x.shape, x.dtype, sharding=batch_sharding
      )
      for key, x in spec.items()
  }
  initializer = train_state_initializer_cls(
      optimizer_def=model.optimizer_def,
      init_fn=model.get_initial_variables,
      input_shapes={key: x.shape for key, x in batch.items()},
      input_types={key: x.dtype for key, x in batch.items()},
      partitioner=partitioner,
  )
  state = initializer.global_train_state_shape
  trainer = trainer_cls(
      model=model, train_state=state, partitioner=partitioner,
      train_state_axes=initializer.train_state_axes, eval_names=[],
      summary_dir=None, rng=jax.random.PRNGKey(0),
  )
  text = trainer._partitioned_train_step.lower(state, batch).as_text()
  trainer.close()
  flat = lambda tree: flax.traverse_util.flatten_dict(tree, sep='/')
  logical = partitioner.get_logical_axes(state)
  axes = flat(logical.params) | flat(logical.flax_mutables['frozen_params'])
  leaves = flat(state.params) | flat(state.flax_mutables['frozen_params'])
  return {
      'without_axes': [
          name for name, leaf in leaves.items()
          if len(axes.get(name) or ()) != leaf.ndim
      ],
      'without_rule': sorted(
          {axis for names in axes.values() for axis in names}
          - {axis for axis, _ in partitioner.logical_axis_rules}
      ),
      'parameters': sum(leaf.size for leaf in leaves.values()),
      'is_split': 'sdy.sharding' in text or 'mhlo.sharding' in text,
  }


def one_run(train, plan):
  """Configures and trains, or lowers; {'error': sentence} if that fails."""
  import gin
  import jax
  from flamingo_jax import gin_config
  from flamingo_jax.errors import UserError

  gin.clear_config()
  configured = gin.configurable(lower if plan.get('lower') else train)
  bindings = plan['bindings']
  try:
    gin_config.parse(plan['files'], bindings)
    devices = jax.devices()[:plan['devices']]
    with mock.patch.object(jax, 'devices', lambda *unused: devices):
      result = gin_config.one_sentence(configured)
  except UserError as error:
    return {'error': str(error)}
  if plan.get('lower'):
    return result
  step, state = result
  seen = {'step': int(step)}
  if hasattr(state, 'flax_mutables'):
    model_dir = dict(b.split('=', 1) for b in bindings)['MODEL_DIR']
    seen |= see(state, ast.literal_eval(model_dir))
  return seen


def run_built_in(plan):
  """{name: what was seen} of runs of the built-in driver, in this process."""
  import gin

  seen = run_with(importlib.import_module('flamingo_jax.train'), plan)
  gin.clear_config()
  assert not any('error' in found for found in seen.values()), seen
  return seen


def run_with(module, plan):
  """The same, with the train function of a module."""
  # What Python was started with, as far as gin files can see.
  main, sys.modules['__main__'] = sys.modules['__main__'], module
  try:
    with contextlib.chdir(ROOT):
      return {run['name']: one_run(module.train, run) for run in plan}
  finally:
    sys.modules['__main__'] = main


def main():
  """Runs t5x's plan."""
  (file,) = sys.argv[1:]
  module = importlib.import_module('t5x.train')
  plan = json.loads(pathlib.Path(file).read_text())
  if plan[0].get('lower'):
    module.train = lower
  print(json.dumps(run_with(module, plan)))


if __name__ == '__main__':
  main()
