# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Low-rank updates of frozen linear maps (LoRA, Hu et al. 2021).

  y = x W + alpha / r x A B     W: D -> F, frozen; A: D -> r, B: r -> F, trained

A and B lie beside W in the tree, as `lora_a` and `lora_b`, and alpha / r as
`lora_scale`, which is not trained: a map has an update if it has these leaves
(`layers.Einsum`), so that no module is told. A begins at random and B at 0.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import fnmatch
from typing import Any

from flax import linen as nn
from flax import traverse_util
import jax.numpy as jnp

from flamingo_jax.errors import UserError, shown
from flamingo_jax.models import frozen_maps
from flamingo_jax.models.layers import Einsum, fan_in_normal, parameter
from flamingo_jax.typing import Tree

FACTORS = ('lora_a', 'lora_b')
SCALE = 'lora_scale'
# Names of leaves that no tower has by itself.
LEAVES = (*FACTORS, SCALE)


@dataclasses.dataclass(frozen=True)
class LoraConfig:
  """Which frozen linear maps get an update, and of what size."""

  rank: int = 0  # r; 0: none
  alpha: float = 16.0  # updates are scaled by alpha / r
  # Paths of the maps, as patterns: '*' stands for anything.
  projections: tuple[str, ...] = ('decoder/*/query', 'decoder/*/value')
  # Whether the resampler, the gated blocks and the added rows are frozen too.
  alone: bool = False

  def __post_init__(self):
    if type(self.rank) is not int or self.rank < 0:
      raise UserError(
          f'lora.rank is {shown(self.rank)}: a whole number, 0 for no updates'
      )
    if not isinstance(self.alpha, (int, float)) or not self.alpha > 0:
      raise UserError(f'lora.alpha is {shown(self.alpha)}: a number above 0')
    patterns = self.projections
    if isinstance(patterns, str) or not patterns or not all(
        isinstance(x, str) for x in patterns
    ):
      raise UserError(
          f'lora.projections is {shown(patterns)} and must be a list of '
          "patterns of paths, such as ['decoder/*/query', 'decoder/*/value']"
      )
    if self.alone and not self.rank:
      raise UserError('lora.alone leaves nothing to train with lora.rank 0')
    object.__setattr__(self, 'projections', tuple(patterns))
    if not self.rank:  # so that models without updates are the same
      for field in dataclasses.fields(self):
        object.__setattr__(self, field.name, field.default)


@contextlib.contextmanager
def added(
    config: LoraConfig, trained_towers: Sequence[str] = ()
) -> Iterator[None]:
  """Gives the maps that a Flamingo makes in this context their updates.

  Raises:
    UserError: a pattern is of no frozen map.
  """
  if not config.rank:
    yield
    return
  seen: set[str] = set()

  def visit(path: str, module: Einsum) -> None:
    seen.add(path)
    if any(fnmatch.fnmatchcase(path, x) for x in config.projections):
      _add(module, config)

  with frozen_maps.visited(visit):
    yield
  seen = {path for path in seen if path.split('/')[0] not in trained_towers}
  for pattern in config.projections:
    if not fnmatch.filter(seen, pattern):
      raise UserError(
          f'lora.projections has {shown(pattern)}, which is the path of no '
          'linear map of a frozen tower; there are '
          f'{", ".join(sorted(seen)) or "none"}'
      )


def _add(module: Einsum, config: LoraConfig) -> None:
  """A and B are split as W is, and whole along r."""
  count = module.in_axes
  inputs, outputs = module.shape[:count], module.shape[count:]
  of_inputs, of_outputs = module.axes[:count], module.axes[count:]
  parameter(
      module, 'lora_a', fan_in_normal(count), (*of_inputs, None),
      (*inputs, config.rank),
  )
  parameter(
      module, 'lora_b', nn.initializers.zeros, (None, *of_outputs),
      (config.rank, *outputs),
  )
  scale = nn.initializers.constant(config.alpha / config.rank)
  parameter(module, SCALE, scale, (), ())


def split(tree: Tree) -> tuple[Tree, Tree]:
  """The factors of a tree, which are trained, and all else of it."""
  parts: tuple[dict, dict] = ({}, {})
  for path, leaf in traverse_util.flatten_dict(tree).items():
    parts[path[-1] not in FACTORS][path] = leaf
  return tuple(map(traverse_util.unflatten_dict, parts))


def join(factors: Tree, rest: Tree) -> Tree:
  """The inverse of `split`."""
  flat = traverse_util.flatten_dict
  return traverse_util.unflatten_dict(flat(factors) | flat(rest))


def product(a: Any, b: Any, scale: Any) -> Any:
  """alpha / r A B in float32, [..., inputs, outputs], of a stack of maps or one.

  Arrays are jax's or numpy's.
  """
  lead, rank = scale.shape, a.shape[-1]
  return scale[..., None, None] * (
      a.reshape(*lead, -1, rank) @ b.reshape(*lead, rank, -1)
  )
