# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The freeze rule, stated once: what Flamingo trains (Flamingo §2.1, §2.2).

Trained are the Resampler, the gated cross-attention blocks with the map of
their media, and the rows of <EOC> and of what else is added; the vision encoder
and the language model are frozen, but for the ablations that train one of these
too (§3.3). What adapts frozen weights (models/lora.py) is trained beside these,
or alone.
"""

from collections.abc import Collection
from typing import Any

from flax import traverse_util
import jax.numpy as jnp

from flamingo_jax.models import lora
from flamingo_jax.typing import Tree

_TRAINABLE_MODULES = frozenset((
    'resampler', 'media_projection', 'xattn', 'graft', 'new_token_embedding',
    'new_token_unembedding',
))


def is_trainable(path: tuple[str, ...]) -> bool:
  """Whether Flamingo adds the parameter at `path` of the whole model's tree."""
  return not _TRAINABLE_MODULES.isdisjoint(path)


def is_update(path: tuple[str, ...]) -> bool:
  """Whether the parameter at `path` is of a low-rank update."""
  return path[-1] in lora.LEAVES


def is_trained(
    path: tuple[str, ...], towers: Collection[str] = (), lora_alone: bool = False
) -> bool:
  """Whether a run trains the parameter at `path`; as of `split_params`."""
  if is_update(path):
    return path[-1] in lora.FACTORS
  return not lora_alone and (is_trainable(path) or path[0] in towers)


def answering_dtype(path: tuple[str, ...], stored: Any, dtype: str) -> Any:
  """What a parameter is read as by a model that answers, and is not trained.

  Trained maps are float32 for the optimizer's sake; products only ever see them
  in the dtype of activations, so that half the memory gives the same bits.

  Args:
    path: of the whole model's tree.
    stored: the dtype it was saved with.
    dtype: of activations, as FlamingoConfig has it.
  """
  is_map = is_trainable(path) and path[-1] == 'kernel'
  narrow = jnp.dtype(dtype).itemsize < jnp.dtype(stored).itemsize
  return jnp.dtype(dtype) if is_map and narrow else stored


def split_params(
    tree: Tree, towers: Collection[str] = (), lora_alone: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Splits the whole model's tree into (params, frozen_params).

  Args:
    tree: of the whole model.
    towers: names at its top whose weights are all trained
      (FlamingoConfig.trained_towers).
    lora_alone: whether low-rank updates are all that is trained.
  """
  parts: tuple[dict, dict] = ({}, {})
  for path, leaf in traverse_util.flatten_dict(tree).items():
    trains = is_trained(path, towers, lora_alone)
    parts[0 if trains else 1][path] = leaf
  return tuple(traverse_util.unflatten_dict(part) for part in parts)


def merge_params(params: Tree, frozen_params: Tree) -> dict[str, Any]:
  """The inverse of `split_params`: one tree for `model.apply`."""
  merged = traverse_util.flatten_dict(params)
  frozen = traverse_util.flatten_dict(frozen_params)
  if overlap := merged.keys() & frozen.keys():
    raise ValueError(f'both trainable and frozen: {sorted(overlap)}')
  return traverse_util.unflatten_dict(merged | frozen)
