# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a folder of the hub to a tower that runs are built on."""

from collections.abc import Iterator
import collections
import dataclasses
import hashlib
import os
import pathlib
import shutil

from etils import epath
import ml_dtypes
import numpy as np

from flamingo_jax.convert import language_models
from flamingo_jax.convert import rules
from flamingo_jax.convert import tokenizer
from flamingo_jax.convert import tower
from flamingo_jax.convert.hub_folder import (
    CONFIG,
    Attributes,
    Tensors,
    read_json,
)
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.model_json import write_model_json

_STRIP = 32  # columns


@dataclasses.dataclass(frozen=True)
class Report:
  """What has been read."""

  kind: str  # model_type
  # Parameters of each part of the tower: 'token_embedder', 'attn', ...
  parameters: dict[str, int]
  left_out: tuple[str, ...]  # tensors that hold nothing which is learned
  sha256: str  # of all values as they are stored, in order
  rows: int  # of the table of words
  context: int

  def __str__(self) -> str:
    """A table."""
    lines = [f'{self.kind}: {sum(self.parameters.values()):,} parameters, '
             f'{self.rows:,} rows, context {self.context:,}']
    lines += [
        f'  {name:<20} {count:>15,}' for name, count in self.parameters.items()
    ]
    if self.left_out:
      shown = ', '.join(self.left_out[:3])
      more = len(self.left_out) - 3
      lines.append(f'left out, as nothing in them is learned: {shown}'
                   + (f' and {more} more' if more > 0 else ''))
    lines.append(f'fingerprint {self.sha256[:16]}')
    return '\n'.join(lines)


def convert(folder: str | os.PathLike, out: str | os.PathLike) -> Report:
  """Writes the tower that a folder of the hub holds.

  It is there when all of it is, and reads as the MODEL_DIR of a run does.

  Args:
    folder: with config.json, safetensors and tokenizer.json.
    out: a folder that is not there yet.

  Raises:
    UserError: something of it is missing, damaged or not known here.
  """
  folder, out = pathlib.Path(folder), pathlib.Path(out).absolute()
  if not folder.is_dir():
    raise UserError(f'{folder} is no folder; name one as the hub has it')
  if out.exists():
    raise UserError(f'{out} exists already; remove it or name another folder')
  config = Attributes(read_json(folder / CONFIG), os.fspath(folder / CONFIG))
  kind = str(read_json(folder / CONFIG).get('model_type'))
  tensors = Tensors(folder)
  mapping = language_models.find_mapping(folder, config, tensors)
  words = tokenizer.vocabulary_bytes(folder, mapping.config.decoder.vocab)
  draft = out.with_name(out.name + '.tmp')
  shutil.rmtree(draft, ignore_errors=True)
  draft.mkdir(parents=True)
  try:
    report = _write(kind, mapping, tensors, words, draft)
    os.replace(draft, out)
  finally:
    shutil.rmtree(draft, ignore_errors=True)
  return report


def _write(
    kind: str, mapping: rules.Mapping, tensors: Tensors, words: bytes,
    draft: pathlib.Path,
) -> Report:
  vocabulary = draft / 'vocabulary.model'
  vocabulary.write_bytes(words)
  write_model_json(
      draft, mapping.config, Vocabulary(vocabulary), max_media=0, frames=1
  )
  parameters, digest = collections.Counter(), hashlib.sha256()
  leaves = {
      path: (leaf.shape, _stored_dtype(path, mapping.config.dtype),
             2 * (path[0] == 'groups'))
      for path, leaf in rules.abstract_decoder(mapping.config).items()
  }

  def counted() -> Iterator[rules.Piece]:
    for path, place, values in rules.pieces(mapping, tensors):
      values = _in_order(values, leaves[path][1])
      part = next(name for name in path if name not in ('groups', 'lm'))
      parameters[part] += values.size
      digest.update(values.data.cast('B') if values.dtype.kind == 'f'
                    else values.view(np.uint8).data)
      yield path, place, values

  tower.write_tree(
      epath.Path(checkpoint.checkpoint_folder(draft, 0)) / 'state',
      ('params', 'decoder'), leaves, counted(),
      step=np.array(0, np.int32),
  )
  return Report(
      kind, dict(parameters), tuple(sorted(tensors.unused())),
      digest.hexdigest(), mapping.config.decoder.vocab,
      mapping.config.decoder.context,
  )


def _in_order(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
  """The values as they are stored.

  A transposed matrix is copied in strips as wide as a line of the processor's
  cache, which takes a quarter of the time of NumPy's order.
  """
  if values.ndim < 2 or abs(values.strides[0]) >= abs(values.strides[-1]):
    return np.ascontiguousarray(values, dtype)
  width = values.shape[-1]
  stored = np.empty(values.shape, dtype)
  source, target = (x.reshape(-1, width) for x in (values, stored))
  for begin in range(0, width, _STRIP):
    strip = slice(begin, begin + _STRIP)
    target[:, strip] = source[:, strip]
  return stored


def _stored_dtype(path: rules.Path, dtype: str) -> np.dtype:
  """Norms in float32: the 1 of Gemma's 1 + w would cost w its bits."""
  if dtype == 'bfloat16' and path[-1] != 'scale':
    return np.dtype(ml_dtypes.bfloat16)
  return np.dtype(np.float32)
