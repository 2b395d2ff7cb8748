# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The tensors of a public model, made of parameters by its rules."""

from collections.abc import Iterator, Mapping as Dict
import itertools

import numpy as np

from flamingo_jax.convert import inverse
from flamingo_jax.convert.rules import Mapping, Path, Rule, tower_of
from flamingo_jax.convert.source_record import SourceRecord
from flamingo_jax.convert.stored_weights import StoredWeights
from flamingo_jax.errors import UserError

Shape = tuple[int, ...]


class Outgoing:
  """Tensors, which are told before any is made.

  Attributes:
    tensors: dtype and shape of each by name.
    made_of: the parameters of each by name, in words.
  """

  def __init__(
      self, mapping: Mapping, weights: StoredWeights,
      record: SourceRecord | None, shapes: Dict[str, Shape],
  ):
    """Reads no values.

    Args:
      mapping: whose rules are read backwards.
      weights: the parameters.
      record: of the source that they were made of, whose dtypes come back; None:
        they were trained.
      shapes: without a record, of the tensors that do not lie as their one
        parameter does.
    """
    self._weights, self._record = weights, record
    self._tower = tuple(filter(None, [tower_of(mapping.config).name]))
    self._groups: dict[tuple[str, ...], list[Rule]] = {}
    self.tensors: dict[str, tuple[np.dtype, Shape]] = {}
    self.made_of: dict[str, str] = {}
    for rule in mapping.rules():
      # Layers of a stack one behind the other: it may have to be read whole.
      self._groups.setdefault(rule.targets, []).append(rule)
      dtypes = [weights.dtype(self._path(target)) for target in rule.targets]
      for name in rule.sources:
        if record is not None:
          self.tensors[name] = record.dtype(name), record.tensors[name][1]
        else:
          shape = shapes[name] if name in shapes else self._shape(rule)
          self.tensors[name] = np.result_type(*dtypes), shape
        self.made_of[name] = ', '.join(
            '/'.join(self._path(target)) + ''.join(f'[{i}]' for i in rule.place)
            for target in rule.targets
        )

  def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
    """All tensors with their names, in any order.

    Raises:
      UserError: one cannot be made of its parameters, or these can't be read.
    """
    for rule in itertools.chain.from_iterable(self._groups.values()):
      yield from zip(rule.sources, self._made(rule), strict=True)
      if rule is self._groups[rule.targets][-1]:
        self._weights.release()

  def _made(self, rule: Rule) -> list[np.ndarray]:
    values = [
        self._weights.read(self._path(target), rule.place)
        for target in rule.targets
    ]
    found = inverse.undo(
        rule, values, [self.tensors[name][1] for name in rule.sources]
    )
    kept = self._kept(rule, values, found)
    if kept is None and found is None:
      raise UserError(
          f'{self._weights.folder}: {", ".join(rule.targets)} are not parameters '
          f'that {rule.source} of the format can tell; use --format=safetensors'
      )
    return found if kept is None else kept

  def _kept(
      self, rule: Rule, values: list[np.ndarray], found: list[np.ndarray] | None
  ) -> list[np.ndarray] | None:
    """Tensors of the source, if it is these that the parameters are of."""
    if self._record is None or not any(
        name in self._record.kept for name in rule.sources
    ):
      return None
    tensors = [
        self._record.kept.read(name) if name in self._record.kept
        else found[i].astype(self._record.dtype(name))
        for i, name in enumerate(rule.sources)
    ]
    again = [
        np.asarray(x).astype(y.dtype)
        for x, y in zip(rule.make(*tensors), values, strict=True)
    ]
    is_same = all(map(inverse.same_bits, again, values))
    return tensors if is_same else None

  def _shape(self, rule: Rule) -> Shape:
    """Of a tensor that lies as its parameter does."""
    shape = self._weights.shape(self._path(rule.targets[0]))[len(rule.place) :]
    if rule.layout == 'transposed':
      return shape[-1], int(np.prod(shape[:-1]))
    assert rule.layout == 'same', rule.source
    return shape

  def _path(self, target: str) -> Path:
    return (*self._tower, *target.split('/'))
