# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a gin file says about a run, without its data, weights or devices."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import copy
import dataclasses
import math
import sys
from typing import Any

import gin
import jax
import jax.numpy as jnp
import optax

from flamingo_jax import gin_config, runtime
from flamingo_jax.driver import loop
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.planning.model_flops import Lengths
from flamingo_jax.training.trained_model import Batch
from flamingo_jax.training.trained_model import FlamingoModel


@dataclasses.dataclass(frozen=True)
class Run:
  """The parts of a run that its cost depends on."""

  config: FlamingoConfig
  optimizer: optax.GradientTransformation
  lengths: Mapping[str, Lengths]  # of an example of each dataset
  batch_sizes: Mapping[str, int]  # of each dataset, over all hosts
  mesh_shape: Mapping[str, int] | None
  rules: str  # a table of sharding.RULES
  num_microbatches: int | None
  total_steps: int | None  # None: the file leaves it open

  @property
  def loss_weights(self) -> dict[str, float]:
    """A λ per dataset; a step costs the same whatever it is."""
    return dict.fromkeys(self.batch_sizes, 1.0)

  @property
  def tokens(self) -> int:
    """Text tokens of a step, padding included."""
    return sum(n * self.lengths[d].tokens for d, n in self.batch_sizes.items())

  @property
  def pictures(self) -> int:
    """Frames of a step that the vision encoder sees."""
    return sum(
        n * self.lengths[d].media * self.lengths[d].frames
        for d, n in self.batch_sizes.items()
    )

  def abstract_batch(self, sharding: jax.sharding.Sharding) -> Batch:
    """Shapes of a batch: flat, '<dataset>/<feature>' -> [B, k_d, ...]."""
    rows = math.gcd(*self.batch_sizes.values())
    size = self.config.image_size
    batch = {}
    for name, n in self.lengths.items():
      features = {
          'tokens': ((n.tokens,), jnp.int32),
          'targets': ((n.tokens,), jnp.int32),
          'loss_weights': ((n.tokens,), jnp.float32),
          'media_index': ((n.tokens,), jnp.int32),
          'media': ((n.media, n.frames, size, size, 3), jnp.uint8),
          'media_mask': ((n.media, n.frames), bool),
          'example_id': ((), jnp.int32),
      }
      lead = (rows, self.batch_sizes[name] // rows)
      for feature, (shape, dtype) in features.items():
        batch[f'{name}/{feature}'] = jax.ShapeDtypeStruct(
            lead + shape, dtype, sharding=sharding
        )
    return batch


class AnyVocabulary(runtime.Vocabulary):
  """Stands for the vocabulary of a run whose files need not be here."""

  def __init__(self, base_size: int):
    """Args: base_size, entries of the language model's table."""
    self.path = 'any vocabulary'
    self.base_size = base_size


def make_model(run: Run) -> FlamingoModel:
  """The model of a run, without its vocabulary."""
  vocabulary = AnyVocabulary(run.config.decoder.vocab)
  return FlamingoModel(run.config, vocabulary, run.optimizer)


def read(gin_files: Sequence[str], bindings: Sequence[str] = ()) -> Run:
  """Reads the gin files of a run as the program that trains does.

  Neither the vocabulary, nor the data, nor a model directory has to exist.

  Args:
    gin_files: as of `flamingo train --gin_file`.
    bindings: 'NAME=value', as of its --gin.NAME=value.

  Raises:
    UserError: what `gin_config.parse` refuses, or lengths and batch sizes that
      are not of the same tasks.
  """
  gin.clear_config()
  with _train_is_main():
    gin_config.parse(gin_files, bindings, complete=False)
  model = 'flamingo_jax.runtime.FlamingoModel'
  data = 'train/flamingo_jax.runtime.DatasetConfig'
  partitioner = 'flamingo_jax.runtime.Partitioner'
  lengths = _value(f'{data}.task_feature_lengths')
  batch_sizes = _value(f'{data}.batch_sizes')
  _check_same_tasks(lengths, batch_sizes)
  if not all('media' in n for n in lengths.values()):
    raise UserError(
        'the tasks of this gin file have no media: only Flamingo is planned, '
        'not the language model it is built on'
    )
  strategy = _value(f'{data}.strategy', 'accumulation')
  if strategy == 'merged':
    lengths, batch_sizes = _merged(lengths, batch_sizes)
  return Run(
      config=_value(f'{model}.config'),
      optimizer=_value(f'{model}.optimizer_def'),
      lengths={
          name: Lengths(n['tokens'], n['media'], n.get('frames', 1))
          for name, n in lengths.items()
      },
      batch_sizes=batch_sizes,
      mesh_shape=_value(f'{partitioner}.mesh_shape', None),
      rules=_value(f'{partitioner}.logical_axis_rules', 'data_parallel'),
      num_microbatches=_value(
          'flamingo_jax.runtime.Trainer.num_microbatches', None
      ),
      total_steps=_total_steps(),
  )


@contextlib.contextmanager
def _train_is_main() -> Iterator[None]:
  """Gin files call the program that trains __main__."""
  program = sys.modules['__main__']
  sys.modules['__main__'] = loop
  try:
    yield
  finally:
    sys.modules['__main__'] = program


_NEEDED = object()


def _value(parameter: str, default: Any = _NEEDED) -> Any:
  """What a parameter is bound to, with macros and references resolved."""
  try:
    bound = gin.query_parameter(parameter)
  except ValueError as error:
    if default is _NEEDED:
      raise UserError(
          f'the gin file does not set {parameter.split(".", 1)[-1]}, which a '
          'plan needs'
      ) from error
    return default
  value = gin_config.one_sentence(lambda: copy.deepcopy(bound))
  if value is gin.REQUIRED:
    if default is _NEEDED:
      raise UserError(f'{bound} must be set: add --gin.{bound.selector}=...')
    return default
  return value


def _total_steps() -> int | None:
  for (_, selector), arguments in gin.config._CONFIG.items():
    if selector.endswith('.train') and 'total_steps' in arguments:
      steps = copy.deepcopy(arguments['total_steps'])
      return None if steps is gin.REQUIRED else steps
  return None


def _check_same_tasks(
    lengths: Mapping[str, Any], batch_sizes: Mapping[str, int]
) -> None:
  if set(lengths) != set(batch_sizes):
    raise UserError(
        f'task_feature_lengths are of {", ".join(sorted(lengths))} and '
        f'batch_sizes of {", ".join(sorted(batch_sizes))}: name the same tasks'
    )


def _merged(
    lengths: Mapping[str, Mapping[str, int]], batch_sizes: Mapping[str, int]
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
  """One dataset with the largest lengths and the sum of the batch sizes."""
  largest = {
      key: max(n.get(key, 1) for n in lengths.values())
      for n in lengths.values() for key in n
  }
  return {'merged': largest}, {'merged': sum(batch_sizes.values())}

