# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo convert and export: public weights in, and out again."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.commands.prompting import add_step
from flamingo_jax.errors import UserError

_EXAMPLES = (
    'flamingo convert HuggingFaceTB/SmolLM2-135M --out=towers/smollm2',
    'flamingo convert checkpoint.pt --language_model=towers/mpt \\\n'
    '      --vision_encoder=towers/clip --out=runs/open_flamingo',
    'flamingo convert runs/lora --merge_lora --out=runs/merged',
)


def add_convert(commands: Any) -> None:
  """The flags of `flamingo convert`."""
  parser = add_command(commands, 'convert', run_convert,
                       'turn public weights into a tower or a model',
                       *_EXAMPLES)
  parser.add_argument('folder', metavar='FOLDER',
                      help='a folder with config.json, safetensors, and '
                           'tokenizer.json or preprocessor_config.json (or '
                           'both); or a name on the Hugging Face hub, '
                           'owner/model[@revision]; or a checkpoint of '
                           'OpenFlamingo, a file or a folder')
  parser.add_argument('--out', metavar='TOWER', required=True,
                      help='a new folder')
  parser.add_argument('--language_model', metavar='TOWER',
                      help='for an OpenFlamingo: the converted language model '
                           'that it was trained around')
  parser.add_argument('--vision_encoder', metavar='TOWER',
                      help='for an OpenFlamingo: its converted vision encoder')
  parser.add_argument('--head_size', type=int, metavar='N',
                      help='for an OpenFlamingo: size of attention heads in '
                           'its blocks and resampler (default: 64, the '
                           "maker's)")
  parser.add_argument('--merge_lora', action='store_true',
                      help='FOLDER is a run with low-rank updates: merge them '
                           'into its weights')
  add_step(parser)


def run_convert(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Converts public weights into a tower or a whole model.

  A converted language model is a run's LANGUAGE_MODEL, and `fj.load` reads it
  as a model of text alone. A converted vision encoder (CLIP, SigLIP, DINOv2) is
  a run's VISION_ENCODER. Anything unknown in a model's config.json or tensors
  is an error, and then nothing is written.

  IDEFICS and Llama 3.2 Vision become whole models, which `fj.load` reads. So
  does a checkpoint of OpenFlamingo, or of a model built with its code, if you
  name both of its towers.

  With --merge_lora, the low-rank updates of a run become part of its weights.
  The result is as fast as a model without updates, and can be exported.
  """
  from flamingo_jax.convert import conversion
  from flamingo_jax.convert import merging
  from flamingo_jax.convert import whole

  _check_convert(options)
  if options.merge_lora:
    print(merging.merge(options.folder, options.out, options.step))
    print(options.out)
    return
  towers = options.language_model, options.vision_encoder
  if any(towers):
    sizes = {} if options.head_size is None else {'head_size': options.head_size}
    print(whole.convert(options.folder, *towers, options.out, **sizes))
    print(options.out)
    return
  print(conversion.convert(options.folder, options.out))
  print(options.out)


def _check_convert(options: argparse.Namespace) -> None:
  """Raises UserError of flags that do not go together."""
  towers = options.language_model, options.vision_encoder
  is_flamingo = any(towers) or options.head_size is not None
  if options.merge_lora and is_flamingo:
    raise UserError('--merge_lora is for a run, which has its towers: leave out '
                    '--language_model, --vision_encoder and --head_size')
  if any(towers) and not all(towers):
    raise UserError('an OpenFlamingo has two towers: give --language_model and '
                    '--vision_encoder')
  if is_flamingo and not any(towers):
    raise UserError('--head_size is for an OpenFlamingo: give its towers too')
  if options.step is not None and not options.merge_lora:
    raise UserError('--step is a checkpoint of a run: give --merge_lora too')


def add_export(commands: Any) -> None:
  """The flags of `flamingo export`."""
  parser = add_command(commands, 'export', run_export,
                       'write a model in a format that others read',
                       'flamingo export runs/idefics --format=idefics '
                       '--out=idefics',
                       'flamingo export runs/lora --format=peft '
                       '--base=towers/smollm2 --out=adapter')
  parser.add_argument('model_dir', metavar='DIR',
                      help='a folder that flamingo train or convert wrote')
  parser.add_argument('--out', metavar='FOLDER', required=True,
                      help='a new folder')
  parser.add_argument('--format', required=True,
                      choices=('openflamingo', 'idefics', 'peft',
                               'safetensors'),
                      help='see above')
  parser.add_argument('--base', metavar='TOWER',
                      help='for peft: the converted public model that the '
                           'low-rank updates are for')
  add_step(parser)


def run_export(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Writes a model in a format that other programs read.

    openflamingo  a checkpoint.pt with what OpenFlamingo adds to its towers
    idefics       a folder that transformers reads
    peft          the low-rank updates of one tower, which PEFT reads
    safetensors   any model; a converted tower or Llama 3.2 Vision becomes, bit
                  for bit, the folder it came from; any other model gets one
                  tensor per parameter, which `flamingo convert` reads back

  A model that a format cannot hold is an error, and then nothing is written.
  FOLDER/report.txt names every tensor.
  """
  from flamingo_jax.convert import exporting

  if (options.format == 'peft') != (options.base is not None):
    raise UserError('--format=peft and --base=TOWER go together: updates are of '
                    'a public model, which flamingo convert made a tower of')
  print(exporting.export(
      options.model_dir, options.out, options.format, options.step, options.base
  ))
  print(options.out)
