# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a folder of the hub to a tower that runs are built on."""

from collections.abc import Callable, Iterator
import collections
import contextlib
from concurrent import futures
import dataclasses
import hashlib
import os
import pathlib
import shutil
from typing import Any
import zlib

from etils import epath
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp

from flamingo_jax.convert import families
from flamingo_jax.convert import hub
from flamingo_jax.convert import rules
from flamingo_jax.convert import tokenizer
from flamingo_jax.convert import tower
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.data import storage
from flamingo_jax.data.owner import owned
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import (
    FlamingoConfig,
    LanguageModelConfig,
    VisionEncoderConfig,
)
from flamingo_jax.run_dir.model_json import write_model_json
from flamingo_jax.run_dir.quiet import told_once
from flamingo_jax.run_dir.steps import checkpoint_folder
from flamingo_jax.training.trainable import is_trainable

_STRIP = 16  # columns
_AT_ONCE = min(os.cpu_count() or 1, 8)  # tensors
_UNDER_WAY = 2**28  # bytes of tensors that wait their turn to be written


@dataclasses.dataclass(frozen=True)
class Report:
  """What has been read."""

  source: str  # where it was read
  kind: str  # model_type
  shape: str  # what it reads, in words
  # Parameters of each part of the tower: 'token_embedder', 'attn', ...
  parameters: dict[str, int]
  left_out: dict[str, int]  # how many tensors have such a name
  fingerprint: str  # of all values as they are stored, with their places

  def __str__(self) -> str:
    """A table."""
    lines = [f'{self.kind}: {sum(self.parameters.values()):,} parameters, '
             f'{self.shape}']
    lines += [
        f'  {name:<20} {count:>15,}' for name, count in self.parameters.items()
    ]
    if self.left_out:
      lines.append('left out, as no part of the tower, tensors named ' + ', '.join(
          f'{part.strip("^")} ({count})' for part, count in self.left_out.items()
      ))
    lines += [f'from {self.source}', f'fingerprint {self.fingerprint}']
    return '\n'.join(lines)


def convert(source: str | os.PathLike, out: str | os.PathLike) -> Report:
  """Writes the tower, or whole Flamingo, that a folder of the hub holds.

  It is there when all of it is, and reads as the MODEL_DIR of a run does. What
  has been read stands in its report.txt too.

  Args:
    source: a folder with config.json, safetensors, and tokenizer.json or, of a
      vision encoder, preprocessor_config.json; or its name on the hub,
      'owner/model' or 'owner/model@revision'.
    out: a folder that is not there yet.

  Raises:
    UserError: something of it is missing, damaged or not known here, or the
      tower cannot be written.
  """
  out = pathlib.Path(out).absolute()
  check_is_new(out)
  folder, told = hub.find_folder(source)
  kind, config = families.read_config(folder)
  tensors = families.open_tensors(folder, kind)
  mapping = families.find_mapping(folder, kind, config, tensors)
  words = None
  if isinstance(mapping.config, LanguageModelConfig):
    words = tokenizer.vocabulary_bytes(folder, mapping.config.decoder.vocab)
  elif mapping.conventions:
    decoder = mapping.config.decoder
    words = tokenizer.vocabulary_bytes(
        folder, decoder.vocab, decoder.added, mapping.conventions
    )
  rules.check_tensors(mapping, tensors)  # before there is work to throw away
  with drafted(out) as draft:
    report = _write(told, kind, mapping, tensors, words, draft)
    (draft / 'report.txt').write_text(f'{report}\n', encoding='utf-8')
  return report


def check_is_new(out: pathlib.Path) -> None:
  """Raises UserError if something is there already."""
  if out.exists():
    raise UserError(f'{out} exists already; remove it or name another folder')


@contextlib.contextmanager
def drafted(out: pathlib.Path) -> Iterator[pathlib.Path]:
  """A folder to write in, which becomes `out` when the block ends well.

  Raises:
    UserError: another process writes it, or it cannot be written.
  """
  draft = out.with_name(out.name + '.tmp')
  with owned(out.parent, f'.{out.name}.lock'), told_once():
    shutil.rmtree(draft, ignore_errors=True)
    try:
      with storage.writing(out):
        draft.mkdir()
        yield draft
        os.replace(draft, out)
    finally:
      shutil.rmtree(draft, ignore_errors=True)


def _write(
    source: str, kind: str, mapping: rules.Mapping, tensors: Tensors,
    words: bytes | None, draft: pathlib.Path,
) -> Report:
  vocabulary = None
  if words is not None:
    (draft / 'vocabulary.model').write_bytes(words)
    vocabulary = Vocabulary(draft / 'vocabulary.model')
  write_model_json(draft, mapping.config, vocabulary, max_media=0, frames=1)
  parameters, digest = collections.Counter(), hashlib.sha256()
  parts = rules.tower_of(mapping.config)
  is_stacked = lambda path: path[: len(parts.stack)] == parts.stack
  axes = {
      tuple(target.split('/')): len(rule.place)
      for rule in mapping.rules() for target in rule.targets
  }
  is_whole = bool(mapping.conventions)
  is_kept = lambda path: not is_whole or is_trainable(path)
  leaves = {
      path: (leaf.shape, np.dtype(np.float32) if is_whole and is_kept(path)
             else _stored_dtype(path, mapping.config.dtype), axes.get(path, 0))
      for path, leaf in rules.abstract_tower(mapping.config, is_whole).items()
  }

  def write(
      folder: epath.Path, prefix: rules.Path,
      of: Callable[[rules.Path], bool], **beside: Any,
  ) -> None:
    wanted = {path: leaf for path, leaf in leaves.items() if of(path)}
    tower.write_tree(folder, prefix, wanted, counted(of), **beside)

  def counted(of: Callable[[rules.Path], bool]) -> Iterator[rules.Piece]:
    found = _as_stored(rules.pieces(mapping, tensors, of), leaves)
    for path, place, (values, checksum) in found:
      name = _part(path) if is_whole else path[
          len(parts.stack) * is_stacked(path)
      ]
      parameters[name] += values.size
      digest.update(
          f'{path} {place} {values.shape} {values.dtype} {checksum}\n'.encode()
      )
      yield path, place, values

  write(epath.Path(checkpoint_folder(draft, 0)) / 'state',
        ('params', *filter(None, [parts.name])), is_kept,
        step=np.array(0, np.int32))
  if is_whole:  # as runs keep them
    write(epath.Path(draft) / 'frozen', (), lambda path: not is_kept(path))
    with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as checkpointer:
      checkpointer.save(
          epath.Path(checkpoint_folder(draft, 0)) / 'progress',
          ocp.args.JsonSave({}),
      )
  left_out = collections.Counter(
      mapping.left_out_part(name) for name in sorted(tensors.unused())
  )
  return Report(
      source, kind, _shape(mapping.config), dict(parameters), dict(left_out),
      digest.hexdigest()[:16],
  )


def _part(path: rules.Path) -> str:
  """Of a whole Flamingo, what a parameter is counted as."""
  if 'xattn' in path:
    return 'blocks'
  if path[-1].startswith('new_'):
    return 'added rows'
  return 'language model' if path[0] == 'decoder' else path[0].replace('_', ' ')


def _shape(config: rules.Config) -> str:
  if isinstance(config, FlamingoConfig):
    towers = (LanguageModelConfig(config.decoder),
              VisionEncoderConfig(config.vision, config.image_size))
    return (f'blocks before every {config.decoder.xattn_every}. layer; '
            + '; '.join(map(_shape, towers)))
  if isinstance(config, LanguageModelConfig):
    decoder = config.decoder
    return f'{decoder.vocab:,} rows, context {decoder.context:,}'
  size = config.image_size
  side = config.vision.side(size)
  token = getattr(config.vision, 'gives_class_token', False)
  return (f'{side} x {side} features {"and a class token " * token}of width '
          f'{config.vision.features:,} of pictures of {size} x {size} pixels, '
          f'{config.vision.squaring}')


def _as_stored(
    pieces: Iterator[rules.Piece], leaves: tower.Leaves
) -> Iterator[tuple[rules.Path, tuple[int, ...], tuple[np.ndarray, int]]]:
  """Pieces as they are stored and their checksums, several made at once."""
  waiting, size = collections.deque(), 0
  with futures.ThreadPoolExecutor(_AT_ONCE) as pool:

    def first():
      path, place, made = waiting.popleft()
      return path, place, made.result()

    for path, place, values in pieces:
      while waiting and (
          len(waiting) > _AT_ONCE or size + values.nbytes > _UNDER_WAY
      ):
        found = first()
        size -= found[2][0].nbytes
        yield found
      dtype = leaves[path][1]
      size += values.size * dtype.itemsize
      waiting.append((path, place, pool.submit(_stored, values, dtype)))
    while waiting:
      yield first()


def _stored(values: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
  """A piece as it is stored, and its CRC-32.

  A transposed matrix is copied in strips narrower than a line of the processor's
  cache, which takes a twentieth of the time of NumPy's order, and as integers,
  as NumPy is slow with types that are not its own.
  """
  is_transposed = values.ndim > 1 and (
      abs(values.strides[0]) < abs(values.strides[-1])
  )
  if is_transposed:
    stored = np.empty(values.shape, dtype)
    source, target = (
        x.reshape(-1, values.shape[-1]) for x in (values, stored)
    )
    if values.dtype == dtype:
      source, target = (x.view(f'u{dtype.itemsize}') for x in (source, target))
    for begin in range(0, source.shape[1], _STRIP):
      strip = slice(begin, begin + _STRIP)
      target[:, strip] = source[:, strip]
  else:
    stored = np.asarray(values, dtype, order='C')
  return stored, zlib.crc32(stored.reshape(-1).view(np.uint8))


def _stored_dtype(path: rules.Path, dtype: str) -> np.dtype:
  """Scales in float32: the 1 of Gemma's 1 + w would cost w its bits."""
  if dtype == 'bfloat16' and path[-1] not in ('scale', 'gain'):
    return np.dtype(ml_dtypes.bfloat16)
  return np.dtype(np.float32)
