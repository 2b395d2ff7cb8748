# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo export`: from a run to the files that others read."""

from collections.abc import Callable
import dataclasses
import math
import os
import pathlib
import tempfile

import numpy as np

from flamingo_jax import progress
from flamingo_jax.convert import expressible
from flamingo_jax.convert import families
from flamingo_jax.convert import idefics_files
from flamingo_jax.convert import open_flamingo
from flamingo_jax.convert import plain
from flamingo_jax.convert import source_record
from flamingo_jax.convert.conversion import check_is_new, drafted
from flamingo_jax.convert.open_flamingo_layout import Layout
from flamingo_jax.convert.outgoing import Outgoing
from flamingo_jax.convert.peft_files import FILE, LowRankTensors
from flamingo_jax.convert.rules import Mapping
from flamingo_jax.convert.safetensors_files import SafetensorsFiles
from flamingo_jax.convert.source_record import Outline, SourceRecord
from flamingo_jax.convert.stored_weights import StoredWeights
from flamingo_jax.convert.torch_writing import TorchFile
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.run_dir.model_json import stored_config, stored_vocabulary
from flamingo_jax.run_dir.towers import stored_encoder


# Kinds of sources that go out as they came by a format of their own.
_WITH_A_FORMAT = ('idefics', open_flamingo.KIND)


@dataclasses.dataclass(frozen=True)
class _Export:
  """What is written."""

  what: str  # in words
  tensors: Outgoing | plain.PlainTensors | LowRankTensors
  # What no such file needs, in words; '' where all is in it.
  not_needed: str = ''
  file: str = 'model.safetensors'


def export(
    model_dir: str | os.PathLike, out: str | os.PathLike, form: str,
    step: AnyNumber = None, base: str | os.PathLike | None = None,
) -> str:
  """Writes a model as others read it; the folder is there when all of it is.

  Args:
    model_dir: of a run, or of what flamingo convert has made.
    out: a folder that is not there yet.
    form: a key of FORMATS.
    step: of a checkpoint; None: the newest; 'best': as of fj.load.
    base: of 'peft', what flamingo convert has made of the public model that the
      low-rank updates are for.

  Returns:
    What has been written; the folder's report.txt names every tensor too.

  Raises:
    UserError: there is no such model, it is damaged, the format cannot hold it,
      or the folder cannot be written.
  """
  out = pathlib.Path(out).absolute()
  check_is_new(out)
  weights = StoredWeights(model_dir, step)
  # What is kept is of what was converted, before anything was trained.
  record = None
  if base is not None:
    record = source_record.find(pathlib.Path(base))
  elif weights.step == 0:
    record = source_record.find(pathlib.Path(weights.folder))
  if form in ('idefics', 'safetensors') and any(
      weights.dtype(path) == np.int8 for path in weights
  ):
    raise UserError(
        f'{weights.folder} has maps of 8 bits (frozen_dtype is int8), which '
        f'--format={form} does not hold: export the towers that it was trained '
        'around, or with low-rank updates what flamingo convert --merge_lora '
        'makes of it'
    )
  with drafted(out) as draft:
    with expressible.refusing(weights.folder, form):
      if form in ('openflamingo', 'idefics'):
        expressible.check_is_merged(_flamingo(weights))
      made = FORMATS[form](weights, record, draft)
    tensors = made.tensors.tensors
    if made.file.endswith('.pt'):
      files = TorchFile(draft / made.file, tensors)
    else:
      files = SafetensorsFiles(draft, tensors, made.file)
    with progress.stage('exporting', len(tensors), 'tensors') as stage:
      written = set()
      for name, values in made.tensors:
        files.write(name, values)
        written.add(name)
        stage.reach(len(written), len(tensors))
      files.finish()
    lines = _report(made, record, weights)
    (draft / 'report.txt').write_text(
        '\n'.join([*lines, *_table(made, record)]) + '\n', encoding='utf-8'
    )
  return '\n'.join(lines)


def _report(
    made: _Export, record: SourceRecord | None, weights: StoredWeights
) -> list[str]:
  tensors = made.tensors.tensors
  count = sum(math.prod(shape) for _, shape in tensors.values())
  lines = [f'{made.what}: {len(tensors)} tensors of {count:,} values']
  if made.not_needed:
    lines.append(f'not in it: {made.not_needed}')
  left_out = _left_out(made, record)
  if left_out:
    lines.append(
        f'not in the model: {len(left_out)} tensors that were left out when it '
        'was converted'
    )
  return [*lines, f'from step {weights.step} of {weights.folder}']


def _table(made: _Export, record: SourceRecord | None) -> list[str]:
  """A line for each tensor."""
  lines = [
      f'  {name} {dtype} {list(shape)}: {made.tensors.made_of[name]}'
      for name, (dtype, shape) in made.tensors.tensors.items()
  ]
  return lines + [
      f'  {name} {kind} {list(shape)}: left out when it was converted'
      for name, (kind, shape) in _left_out(made, record).items()
  ]


def _left_out(
    made: _Export, record: SourceRecord | None
) -> dict[str, tuple[str, tuple[int, ...]]]:
  """Tensors of the source that are not written."""
  if record is None or not isinstance(made.tensors, Outgoing):
    return {}
  return {
      name: told for name, told in record.tensors.items()
      if name not in made.tensors.tensors
  }


def _safetensors(
    weights: StoredWeights, record: SourceRecord | None, draft: pathlib.Path
) -> _Export:
  """As the hub had it, or, of a run, by the paths of parameters."""
  if record is None or record.kind in _WITH_A_FORMAT:
    plain.copy_files(weights.folder, draft)
    return _Export('safetensors by the names of parameters, with model.json',
                   plain.PlainTensors(weights))
  mapping = _of_record(weights, record, draft)
  return _Export(f'a folder of the hub, {record.kind}',
                 Outgoing(mapping, weights, record, {}))


def _of_record(
    weights: StoredWeights, record: SourceRecord, draft: pathlib.Path
) -> Mapping:
  """How a model was made, whose files of then are copied."""
  record.copy_files(draft)
  mapping = families.find_mapping(
      draft, *families.read_config(draft), record.outline
  )
  is_encoder = record.kind not in (families.LANGUAGE_MODELS | families.FLAMINGOS)
  read = stored_encoder if is_encoder else stored_config
  expressible.check_same(read(os.fspath(weights.folder)), mapping.config)
  return mapping


def _flamingo(weights: StoredWeights) -> FlamingoConfig:
  config = stored_config(weights.folder)
  if not isinstance(config, FlamingoConfig):
    raise UserError(f'it is {config.MODEL} alone')
  return config


def _idefics(
    weights: StoredWeights, record: SourceRecord | None, draft: pathlib.Path
) -> _Export:
  config = _flamingo(weights)
  if record is not None and record.kind == 'idefics':
    tensors = Outgoing(_of_record(weights, record, draft), weights, record, {})
  else:
    record = None
    words = stored_vocabulary(weights.folder)
    expressible.check_words(words, 'idefics', 'IDEFICS')
    vision = expressible.vit_of(config)
    config = dataclasses.replace(config, vision=vision)
    idefics_files.write(draft, config, words)
    table = 'model.embed_tokens.weight', (
        config.decoder.vocab, config.decoder.width
    )
    mapping = families.find_mapping(
        draft, *families.read_config(draft),
        Outline({table[0]: ('F32', table[1])}, draft),
    )
    expressible.check_same(config, mapping.config)
    tensors = Outgoing(mapping, weights, None, idefics_files.shapes(config))
  return _Export(
      'an IDEFICS, as transformers reads it', tensors,
      'model.vision_model.post_layernorm, of which nothing that text sees is '
      'computed, so transformers makes it itself' if record is None else '',
  )


def _open_flamingo(
    weights: StoredWeights, record: SourceRecord | None, draft: pathlib.Path
) -> _Export:
  del draft
  config = _flamingo(weights)
  is_known = record is not None and record.kind == open_flamingo.KIND
  record = record if is_known else None
  expressible.check_words(
      stored_vocabulary(weights.folder), 'open_flamingo', 'OpenFlamingo'
  )
  layout = Layout.of(config, record and record.outline)
  expressible.check_same(config, layout.config)
  return _Export(
      f'a checkpoint.pt of OpenFlamingo with {layout.arguments}',
      Outgoing(layout.mapping, weights, record, layout.shapes),
      'the towers, which the maker has from files of their own',
      'checkpoint.pt',
  )


def _peft(
    weights: StoredWeights, record: SourceRecord | None, draft: pathlib.Path
) -> _Export:
  config = _flamingo(weights)
  if not config.lora.rank:
    raise UserError('it has no low-rank updates')
  if record is None or record.kind == open_flamingo.KIND:
    raise UserError('updates are of a public model: give --base, what flamingo '
                    'convert made from it')
  with tempfile.TemporaryDirectory() as folder:
    files = pathlib.Path(folder)
    record.copy_files(files)
    mapping = families.find_mapping(
        files, *families.read_config(files), record.outline
    )
  tensors = LowRankTensors(mapping, weights, record, config)
  tensors.write_config(draft)
  return _Export(
      f'low-rank updates of a {record.kind}, as PEFT reads them', tensors,
      ', '.join(sorted({'/'.join(path) for path in tensors.left})), FILE,
  )


FORMATS: dict[str, Callable[..., _Export]] = {
    'openflamingo': _open_flamingo, 'idefics': _idefics,
    'peft': _peft, 'safetensors': _safetensors,
}
