# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Time of a training step, as JSON, for any gin file of a training run.

  python -m benchmarks.step_time --gin_file=configs/flamingo_tiny.gin

Compiles the run's own step and times it on one batch that stays on the
devices; nothing is read twice, written or saved. With
--gin.train.cache_media=True the batch has the features of a media cache.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from typing import Any

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

import gin
import jax

from flamingo_jax import gin_config
from flamingo_jax import gin_program
from flamingo_jax.driver.media_cache import open_cache
from flamingo_jax.errors import status_of
from flamingo_jax.training.train_step import init_state

WARMUP = 2
STEPS = 10


def train(
    *,
    model: Any,
    train_dataset_cfg: Any,
    partitioner: Any,
    trainer_cls: Any,
    random_seed: int,
    get_dataset_fn: Any,
    model_dir: str,
    cache_media: bool | str = False,
    **unused: Any,
) -> dict[str, Any]:
  """Measures what a gin file's `train_script.train` would run.

  Returns:
    Seconds: compile_seconds, step_seconds (median) and its extremes; targets
    and media that are not padding per second; bytes: peak_memory_bytes of the
    fullest device where it tells (else of the process), and what the compiler
    plans for the step's temporaries. With a media cache the seconds in which it
    encodes a batch's pictures, compiling included, and then finds them.
  """
  del unused
  state, frozen_params = init_state(
      model, partitioner, jax.random.PRNGKey(random_seed)
  )
  trainer = trainer_cls(model=model, partitioner=partitioner)
  layout = partitioner.get_data_layout(train_dataset_cfg.batch_size)
  batches = get_dataset_fn(
      train_dataset_cfg, layout.shard_id, layout.num_shards
  )
  batch = next(batches)
  cache_seconds = {}
  with open_cache(
      cache_media, model_dir, model, frozen_params, train_dataset_cfg
  ) as cache:
    if cache:
      for what in ('encode', 'find'):
        begin = time.perf_counter()
        found = cache(batch)
        cache_seconds[f'cache_{what}_seconds'] = time.perf_counter() - begin
      batch = found
  batch = partitioner.put_batch(batch)
  begin = time.perf_counter()
  step = trainer.compile_train(state, frozen_params, batch)
  compile_seconds = time.perf_counter() - begin
  seconds = []
  for _ in range(WARMUP + STEPS):
    begin = time.perf_counter()
    state, metrics = step(state, frozen_params, batch)
    metrics = jax.block_until_ready(metrics)
    jax.block_until_ready(state)
    seconds.append(time.perf_counter() - begin)
  seconds = seconds[WARMUP:]
  typical = statistics.median(seconds)
  tokens = sum(float(v) for k, v in metrics.items() if k.endswith('/weight'))
  return cache_seconds | {
      'compile_seconds': compile_seconds,
      'step_seconds': typical,
      'step_seconds_min': min(seconds),
      'step_seconds_max': max(seconds),
      'tokens_per_second': tokens / typical,
      'images_per_second': float(metrics.get('images', 0)) / typical,
      'peak_memory_bytes': _peak_memory(),
      'temporary_bytes': step.memory_analysis().temp_size_in_bytes,
      'parameters_trainable': _size(state.params),
      'parameters_frozen': _size(frozen_params),
      'devices': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
  }


def _peak_memory() -> int:
  peaks = [
      (device.memory_stats() or {}).get('peak_bytes_in_use', 0)
      for device in jax.local_devices()
  ]
  # Linux counts a process's peak in kilobytes.
  process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  return max(peaks) or process


def _size(tree: Any) -> int:
  return sum(x.size for x in jax.tree.leaves(tree))


def main() -> None:
  """Prints one JSON object."""
  gin_files, bindings = gin_program.parse_arguments(sys.argv[1:])
  measure = gin.configurable(train)
  with tempfile.TemporaryDirectory() as model_dir:
    gin_config.parse(gin_files, [*bindings, f'MODEL_DIR={model_dir}'])
    result = gin_config.one_sentence(measure)
  print(json.dumps(result, indent=2))


if __name__ == '__main__':
  sys.exit(status_of(main))
