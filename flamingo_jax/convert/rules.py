# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rules from the tensors of a public model to the parameters of ours."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
from typing import Any

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.errors import UserError
from flamingo_jax.models.language_model import LanguageModel, LanguageModelConfig

Path = tuple[str, ...]
# A piece of a parameter: its path, where in its stack, and its values.
Piece = tuple[Path, tuple[int, ...], np.ndarray]
_LAYER = ('groups', 'lm')


@dataclasses.dataclass(frozen=True)
class Rule:
  """One tensor, and the parameters that it becomes."""

  source: str  # '{}' is the number of a layer
  targets: tuple[str, ...]  # paths with '/', of a layer or of the decoder
  # The tensor to an array for each target, in order.
  make: Callable[[np.ndarray], Sequence[np.ndarray]]


def same(source: str, target: str) -> Rule:
  """A parameter as it is, such as a norm's scale or a table."""
  return Rule(source, (target,), lambda x: (x,))


def transposed(source: str, target: str) -> Rule:
  """A linear map; PyTorch's have the outputs first."""
  return Rule(source, (f'{target}/kernel',), lambda x: (x.T,))


def from_heads(source: str, target: str, heads: int) -> Rule:
  """The map from heads back to the width, [D, H K] to [H, K, D]."""
  return Rule(
      source, (f'{target}/map/kernel',),
      lambda x: (x.T.reshape(heads, -1, x.shape[0]),),
  )


@dataclasses.dataclass(frozen=True)
class Mapping:
  """How a public language model becomes one of ours."""

  config: LanguageModelConfig
  layer: tuple[Rule, ...]
  ends: tuple[Rule, ...]  # what stands before the layers and behind them
  # Beginnings of names that hold nothing that is learned, and tied copies.
  left_out: tuple[str, ...] = ()


def abstract_decoder(config: LanguageModelConfig) -> dict[Path, Any]:
  """Shapes of the decoder's parameters, by path."""
  tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  boxed = jax.eval_shape(
      LanguageModel(config).init, jax.random.key(0), tokens
  )
  tree = jax.tree.map(
      lambda x: x.unbox() if hasattr(x, 'unbox') else x, boxed,
      is_leaf=lambda x: hasattr(x, 'unbox'),
  )
  return traverse_util.flatten_dict(tree['params']['decoder'])


def pieces(mapping: Mapping, tensors: Tensors) -> Iterator[Piece]:
  """All of a tower, tensor by tensor in the order of the layers.

  Raises:
    UserError: a tensor is missing or of another shape than config.json says,
      or one is left that nobody knows.
  """
  shapes = abstract_decoder(mapping.config)
  missing = set(shapes)
  for rule in mapping.ends:
    for target, values in _apply(rule, rule.source, tensors):
      missing.discard(target)
      _check(target, values, shapes[target].shape, rule.source)
      yield target, (), values
  for layer in range(mapping.config.decoder.layers):
    for rule in mapping.layer:
      source = rule.source.format(layer)
      for target, values in _apply(rule, source, tensors):
        target = *_LAYER, *target
        missing.discard(target)
        _check(target, values, shapes[target].shape[2:], source)
        yield target, (layer, 0), values
  assert not missing, f'no rule makes {missing}'
  unknown = {
      name: path for name, path in tensors.unused().items()
      if not any(part in name for part in mapping.left_out)
  }
  for name, path in unknown.items():
    raise UserError(
        f'{path} holds {len(unknown)} tensors that are not known of a '
        f'{mapping.config.MODEL}, such as {name!r}; the model would compute '
        'something else without them'
    )


def _apply(
    rule: Rule, source: str, tensors: Tensors
) -> Iterator[tuple[Path, np.ndarray]]:
  for target, values in zip(
      rule.targets, rule.make(tensors.read(source)), strict=True
  ):
    yield tuple(target.split('/')), values


def _check(
    target: Path, values: np.ndarray, shape: tuple[int, ...], source: str
) -> None:
  if values.shape != shape:
    raise UserError(
        f'{source} makes {"/".join(target)} of shape {list(values.shape)}, and '
        f'config.json says {list(shape)}; the files do not belong together'
    )
