# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a gin file says about a run, without its data, weights or devices."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import copy
import dataclasses
import math
import sys
import types
from typing import Any

import gin
import jax

from flamingo_jax import gin_config, runtime
from flamingo_jax.data import features, packed, text
from flamingo_jax.errors import UserError
from flamingo_jax.driver import loop
from flamingo_jax.picture_size import Lengths
from flamingo_jax.training.trained_model import Batch, TrainedModel


@dataclasses.dataclass(frozen=True)
class PlannedRun:
  """The parts of a run that its cost depends on."""

  model: TrainedModel  # with any vocabulary
  lengths: Mapping[str, Lengths]  # of an example of each dataset
  batch_sizes: Mapping[str, int]  # of each dataset, over all hosts
  mesh_shape: Mapping[str, int] | None = None
  rules: str = 'data_parallel'  # a table of sharding.RULES
  num_microbatches: int | None = None
  total_steps: int | None = None  # None: the file leaves it open

  @property
  def loss_weights(self) -> dict[str, float]:
    """A λ per dataset; a step costs the same whatever it is."""
    return dict.fromkeys(self.batch_sizes, 1.0)

  @property
  def tokens(self) -> int:
    """Text tokens of a step, padding included."""
    return sum(
        n * self.lengths[name]['tokens'] for name, n in self.batch_sizes.items()
    )

  @property
  def pictures(self) -> int:
    """Frames of a step that the vision encoder sees."""
    frames = lambda lengths: lengths.get('media', 0) * lengths.get('frames', 1)
    return sum(
        n * frames(self.lengths[name]) for name, n in self.batch_sizes.items()
    )

  @property
  def remat(self) -> str:
    """What the decoder's backward pass computes again; 'none' without one."""
    decoder = getattr(self.model.config, 'decoder', None)
    return decoder.remat if decoder else 'none'

  def with_setting(
      self, rules: str, remat: str, num_microbatches: int | None
  ) -> 'PlannedRun':
    """The run with another rule table, rematerialisation and microbatches."""
    model = self.model
    if remat != self.remat:
      decoder = dataclasses.replace(model.config.decoder, remat=remat)
      config = dataclasses.replace(model.config, decoder=decoder)
      model = type(model)(config, model.vocabulary, model.optimizer)
    return dataclasses.replace(
        self, model=model, rules=rules, num_microbatches=num_microbatches
    )

  def abstract_batch(self, sharding: jax.sharding.Sharding) -> Batch:
    """Shapes of a batch: flat, '<dataset>/<feature>' -> [B, k_d, ...]."""
    rows = math.gcd(*self.batch_sizes.values())
    batch = {}
    for name, lengths in self.lengths.items():
      lead = (rows, self.batch_sizes[name] // rows)
      kind = _kind(lengths)
      of_task = (
          kind.OUTPUT_FEATURES if kind is text
          else kind.output_features(features.has_arrays(lengths))
      )
      for feature, shape in kind.example_shapes(lengths).items():
        dtype = of_task[feature].dtype.as_numpy_dtype
        batch[f'{name}/{feature}'] = jax.ShapeDtypeStruct(
            lead + shape, dtype, sharding=sharding
        )
    return batch


def _kind(lengths: Lengths) -> types.ModuleType:
  """The module of tasks whose examples have such lengths."""
  if 'media' not in lengths:
    return text
  return packed if 'documents' in lengths else features


# Sources of frozen weights, which need not be there.
_TOWERS = {'VISION_ENCODER', 'LANGUAGE_MODEL', 'INITIAL_WEIGHTS'}


class AnyVocabulary(runtime.Vocabulary):
  """Stands for the vocabulary of a run whose files need not be here."""

  def __init__(self, base_size: int, added: int):
    """Args: entries of the model's table of words, and those that are added."""
    self.path = 'any vocabulary'
    self.base_size = base_size
    self.added = ('<EOC>',) * added


def make_model(
    model_class: type[TrainedModel], config: Any, optimizer: Any
) -> TrainedModel:
  """A model without its vocabulary."""
  words = config.decoder if hasattr(config, 'decoder') else config.text
  return model_class(config, AnyVocabulary(words.vocab, getattr(words, 'added', 1)), optimizer)


def read(gin_files: Sequence[str], bindings: Sequence[str] = ()) -> PlannedRun:
  """Reads the gin files of a run as the program that trains does.

  Neither the vocabulary, nor the data, nor a model directory has to exist, nor
  have towers: where they are not given, they are the variant's.
  Bindings are 'NAME=value', as of its --gin.NAME=value.

  Raises:
    UserError: what `gin_config.parse` refuses, lengths that no example has, or
      that are not of the same tasks as the batch sizes.
  """
  gin.clear_config()
  with _train_is_main():
    missing = gin_config.parse(gin_files, bindings, complete=False)
    for tower in _TOWERS.intersection(missing):
      gin.parse_config(f'{tower} = None')
  data = 'train/flamingo_jax.runtime.DatasetConfig'
  partitioner = 'flamingo_jax.runtime.Partitioner'
  lengths = _value(f'{data}.task_feature_lengths')
  batch_sizes = _value(f'{data}.batch_sizes')
  _check_same_tasks(lengths, batch_sizes)
  lengths = {
      name: features.check_lengths(name, n, _kind(n).LENGTHS)
      for name, n in lengths.items()
  }
  if _value(f'{data}.strategy', 'accumulation') == 'merged':
    lengths, batch_sizes = _merged(lengths, batch_sizes)
  return PlannedRun(
      model=_model(),
      lengths=lengths,
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


def _of_train(name: str) -> Any:
  """What a parameter of the program that trains is bound to, as written."""
  for (_, selector), arguments in gin.config._CONFIG.items():
    if selector.endswith('.train') and name in arguments:
      return arguments[name]
  return gin.REQUIRED


def _model() -> TrainedModel:
  """The model that `train` gets, with any vocabulary."""
  reference = _of_train('model')
  while getattr(reference, 'selector', None) == 'gin.macro':
    reference = gin.query_parameter('%' + '/'.join(reference.scopes))
  if not hasattr(reference, 'configurable'):
    raise UserError(
        'the gin file does not say which model `train` gets, which a plan '
        'needs: include one of configs/models, or bind MODEL'
    )
  name = '/'.join((*reference.scopes, reference.configurable.selector))
  return make_model(
      reference.configurable.wrapped,
      _value(f'{name}.config'), _value(f'{name}.optimizer_def'),
  )


def _total_steps() -> int | None:
  steps = copy.deepcopy(_of_train('total_steps'))
  return None if steps is gin.REQUIRED else steps


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

