# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a converted folder keeps of its source, for `flamingo export`.

  MODEL_DIR/source/tensors.json      names, dtypes and shapes of all tensors
                  /kept.safetensors  those whose bits the parameters do not tell
                  /config.json ...   the small files, as they were
"""

from collections.abc import Collection, Iterator, Mapping
import json
import pathlib
import shutil

import numpy as np

from flamingo_jax.convert import tokenizer
from flamingo_jax.convert.entries import Held
from flamingo_jax.convert.hub_folder import FLOATS, Tensors, read_json
from flamingo_jax.convert.safetensors_files import SafetensorsFiles

_FOLDER = 'source'
_TENSORS, _KEPT = 'tensors.json', 'kept.safetensors'
_FILES = (
    'config.json', 'open_clip_config.json', 'generation_config.json',
    'preprocessor_config.json', *tokenizer.FILES,
)


class Outline(Tensors):
  """Tensors without their values, as mappings ask for them."""

  def __init__(
      self, tensors: Mapping[str, tuple[str, tuple[int, ...]]],
      path: pathlib.Path,
  ):
    """Of (type, shape) by name, in safetensors' words; `path` is for messages."""
    self._entries = {
        name: Held(path, kind, np.broadcast_to(np.float32(0), shape))
        for name, (kind, shape) in tensors.items()
    }
    self._unused = dict.fromkeys(self._entries, path)


class SourceRecord:
  """What is kept of a source."""

  def __init__(self, folder: pathlib.Path):
    """Of a MODEL_DIR that has it."""
    self._folder = folder / _FOLDER
    told = read_json(self._folder / _TENSORS)
    self.kind: str = told['kind']
    self.tensors: dict[str, tuple[str, tuple[int, ...]]] = {
        name: (kind, tuple(shape))
        for name, (kind, shape) in told['tensors'].items()
    }
    kept = self._folder / _KEPT
    self.kept = Tensors(kept) if kept.exists() else Outline({}, kept)

  @property
  def outline(self) -> Outline:
    """All tensors."""
    return Outline(self.tensors, self._folder / _TENSORS)

  def dtype(self, name: str) -> np.dtype:
    """Of a tensor that the model was made of."""
    return FLOATS[self.tensors[name][0]]

  def copy_files(self, folder: pathlib.Path) -> None:
    """Those of config and tokenizer."""
    for file in self._files():
      shutil.copyfile(file, folder / file.name)

  def _files(self) -> Iterator[pathlib.Path]:
    for name in _FILES:
      if (self._folder / name).exists():
        yield self._folder / name


def find(model_dir: pathlib.Path) -> SourceRecord | None:
  """That of a MODEL_DIR; None of one that was trained."""
  is_there = (model_dir / _FOLDER / _TENSORS).exists()
  return SourceRecord(model_dir) if is_there else None


def write(
    model_dir: pathlib.Path, kind: str, source: pathlib.Path | None,
    tensors: Tensors, lost: Collection[str],
) -> None:
  """Makes MODEL_DIR/source.

  Args:
    model_dir: of the converted model.
    kind: of the source.
    source: its folder; None: it has no config.
    tensors: of it.
    lost: names of those that do not come back from what has been stored.
  """
  folder = model_dir / _FOLDER
  folder.mkdir()
  told = {name: (tensors.type_name(name), tensors.shape(name)) for name in tensors}
  (folder / _TENSORS).write_text(json.dumps({'kind': kind, 'tensors': told}))
  for name in _FILES if source else ():
    if (source / name).exists():
      shutil.copyfile(source / name, folder / name)
  if not lost:
    return
  files = SafetensorsFiles(folder, {
      name: (tensors.dtype(name), tensors.shape(name)) for name in sorted(lost)
  }, _KEPT)
  for name in sorted(lost):
    files.write(name, tensors.read(name))
  files.finish()
