# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Low-rank updates as PEFT has them, for the public model they are updates of.

  y = x W^T + alpha / r x lora_A^T lora_B^T      W: [F, D]

`adapter_model.safetensors` has lora_A [r, D] and lora_B [F, r] of each linear map.
Where a public model computes several of our maps at once, the factors of all stand
side by side: their rank is the sum of ours.
"""

from collections.abc import Iterator
import json
import pathlib

import numpy as np

from flamingo_jax.convert import inverse
from flamingo_jax.convert.rules import (
    Mapping,
    Path,
    Rule,
    abstract_tower,
    tower_of,
)
from flamingo_jax.convert.source_record import SourceRecord
from flamingo_jax.convert.stored_weights import StoredWeights
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig, LanguageModelConfig, lora

FILE = 'adapter_model.safetensors'
# Of a parameter in a run: its module's path, and its place in the stack.
_Place = tuple[Path, tuple[int, ...]]


class LowRankTensors:
  """Factors of all updates of one public model, which are told before they are made.

  Attributes:
    tensors: dtype and shape of each by name.
    made_of: the updates of each by name, in words.
    left: paths of updates that are not the model's.
  """

  def __init__(
      self, mapping: Mapping, weights: StoredWeights, record: SourceRecord,
      config: FlamingoConfig,
  ):
    """Reads no values.

    Raises:
      UserError: the public model is another than the run's, or has no linear map
        where the run has an update.
    """
    self._mapping, self._weights, self._record = mapping, weights, record
    self._config = config
    self._updated: list[tuple[Rule, list[_Place | None]]] = []
    self.tensors: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
    self.made_of: dict[str, str] = {}
    paths = {path[:-1] for path in weights if path[-1] == lora.SCALE}
    self.left = set(paths)
    for rule in mapping.rules():
      places = [self._place(rule, target) for target in rule.targets]
      found = [
          place if place is not None and place[0] in paths else None
          for place in places
      ]
      if any(found):
        self._add(rule, found)
        self.left -= {place[0] for place in found if place}
    if not self.tensors:
      raise UserError(
          'none of its low-rank updates is of the model that --base was converted '
          'from: give the tower that was trained around'
      )

  def write_config(self, folder: pathlib.Path) -> None:
    """adapter_config.json, beside the tensors."""
    rank, alpha = self._config.lora.rank, self._config.lora.alpha
    counts = {
        _module(rule): sum(place is not None for place in places)
        for rule, places in self._updated
    }
    several = {module: n for module, n in counts.items() if n > 1}
    of_text = isinstance(self._mapping.config, LanguageModelConfig)
    (folder / 'adapter_config.json').write_text(json.dumps({
        'peft_type': 'LORA',
        'task_type': 'CAUSAL_LM' if of_text else None,
        'base_model_name_or_path': None,
        'r': rank,
        'lora_alpha': alpha,
        'rank_pattern': {module: n * rank for module, n in several.items()},
        'alpha_pattern': {module: n * alpha for module, n in several.items()},
        'target_modules': list(counts),
        'lora_dropout': 0.0,
        'bias': 'none',
        'inference_mode': True,
    }, indent=2) + '\n')

  def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
    """All tensors with their names.

    Raises:
      UserError: they cannot be made, or not be read.
    """
    for rule, places in self._updated:
      a, b = self._made(rule, places)
      yield from zip(_names(rule), (a, b), strict=True)
    self._weights.release()

  def _place(self, rule: Rule, target: str) -> _Place | None:
    """Where a run has the map that a target of a rule is of; None: it is none."""
    *path, leaf = target.split('/')
    if leaf != 'kernel':
      return None
    tower = tower_of(self._mapping.config)
    path = tuple(path)
    if tower.name != 'decoder':
      return ((tower.name,) * bool(tower.name) + path), rule.place
    layer = rule.place[0] if rule.place else 0
    for stack, shape in self._config.decoder.stacks.items():
      if layer < np.prod(shape):
        at = tuple(int(i) for i in np.unravel_index(layer, shape))
        return ('decoder', stack, *path[1:]), at
      layer -= int(np.prod(shape))
    raise UserError('--base is of a model with more layers than it has')

  def _add(self, rule: Rule, places: list[_Place | None]) -> None:
    _, shape = self._record.tensors[rule.source]
    if len(shape) != 2 or rule.beside:
      raise UserError(
          f'{rule.source} is not a linear map in the other format: train without an '
          f'update of {"/".join(next(filter(None, places))[0])}'
      )
    outputs, inputs = shape
    rank = 0
    for path, at in filter(None, places):
      a, b = (self._weights.shape((*path, x))[len(at) :] for x in lora.FACTORS)
      rank += a[-1]
      if int(np.prod(a[:-1])) != inputs or int(np.prod(b[1:])) > outputs:
        raise UserError(
            f'{rule.source} of --base has shape {list(shape)}, and '
            f'{"/".join(path)} is updated from {int(np.prod(a[:-1]))} to '
            f'{int(np.prod(b[1:]))}: it is another model'
        )
    kind = np.dtype(np.float32)
    self.tensors |= dict(zip(_names(rule), (
        (kind, (rank, inputs)), (kind, (outputs, rank))
    )))
    told = ', '.join(
        '/'.join(path) + ''.join(f'[{i}]' for i in at)
        for path, at in filter(None, places)
    )
    self.made_of |= dict.fromkeys(_names(rule), told)
    self._updated.append((rule, places))

  def _made(
      self, rule: Rule, places: list[_Place | None]
  ) -> tuple[np.ndarray, np.ndarray]:
    """lora_A and lora_B of a tensor."""
    (_, shape), found = self._record.tensors[rule.source], []
    for i, place in enumerate(places):
      if place is None:
        continue
      path, at = place
      a, b = (self._weights.read((*path, x))[at] for x in lora.FACTORS)
      rank = a.shape[-1]
      # The rule moves outputs and leaves inputs where they are: rows of a map
      # that are those of B come out as its columns.
      values = [
          np.zeros(self._kernel(x, len(rule.place)), np.float32)
          for x in rule.targets
      ]
      flat = values[i].reshape(shape[1], -1)
      flat[:rank] = b.reshape(rank, -1)
      moved = inverse.undo(rule, values, [shape])
      if moved is None or moved[0][:, rank:].any():
        raise UserError(
            f'{rule.source} is made of {"/".join(path)} in a way that keeps no '
            'low-rank update'
        )
      found.append((a.reshape(-1, rank).T, moved[0][:, :rank]))
    return (np.concatenate([a for a, _ in found]),
            np.concatenate([b for _, b in found], axis=1))

  def _kernel(self, target: str, axes: int) -> tuple[int, ...]:
    """The shape of one map of a stack."""
    config = self._mapping.config
    leaf = abstract_tower(config, isinstance(config, FlamingoConfig))[
        tuple(target.split('/'))
    ]
    return leaf.shape[axes:]


def _module(rule: Rule) -> str:
  return rule.source.removesuffix('.weight')


def _names(rule: Rule) -> tuple[str, str]:
  """Of the tensors of a module's factors."""
  return tuple(
      f'base_model.model.{_module(rule)}.lora_{x}.weight' for x in 'AB'
  )
