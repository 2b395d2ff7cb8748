# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of whole models as the hub has them, read, converted or refused."""

from collections.abc import Callable, Iterable, Mapping
import functools
import json
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from flamingo_jax.convert import conversion
from flamingo_jax.convert import families
from flamingo_jax.convert import rules
from flamingo_jax.errors import UserError
from tests.convert.reference_weights import added_values
from tests.convert.vision_encoders_test import pictures


def shown(row: int, column: int) -> np.ndarray:
  """The picture of a prompt, as the scripts of references/ have it."""
  number = 3 * row + column
  return ((pictures(12)[0].astype(int) + 40 * number) % 256).astype(np.uint8)


def with_pictures(
    tokens: np.ndarray, index: np.ndarray, prompts: Iterable[Any]
) -> list[Any]:
  """Tokens, the picture that each sees, pictures, which there are."""
  media = np.zeros((len(tokens), 3, 1, 12, 12, 3), np.uint8)
  mask = np.zeros(media.shape[:3], bool)
  for row, prompt in enumerate(prompts):
    for column in range(prompt.count('i')):
      media[row, column, 0], mask[row, column] = shown(row, column), True
  return [jnp.asarray(x) for x in (
      tokens.astype(np.int32), index.astype(np.int32), media, mask
  )]


def recorded_tensors(told: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """The weights of a model that was recorded."""
  return {
      key: added_values(key, tuple(shape))
      for key, shape in told['tensors'].items()
  }


def write(
    folder: pathlib.Path, tensors: Mapping[str, np.ndarray], **files: Any
) -> pathlib.Path:
  """A folder of the hub with these tensors and files of JSON."""
  folder.mkdir(exist_ok=True)
  save_file(dict(tensors), folder / 'model.safetensors')
  for name, values in files.items():
    (folder / f'{name}.json').write_text(json.dumps(values))
  return folder


def converting(
    write_folder: Callable[[pathlib.Path, str], pathlib.Path]
) -> Callable[..., Any]:
  """A fixture: the folder of a converted model, by the name that is written."""

  @pytest.fixture(scope='module')
  def converted(tmp_path_factory):
    @functools.cache
    def convert(name):
      folder = tmp_path_factory.mktemp(name)
      conversion.convert(write_folder(folder / 'hub', name), folder / 'model')
      return folder / 'model'

    return convert

  return converted


def as_params(
    folder: pathlib.Path, shapes: Mapping[rules.Path, tuple[int, ...]]
) -> dict[rules.Path, np.ndarray]:
  """Tensors of a folder as those of our parameters that are asked for.

  What lies as weights do, such as gradients, converts as they do.
  """
  kind, config = families.read_config(folder)
  tensors = families.open_tensors(folder, kind)
  mapping = families.find_mapping(folder, kind, config, tensors)
  found = {path: np.zeros(shape, np.float32) for path, shape in shapes.items()}
  for path, place, values in rules.pieces(mapping, tensors):
    if path in found:
      found[path][place] = values
  return found


def refused(folder: pathlib.Path, words: str) -> None:
  """In one sentence, and nothing is written."""
  with pytest.raises(UserError, match=words):
    conversion.convert(folder, folder.parent / 'model')
  assert not (folder.parent / 'model').exists()
