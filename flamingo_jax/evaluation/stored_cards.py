# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Cards as files: they are read again, and compared with those of a replay."""

from collections.abc import Mapping
import dataclasses
import json
import os
from typing import Any

from flamingo_jax import opening
from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation import fewshot
from flamingo_jax.evaluation.fewshot import Settings

FORMAT = 4
_SETTINGS = {field.name for field in dataclasses.fields(Settings)}
# What of a card is read again, and with which entries.
_READ = {
    'settings': {'benchmark', 'split', 'shots'},
    'scores': set(),
    'decoding': {'batch_size'},
    'data': {'folder'},
    'model': {'model_dir'},
    'environment': set(),
    'predictions': set(),
}


def read(path: str | os.PathLike) -> dict[str, Any]:
  """A card from its file.

  Raises:
    UserError: missing, or not a card of this format.
  """
  try:
    with opening.open_file(path, 'r', encoding='utf-8') as file:
      card = json.load(file)
  except OSError as error:
    raise UserError(
        f'{path} cannot be read ({error.strerror}): give the card.json of an '
        'evaluation'
    ) from None
  except ValueError as error:
    raise UserError(f'{path} is not JSON: {error}') from None
  if isinstance(card, dict) and card.get('format') in range(1, FORMAT):
    raise UserError(
        f'{path} is a card of format {card["format"]}, of an earlier version, and '
        f'this one has format {FORMAT}: evaluate again'
    )
  if not isinstance(card, dict) or card.get('format') != FORMAT:
    raise UserError(
        f'{path} is not a card of format {FORMAT}: give the card.json of an '
        'evaluation'
    )
  for part, names in _READ.items():
    found = card.get(part)
    if not isinstance(found, dict) or not found.keys() >= names or (
        part == 'settings' and not found.keys() <= _SETTINGS
    ):
      raise UserError(
          f'{path} is damaged: {part!r} is {shown(found)} and must have '
          f'{", ".join(sorted(names)) or "entries"}; evaluate again'
      )
  return card


def check_replay(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
  """Compares a card with that of the same evaluation, done again.

  Raises:
    UserError: the prompts or the predictions differ; says what else does.
  """
  whose = list(map(fewshot.prompts_of, (old, new)))
  if whose[0] != whose[1]:
    raise UserError(
        f'the prompts of {old["benchmark"]} are those of {whose[0]} in the one '
        f'card and of {whose[1]} in the other: evaluate with the same'
    )
  if old['predictions'] == new.get('predictions'):
    return
  differ = [
      part for part in ('model', 'data', 'environment')
      if essence(old[part]) != essence(new[part])
  ]
  differ += [
      name for name, score in new['scores'].items()
      if old['scores'].get(name, {}).get('version') != score['version']
  ]
  # Products of another shape are rounded differently.
  if old['decoding']['batch_size'] != new['decoding']['batch_size']:
    differ.append('batch size')
  raise UserError(
      f'the predictions of {old["benchmark"]} are not those of the card: '
      + (f'{" and ".join(differ)} differ from it' if differ else
         'model, data and packages are the same')
  )


def other_tokenizers(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
  """Sentences on scores of two cards whose words other programs cut."""
  found = []
  for name in old['scores'].keys() & new['scores'].keys():
    one, other = (card['scores'][name].get('tokenizer') for card in (old, new))
    if one != other:
      found.append(
          f'{name} is of other words: those of {one} in the card, '
          f'{old["scores"][name]["score"]:.2f}, and of {other} here, '
          f'{new["scores"][name]["score"]:.2f}'
      )
  return found


def essence(part: Mapping[str, Any]) -> dict[str, Any]:
  """Without the names of folders, which may have moved."""
  return {k: v for k, v in part.items() if k not in ('folder', 'model_dir')}
