# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the configs of all models are: nested dataclasses that JSON can hold."""

from collections.abc import Iterator
import dataclasses
import typing
from typing import Any, ClassVar

from flamingo_jax.errors import UserError

# What only ablations have, here or in an earlier version, and its value in the
# model.json of any other model.
_OF_ABLATIONS = {
    'ablation': '',
    'decoder.xattn': 'dense',
    'decoder.gated': True,
    'decoder.sees_earlier': False,
    'resampler.kind': 'perceiver',
}


@dataclasses.dataclass(frozen=True)
class Architecture:
  """The config of a model, which is stored beside its weights.

  A field that is added later has a default with which a model computes what it
  did before, so that what was stored until then stays readable.
  """

  MODEL: ClassVar[str]  # what it is of, with its article

  def to_dict(self) -> dict[str, Any]:
    """As nested dicts of numbers and strings, for JSON."""
    return dataclasses.asdict(self)

  @classmethod
  def from_dict(
      cls, values: dict[str, Any], where: str = 'the architecture'
  ) -> 'Architecture':
    """The inverse of `to_dict`, of this version or an earlier one.

    A field that is missing has its default; `where` begins the sentence of an
    error.

    Raises:
      UserError: another kind of model's, or a later version's: names the fields
        that are not known, or are missing without a default.
    """
    problems = list(_problems(cls, values, ''))
    if problems:
      raise UserError(
          f'{where} is not that of {cls.MODEL}: {"; ".join(problems)}; give the '
          f'MODEL_DIR of {cls.MODEL}, or use the version of flamingo_jax that '
          'wrote it'
      )
    return _build(cls, values)


def _problems(cls: type, values: Any, prefix: str) -> Iterator[str]:
  """What keeps `values` from being fields of a config, one at a time."""
  if not isinstance(values, dict):
    yield f'{prefix.removesuffix(".") or "it"} is {values!r}, no fields'
    return
  fields = {field.name: field for field in dataclasses.fields(cls)}
  for name in sorted(values.keys() - fields.keys()):
    path = f'{prefix}{name}'
    if path not in _OF_ABLATIONS:
      yield f'{path} is not known to this version'
    elif values[name] != _OF_ABLATIONS[path]:
      yield f'{path} is {values[name]!r}, as in an ablation'
  for name, field in fields.items():
    if name in values:
      if inner := _config_class(field.type, values[name]):
        yield from _problems(inner, values[name], f'{prefix}{name}.')
    elif field.default is dataclasses.MISSING:
      yield f'{prefix}{name} is missing'


def _config_class(kind: Any, value: Any) -> type | None:
  """What a field's value is the fields of; None where it is plain.

  A field of `str | Config | Other` is any of them; which one, the fields without
  defaults tell.
  """
  kinds = typing.get_args(kind) or (kind,)
  configs = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
  if not configs or str in kinds and isinstance(value, str):
    return None
  required = lambda config: {
      field.name for field in dataclasses.fields(config)
      if field.default is dataclasses.MISSING
  }
  fits = lambda config: isinstance(value, dict) and required(config) <= {*value}
  return next(filter(fits, configs), configs[0])


def _build(cls: type, values: dict[str, Any]) -> Any:
  found = {}
  for field in dataclasses.fields(cls):
    if field.name not in values:
      continue
    value = values[field.name]
    if inner := _config_class(field.type, value):
      value = _build(inner, value)
    found[field.name] = tuple(value) if isinstance(value, list) else value
  return cls(**found)
