# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint of another maker's Flamingo and two towers to a whole model."""

import collections
import json
import math
import os
import pathlib
from typing import Any

from flax import traverse_util
import numpy as np

from flamingo_jax.convert import inverse
from flamingo_jax.convert import open_flamingo
from flamingo_jax.convert import rules
from flamingo_jax.convert import source_record
from flamingo_jax.convert.conversion import check_is_new, drafted
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.open_flamingo_layout import Layout
from flamingo_jax.data.tokenizers_model import TOKENIZER
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig, LanguageModelConfig
from flamingo_jax.models.vision import has_size
from flamingo_jax.run_dir.checkpoint import Checkpoints, save_frozen
from flamingo_jax.run_dir.model_json import (
    stored_config,
    stored_vocabulary,
    write_model_json,
)
from flamingo_jax.run_dir.towers import stored_encoder
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.train_step import TrainState
from flamingo_jax.training.trainable import is_trainable

_Flat = dict[rules.Path, Any]


def convert(
    source: str | os.PathLike,
    language_model: str | os.PathLike,
    vision_encoder: str | os.PathLike,
    out: str | os.PathLike,
    head_size: int = open_flamingo.HEAD_SIZE,
) -> str:
  """Writes the Flamingo that an OpenFlamingo checkpoint is, with its towers.

  It reads as the MODEL_DIR of a run does, its conventions of texts included.

  Args:
    source: a file of torch.save or safetensors, or a folder of such.
    language_model: a tower; its words are the checkpoint's where these differ.
    vision_encoder: a tower.
    out: a folder that is not there yet.
    head_size: of the heads of blocks and resampler, which no file tells.

  Returns:
    A report, which stands in its report.txt too.

  Raises:
    UserError: something of it is missing, damaged or not known here, or the
      model cannot be written.
  """
  out = pathlib.Path(out).absolute()
  check_is_new(out)
  tensors = open_flamingo.open_tensors(source)
  words = stored_vocabulary(language_model)
  stored = stored_config(language_model)
  tower = LanguageModelConfig(stored.decoder, stored.dtype)
  encoder = stored_encoder(os.fspath(vision_encoder))
  if encoder is None or not has_size(encoder.vision):
    raise UserError(f'{vision_encoder} is not a vision encoder that flamingo '
                    'convert wrote')
  mapping = open_flamingo.mapping(
      tensors, tower, words.entries, encoder, head_size
  )
  added = _added(mapping, tensors)
  frozen, differing = _frozen(
      mapping.config, tensors, language_model, vision_encoder
  )
  with drafted(out) as draft:
    _write(draft, mapping.config, words, added, frozen)
    source_record.write(
        draft, open_flamingo.KIND, None, tensors,
        _lost(mapping.config, tensors, added | frozen),
    )
    report = _report(mapping, tensors, added, differing, source)
    (draft / 'report.txt').write_text(f'{report}\n', encoding='utf-8')
  return report


def _added(mapping: rules.Mapping, tensors: Tensors) -> _Flat:
  """All that is trained, in float32."""
  found = {
      path: np.zeros(leaf.shape, np.float32)
      for path, leaf in rules.abstract_tower(mapping.config).items()
  }
  for path, place, values in rules.pieces(mapping, tensors):
    found[path][place] = values
  return found


def _lost(
    config: FlamingoConfig, tensors: Tensors, params: _Flat
) -> list[str]:
  """Names of tensors that the parameters do not tell to the bit."""
  found = []
  for rule in Layout.of(config, tensors).mapping.rules():
    found += inverse.lost(
        rule, [tensors.read(name) for name in rule.sources],
        [np.asarray(params[tuple(x.split('/'))][rule.place])
         for x in rule.targets],
    )
  return found


def _frozen(
    config: FlamingoConfig, tensors: Tensors,
    language_model: str | os.PathLike, vision_encoder: str | os.PathLike,
) -> tuple[_Flat, int]:
  """The towers, and how many words of the checkpoint are not the tower's."""
  decoder = traverse_util.flatten_dict(
      load_params(language_model)[0]['decoder']
  )
  decoder = {k: x for k, x in decoder.items() if not is_trainable(k)}
  decoder = _grouped(decoder, config)
  vocab, differing = config.decoder.vocab, 0
  tables = {('token_embedder',): open_flamingo.find_table(tensors)}
  head = open_flamingo.find_head(tensors)
  if head and not config.decoder.tied:
    tables['token_unembedder',] = head
  for path, name in tables.items():
    theirs, mine = tensors.read(name)[:vocab], decoder[path][:vocab]
    if theirs.shape != mine.shape:
      raise UserError(
          f'{name} has shape {list(theirs.shape)} and the table of the language '
          f'model {list(mine.shape)}; they do not belong together'
      )
    is_same = np.all(theirs.astype(mine.dtype) == mine, axis=1) | np.all(
        mine.astype(theirs.dtype) == theirs, axis=1
    )
    differing += int(np.sum(~is_same))
    decoder[path] = np.where(is_same[:, None], mine, theirs.astype(mine.dtype))
  if ('token_unembedder',) in decoder:
    decoder['token_unembedder',] = decoder['token_unembedder',][:vocab]
  vision = traverse_util.flatten_dict(
      load_params(vision_encoder)[0]['vision_encoder']
  )
  return {
      **{('decoder', *path): x for path, x in decoder.items()},
      **{('vision_encoder', *path): x for path, x in vision.items()},
  }, differing


def _grouped(decoder: _Flat, config: FlamingoConfig) -> _Flat:
  """A language model with its layers in the stacks of a Flamingo."""
  dimensions = {'head': 1, 'groups': 2, 'tail': 1}
  moved, layers = {}, collections.defaultdict(dict)
  for path, x in decoder.items():
    if path[0] in dimensions:
      flat = x.reshape(-1, *x.shape[dimensions[path[0]] :])
      layers[path[1:]][path[0]] = flat
    else:
      moved[path] = x
  for name, stacks in layers.items():
    parts = [stacks[stack] for stack in dimensions if stack in stacks]
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    start = 0
    for stack, shape in config.decoder.stacks.items():
      end = start + math.prod(shape)
      moved[stack, *name] = whole[start:end].reshape(*shape, *whole.shape[1:])
      start = end
  return moved


def _write(
    draft: pathlib.Path, config: FlamingoConfig, words: Vocabulary,
    added: _Flat, frozen: _Flat,
) -> None:
  file = draft / 'vocabulary.model'
  told = _json(words)
  told |= {
      'rows': config.decoder.vocab,
      'added': open_flamingo.ADDED[config.decoder.added],
  }
  file.write_text(json.dumps(told, ensure_ascii=False), encoding='utf-8')
  write_model_json(draft, config, Vocabulary(file), max_media=0, frames=1)
  state = TrainState(
      step=np.array(0, np.int32), params=traverse_util.unflatten_dict(added),
      opt_state=None,
  )
  checkpoints = Checkpoints(draft)
  checkpoints.save(0, state, {}, None)
  checkpoints.close()
  save_frozen(draft, traverse_util.unflatten_dict(frozen))


def _json(words: Vocabulary) -> dict[str, Any]:
  """A vocabulary's file, of an object that has the tokenizer in it."""
  data = pathlib.Path(words.path).read_bytes()
  if not data.startswith(b'{'):
    raise UserError(
        f'{words.path} is a SentencePiece model; entries are added to those of '
        'tokenizer.json, as in what flamingo convert writes'
    )
  told = json.loads(data)
  return told if TOKENIZER in told else {TOKENIZER: told}


def _report(
    mapping: rules.Mapping, tensors: Tensors, added: _Flat, differing: int,
    source: str | os.PathLike,
) -> str:
  """What has been read, in words."""
  config = mapping.config
  blocks = sum(x.size for path, x in added.items() if 'xattn' in path)
  resampler = sum(x.size for path, x in added.items() if path[0] == 'resampler')
  rows = sum(x.size for path, x in added.items() if path[-1].startswith('new_'))
  lines = [
      f'OpenFlamingo: {blocks + resampler + rows:,} parameters beside its towers',
      f'  {"resampler":<20} {resampler:>15,}', f'  {"blocks":<20} {blocks:>15,}',
      f'  {"added rows":<20} {rows:>15,}',
      'blocks before every ' + (
          f'{config.decoder.xattn_every}. layer, from the '
          f'{config.decoder.first + 1}.'
      ) + f', {config.decoder.block.heads} heads of '
      f'{config.decoder.block.head_size}; the resampler has '
      f'{config.resampler.heads}',
      f'{config.decoder.vocab:,} words, and added '
      + ', '.join(open_flamingo.ADDED[config.decoder.added]),
  ]
  if differing:
    lines.append(
        f'warning: {differing:,} words of the checkpoint are not those of the '
        'language model, and are taken; is it the one that it was trained around?'
    )
  if not config.decoder.tied and open_flamingo.find_head(tensors) is None:
    lines.append('the checkpoint does not say how likely the added entries are: '
                 'all have the logit 0, until they are trained')
  left_out = collections.Counter(
      mapping.left_out_part(name) for name in sorted(tensors.unused())
  )
  if left_out:
    lines.append(
        'left out, as the towers are taken, or as copies, tensors named '
        + ', '.join(f'{part.strip("^")} ({n})' for part, n in left_out.items())
    )
  return '\n'.join([*lines, f'from {source}'])
