# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Says in one sentence how two models differ."""

from typing import Any

from flax import traverse_util

from flamingo_jax.errors import UserError
from flamingo_jax.typing import Tree

_SHOWN = 5


def _flat(tree: Any) -> dict[str, Any]:
  return traverse_util.flatten_dict(tree, sep='/', keep_empty_nodes=True)


def _join(differences: list[str]) -> str:
  more = len(differences) - _SHOWN
  return '; '.join(differences[:_SHOWN]) + (
      f'; and {more} more' if more > 0 else ''
  )


def check_same_tree(expected: Tree, found: Tree, where: str) -> None:
  """Compares names and shapes of parameters, strictly.

  Args:
    expected: the model's tree; leaves have a shape.
    found: the checkpoint's tree.
    where: what `found` is, to begin the sentence.

  Raises:
    UserError: names the parameters that are missing, unknown or of another
      shape.
  """
  expected, found = _flat(expected), _flat(found)
  differences = []
  for name in sorted(expected.keys() | found.keys()):
    if name not in found:
      differences.append(f'{name} is missing')
    elif name not in expected:
      differences.append(f'{name} is not in the model')
    elif tuple(expected[name].shape) != tuple(found[name].shape):
      differences.append(
          f'{name} has shape {tuple(found[name].shape)} where the model has '
          f'{tuple(expected[name].shape)}'
      )
  if differences:
    raise UserError(f'{where} is of another architecture: {_join(differences)}')


# How a model is computed, which is no part of what its weights are for.
_COMPUTATION = ('decoder/remat', 'decoder/unroll')


def check_same_values(expected: Tree, found: Tree, where: str) -> None:
  """Compares two architectures, as nested dicts of numbers and strings.

  Raises:
    UserError: names the entries that differ, with both values.
  """
  expected, found = _flat(expected), _flat(found)
  differences = [
      f'{name} is {found.get(name)!r} there and {expected.get(name)!r} in this '
      'run'
      for name in sorted(expected.keys() | found.keys())
      if found.get(name) != expected.get(name) and name not in _COMPUTATION
  ]
  if differences:
    raise UserError(
        f'{where} is of another architecture: {_join(differences)}; use '
        'another MODEL_DIR or the configuration it was made with'
    )
