# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a folder of the hub to a tower that runs are built on."""

from collections.abc import Callable, Iterator, Sequence
import collections
import contextlib
from concurrent import futures
import dataclasses
import functools
import hashlib
import math
import os
import pathlib
import shutil

from etils import epath
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp

from flamingo_jax import progress
from flamingo_jax.convert import families
from flamingo_jax.convert import hub
from flamingo_jax.convert import inverse
from flamingo_jax.convert import plain
from flamingo_jax.convert import rules
from flamingo_jax.convert import source_record
from flamingo_jax.convert import tokenizer
from flamingo_jax.convert import tower
from flamingo_jax.convert.chunk_file import Matrix
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
from flamingo_jax.models.tiled_vit import TiledViTConfig
from flamingo_jax.run_dir.model_json import write_model_json
from flamingo_jax.run_dir.quiet import told_once
from flamingo_jax.run_dir.steps import checkpoint_folder
from flamingo_jax.training.trainable import is_trainable

# Rules; twice the cores, as each waits for the disk by turns.
_AT_ONCE = min(2 * (os.cpu_count() or 1), 8)
_UNDER_WAY = 2**29  # bytes that are held, unless a single rule needs more
# Of a parameter's path, what writes it.
_WriterOf = Callable[[rules.Path], tower.Writer]


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


def convert(
    source: str | os.PathLike, out: str | os.PathLike
) -> Report | str:
  """Writes the tower, or whole Flamingo, that a folder of the hub holds.

  It is there when all of it is, and reads as the MODEL_DIR of a run does. What
  has been read stands in its report.txt too.

  Args:
    source: a folder with config.json, safetensors, and tokenizer.json or, of a
      vision encoder, preprocessor_config.json; or one of `flamingo export
      --format=safetensors`; or its name on the hub, 'owner/model' or
      'owner/model@revision'.
    out: a folder that is not there yet.

  Raises:
    UserError: something of it is missing, damaged or not known here, or the
      tower cannot be written.
  """
  out = pathlib.Path(out).absolute()
  check_is_new(out)
  folder, told = hub.find_folder(source)
  if plain.is_plain(folder):
    with drafted(out) as draft:
      report = plain.convert(folder, told, draft)
      (draft / 'report.txt').write_text(f'{report}\n', encoding='utf-8')
    return report
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
  with drafted(out) as draft:
    report, lost = _write(told, kind, mapping, tensors, words, draft)
    if kind != 'haiku':  # of which nothing reads another file than theirs
      source_record.write(draft, kind, folder, tensors, lost)
    (draft / 'report.txt').write_text(f'{report}\n', encoding='utf-8')
  return report


def check_is_new(out: pathlib.Path) -> None:
  """Raises UserError if something is there already."""
  if out.exists():
    raise UserError(f'{out} already exists; remove it or name another folder')


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
) -> tuple[Report, list[str]]:
  """The report, and names of tensors of which bits are lost."""
  vocabulary = None
  if words is not None:
    (draft / 'vocabulary.model').write_bytes(words)
    vocabulary = Vocabulary(draft / 'vocabulary.model')
  write_model_json(draft, mapping.config, vocabulary, max_media=0, frames=1)
  parameters, digest = collections.Counter(), hashlib.sha256()
  parts = rules.tower_of(mapping.config)
  is_stacked = lambda path: path[: len(parts.stack)] == parts.stack
  axes = {
      _path(target): len(rule.place)
      for rule in mapping.rules() for target in rule.targets
  }
  is_whole = bool(mapping.conventions)
  is_kept = lambda path: not is_whole or is_trainable(path)
  leaves = {
      path: (leaf.shape, np.dtype(np.float32) if is_whole and is_kept(path)
             else _stored_dtype(path, mapping.config.dtype), axes.get(path, 0))
      for path, leaf in rules.abstract_tower(mapping.config, is_whole).items()
  }
  rules.check_all_are_known(mapping, tensors)
  step = epath.Path(checkpoint_folder(draft, 0))
  open_writer = lambda folder, prefix, of, **beside: tower.Writer(
      folder, prefix, {k: x for k, x in leaves.items() if of(k)}, **beside
  )
  writers = [open_writer(
      step / 'state', ('params', *filter(None, [parts.name])), is_kept,
      step=np.array(0, np.int32),
  )]
  if is_whole:  # as runs keep them
    writers.append(open_writer(
        epath.Path(draft) / 'frozen', (), lambda path: not is_kept(path)
    ))
  writer_of = lambda path: writers[0 if is_kept(path) else 1]
  lost = []
  for path, place, shape, checksum in _written(
      mapping, tensors, writer_of, lost
  ):
    name = _part(path) if is_whole else path[
        len(parts.stack) * is_stacked(path)
    ]
    parameters[name] += math.prod(shape)
    dtype = leaves[path][1]
    digest.update(f'{path} {place} {shape} {dtype} {checksum}\n'.encode())
  for writer in writers:
    writer.finish()
  if is_whole:
    with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as checkpointer:
      checkpointer.save(step / 'progress', ocp.args.JsonSave({}))
  left_out = collections.Counter(
      mapping.left_out_part(name) for name in sorted(tensors.unused())
  )
  return Report(
      source, kind, _shape(mapping.config), dict(parameters), dict(left_out),
      digest.hexdigest()[:16],
  ), lost


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
  if isinstance(config.vision, TiledViTConfig):
    return (f'{config.vision.tokens:,} features of width '
            f'{config.vision.features:,} of each tile of {size} x {size} pixels, '
            f'{config.vision.squaring}')
  side = config.vision.side(size)
  token = getattr(config.vision, 'gives_class_token', False)
  return (f'{side} x {side} features {"and a class token " * token}of width '
          f'{config.vision.features:,} of pictures of {size} x {size} pixels, '
          f'{config.vision.squaring}')


def _written(
    mapping: rules.Mapping, tensors: Tensors, writer_of: _WriterOf,
    lost: list[str],
) -> Iterator[tuple[rules.Path, tuple[int, ...], tuple[int, ...], int]]:
  """Writes all pieces, several at once; gives their places, shapes, checksums.

  Names of tensors that what is written does not tell to the bit go to `lost`.
  """

  def write(rule: rules.Rule):
    is_streamed = _is_streamed(rule, tensors, writer_of)
    sources = [
        (tensors.outline if is_streamed else tensors.read)(name)
        for name in rule.sources
    ]
    made = rules.make(rule, mapping, dict(zip(rule.sources, sources)).get)
    lost.extend(_lost(rule, sources, [
        (values, writer_of(path).dtype(path)) for path, _, values in made
    ]))
    written = []
    for path, place, values in made:
      stored = values if not is_streamed else Matrix(
          tensors.shape(rule.source),
          functools.partial(tensors.blocks, rule.source),
          rule.layout == 'transposed',
      )
      checksum = writer_of(path).write(path, place, stored)
      written.append((path, place, values.shape, checksum))
    return written

  waiting, held = collections.deque(), 0
  pool = futures.ThreadPoolExecutor(_AT_ONCE)
  try:
    for rule in progress.each(mapping.rules(), 'converting', 'tensors'):
      size = _memory(rule, tensors, writer_of)
      while waiting and (
          len(waiting) > 2 * _AT_ONCE or held + size > _UNDER_WAY
      ):
        ended, released = waiting.popleft()
        yield from ended.result()
        held -= released
      waiting.append((pool.submit(write, rule), size))
      held += size
    for ended, _ in waiting:
      yield from ended.result()
  finally:
    pool.shutdown(cancel_futures=True)


def _lost(
    rule: rules.Rule, tensors: Sequence[np.ndarray],
    made: Sequence[tuple[np.ndarray, np.dtype]],
) -> Sequence[str]:
  """Names of tensors that arrays, stored as these dtypes, don't tell."""
  dtypes = {dtype for _, dtype in made}
  if all(np.can_cast(x.dtype, dtype) for x in tensors for dtype in dtypes):
    if inverse.is_exact(rule, [x.shape for x in tensors]):
      return ()
  elif rule.layout is not None:  # its values may not be in memory
    return rule.sources
  return inverse.lost(
      rule, tensors, [values.astype(dtype) for values, dtype in made]
  )


def _is_streamed(
    rule: rules.Rule, tensors: Tensors, writer_of: _WriterOf
) -> bool:
  """Whether values go to the disk without all of them being in memory."""
  first = _path(rule.targets[0])
  return (
      rule.layout is not None and len(tensors.shape(rule.source)) == 2
      and not writer_of(first).gathers(first)
  )


def _memory(
    rule: rules.Rule, tensors: Tensors, writer_of: _WriterOf
) -> int:
  """Bytes that are held while a rule's targets are written, but for blocks."""
  if not _is_streamed(rule, tensors, writer_of):  # what is read, what is made of it
    return 2 * sum(tensors.size(name) for name in rule.sources)
  if rule.layout == 'same':
    return 0
  first = _path(rule.targets[0])
  return writer_of(first).piece_bytes(first)


def _path(target: str) -> rules.Path:
  return tuple(target.split('/'))


def _stored_dtype(path: rules.Path, dtype: str) -> np.dtype:
  """Scales in float32: the 1 of Gemma's 1 + w would cost w its bits."""
  if dtype == 'bfloat16' and path[-1] not in ('scale', 'gain'):
    return np.dtype(ml_dtypes.bfloat16)
  return np.dtype(np.float32)
