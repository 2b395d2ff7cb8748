# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rules from the tensors of a public model to the parameters of ours."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
from typing import Any

from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import progress
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.errors import UserError
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.language_model import LanguageModel, LanguageModelConfig
from flamingo_jax.models.layer_stack import init_shapes
from flamingo_jax.models.nfnet import NFNetConfig
from flamingo_jax.models.vision import (
    VisionEncoder,
    VisionEncoderConfig,
    picture_size,
)
from flamingo_jax.training.trainable import is_trainable

Path = tuple[str, ...]
# A piece of a parameter: its path, where in its stack, and its values.
Piece = tuple[Path, tuple[int, ...], np.ndarray]
# Of a Flamingo, what it adds to its towers.
Config = LanguageModelConfig | VisionEncoderConfig | FlamingoConfig


@dataclasses.dataclass(frozen=True)
class Rule:
  """A tensor, or a few, and the parameters that they become."""

  source: str  # '{}' is the number of a layer
  targets: tuple[str, ...]  # paths with '/', of a layer or of the tower
  # The tensors to an array for each target, in order.
  make: Callable[..., Sequence[np.ndarray]]
  beside: tuple[str, ...] = ()  # tensors that `make` gets after the source
  place: tuple[int, ...] = ()  # of the targets, in a stack
  # Of one target with all values, if `make` does no more: 'same' as they lie, or
  # those of the matrix 'transposed', in C order. They need never be in memory.
  layout: str | None = None
  # Where `make` computes and does not only move values: the tensors, in order, of
  # arrays for the targets. They may be rounded otherwise (inverse.py).
  back: Callable[..., Sequence[np.ndarray]] | None = None

  @property
  def sources(self) -> tuple[str, ...]:
    """All tensors, in the order of `make`."""
    return self.source, *self.beside


def same(source: str, target: str) -> Rule:
  """A parameter as it is, such as a norm's scale or a table."""
  return Rule(source, (target,), lambda x: (x,), layout='same')


def transposed(source: str, target: str) -> Rule:
  """A linear map; PyTorch's have the outputs first."""
  return Rule(
      source, (f'{target}/kernel',), lambda x: (x.T,), layout='transposed'
  )


def from_heads(source: str, target: str, heads: int) -> Rule:
  """The map from heads back to the width, [D, H K] to [H, K, D]."""
  return Rule(
      source, (f'{target}/map/kernel',),
      lambda x: (x.T.reshape(heads, -1, x.shape[0]),), layout='transposed',
  )


def layer_norm(source: str, target: str) -> list[Rule]:
  """A LayerNorm, scale and bias."""
  return [
      same(f'{source}.weight', f'{target}/scale'),
      same(f'{source}.bias', f'{target}/bias'),
  ]


def linear(source: str, target: str) -> list[Rule]:
  """A linear map and its bias."""
  return [
      transposed(f'{source}.weight', target),
      same(f'{source}.bias', f'{target}/bias'),
  ]


def linear_from_heads(source: str, target: str, heads: int) -> list[Rule]:
  """`from_heads` and its bias."""
  return [
      from_heads(f'{source}.weight', target, heads),
      same(f'{source}.bias', f'{target}/map/bias'),
  ]


@dataclasses.dataclass(frozen=True)
class Mapping:
  """How a public model becomes one of ours."""

  config: Config
  layer: tuple[Rule, ...]  # of the one stack, for every layer
  # What stands before the layers and behind them, or in one of several stacks.
  ends: tuple[Rule, ...]
  # Parts of names, '^' before their first letter, that are knowingly not read:
  # buffers, tied copies, and what is beside the tower, such as pooling heads.
  left_out: tuple[str, ...] = ()
  told_by: str = 'config.json'  # what says the shapes
  # Of a Flamingo that comes with its towers, a key of data.CONVENTIONS.
  conventions: str = ''

  def left_out_part(self, name: str) -> str | None:
    """The one of `left_out` that a tensor's name has; None: it must be read."""
    return next((x for x in self.left_out if x in f'^{name}'), None)

  def rules(self) -> Iterator[Rule]:
    """Of every parameter in its place, in the order of the layers."""
    yield from self.ends
    tower = tower_of(self.config)
    for layer in range(tower.layers):
      for rule in self.layer:
        yield dataclasses.replace(
            rule, source=rule.source.format(layer),
            targets=tuple('/'.join((*tower.stack, x)) for x in rule.targets),
            place=(layer, *(0,) * (tower.axes - 1)),
        )


@dataclasses.dataclass(frozen=True)
class Tower:
  """Where parameters are in a model's tree."""

  name: str  # of the subtree
  layers: int  # of the one stack; 0 where there are several, or none
  stack: Path  # of the layers, in the subtree
  axes: int  # of the stack, in front of a layer's own


def tower_of(config: Config) -> Tower:
  """The tower that a config is of."""
  if isinstance(config, FlamingoConfig):
    return Tower('', 0, (), 0)
  if isinstance(config, VisionEncoderConfig):
    if isinstance(config.vision, NFNetConfig):
      return Tower('vision_encoder', 0, (), 0)
    return Tower('vision_encoder', config.vision.layers, ('layer_blocks',), 1)
  return Tower('decoder', config.decoder.layers, ('groups', 'lm'), 2)


def abstract_tower(config: Config, whole: bool = False) -> dict[Path, Any]:
  """Shapes of the tower's parameters, by path.

  Of a Flamingo those that it adds to its towers, or of a whole one all.
  """
  flat = _abstract_params(config)
  if isinstance(config, FlamingoConfig):
    return {path: x for path, x in flat.items() if whole or is_trainable(path)}
  name = tower_of(config).name
  return {path[1:]: x for path, x in flat.items() if path[0] == name}


@functools.lru_cache(maxsize=32)
def _abstract_params(config: Config) -> dict[Path, Any]:
  tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  pictures = lambda *shape: jax.ShapeDtypeStruct(
      (*shape, config.image_size, config.image_size, 3), jnp.uint8
  )
  if isinstance(config, VisionEncoderConfig):
    module, inputs = VisionEncoder(config), (pictures(1),)
  elif isinstance(config, FlamingoConfig):
    module = config.build()
    places = picture_size(config.vision, config.image_size).squaring.places
    mask = jax.ShapeDtypeStruct((1, 1, places), bool)
    inputs = tokens, tokens, pictures(1, 1, places), mask
  else:
    module, inputs = LanguageModel(config), (tokens,)
  boxed = init_shapes(module.init, jax.random.key(0), *inputs)
  return traverse_util.flatten_dict(nn.unbox(boxed)['params'])


def pieces(mapping: Mapping, tensors: Tensors) -> Iterator[Piece]:
  """All of a tower, tensor by tensor in the order of the layers.

  Raises:
    UserError: as `check_all_are_known` and `make`.
  """
  check_all_are_known(mapping, tensors)
  for rule in progress.each(mapping.rules(), 'reading', 'tensors'):
    yield from make(rule, mapping, tensors.read)


def check_all_are_known(mapping: Mapping, tensors: Tensors) -> None:
  """Raises UserError of a tensor that is missing, or that nobody knows."""
  made, read = set(), set()
  for rule in mapping.rules():
    made |= {tuple(target.split('/')) for target in rule.targets}
    for name in rule.sources:
      tensors.shape(name)
      read.add(name)
  wanted = abstract_tower(mapping.config, bool(mapping.conventions))
  missing = set(wanted) - made
  assert not missing, f'no rule makes {missing}'
  unknown = {
      name: path for name, path in tensors.unused().items()
      if name not in read and mapping.left_out_part(name) is None
  }
  for name, path in unknown.items():
    raise UserError(
        f'{path} holds {len(unknown)} tensors that are not known of '
        f'{mapping.config.MODEL}, such as {name!r}; the model would compute '
        'something else without them'
    )


def make(
    rule: Rule, mapping: Mapping, read: Callable[[str], np.ndarray]
) -> list[Piece]:
  """What a rule makes of the tensors that `read` gives by name.

  Raises:
    UserError: a tensor is missing or of another shape than config.json says.
  """
  shapes = abstract_tower(mapping.config, bool(mapping.conventions))
  made = _made(rule, read, mapping.told_by)
  pieces_made = []
  for target, values in zip(rule.targets, made, strict=True):
    target = tuple(target.split('/'))
    shape = shapes[target].shape[len(rule.place) :]
    _check(target, values, shape, rule.source, mapping.told_by)
    pieces_made.append((target, rule.place, values))
  return pieces_made


def _made(
    rule: Rule, read: Callable[[str], np.ndarray], told_by: str
) -> Sequence[np.ndarray]:
  tensors = [read(name) for name in rule.sources]
  try:
    return rule.make(*tensors)
  except UserError:  # which says more
    raise
  except (ValueError, IndexError):  # it can't be split or shaped so
    raise UserError(
        f'{rule.source} has shape {list(tensors[0].shape)}, which does not fit what '
        f'{told_by} says; the files do not belong together'
    ) from None


def _check(
    target: Path, values: np.ndarray, shape: tuple[int, ...], source: str,
    told_by: str,
) -> None:
  if values.shape != shape:
    raise UserError(
        f'{source} makes {"/".join(target)} of shape {list(values.shape)}, and '
        f'{told_by} says {list(shape)}; the files do not belong together'
    )
