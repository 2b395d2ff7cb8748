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
)


def add_convert(commands: Any) -> None:
  """The flags of `flamingo convert`."""
  parser = add_command(commands, 'convert', run_convert,
                       'make a tower or a model of public weights', *_EXAMPLES)
  parser.add_argument('folder', metavar='FOLDER',
                      help='with config.json, safetensors and tokenizer.json or '
                           'preprocessor_config.json; or its name on the hub, '
                           'owner/model[@revision]; an IDEFICS has all of these; '
                           'or a checkpoint of OpenFlamingo, a file or a folder')
  parser.add_argument('--out', metavar='TOWER', required=True,
                      help='a new folder')
  parser.add_argument('--language_model', metavar='TOWER',
                      help='that the OpenFlamingo was trained around')
  parser.add_argument('--vision_encoder', metavar='TOWER',
                      help='likewise')
  parser.add_argument('--head_size', type=int, metavar='N',
                      help='of the blocks and the resampler of an OpenFlamingo; '
                           "default: 64, the maker's")


def run_convert(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Reads public weights and writes a tower, or a whole model.

  Runs take language models as LANGUAGE_MODEL, and `fj.load` as models of text
  alone; they take vision encoders (CLIP, SigLIP, DINOv2) as VISION_ENCODER. What
  is not known of a model's config.json or tensors is an error, and nothing is
  written.

  An IDEFICS becomes a whole model, which `fj.load` reads, and so does, with both
  towers, the checkpoint of an OpenFlamingo, or of what was built with its code.
  """
  from flamingo_jax.convert import conversion
  from flamingo_jax.convert import whole

  towers = options.language_model, options.vision_encoder
  if any(towers):
    if not all(towers):
      raise UserError('an OpenFlamingo has two towers: give --language_model and '
                      '--vision_encoder')
    sizes = {} if options.head_size is None else {'head_size': options.head_size}
    print(whole.convert(options.folder, *towers, options.out, **sizes))
    print(options.out)
    return
  if options.head_size is not None:
    raise UserError('--head_size is of an OpenFlamingo: give its towers too')
  print(conversion.convert(options.folder, options.out))
  print(options.out)


def add_export(commands: Any) -> None:
  """The flags of `flamingo export`."""
  parser = add_command(commands, 'export', run_export,
                       'write a model as others read it',
                       'flamingo export runs/idefics --format=idefics '
                       '--out=idefics')
  parser.add_argument('model_dir', metavar='DIR',
                      help='of a run, or what flamingo convert has made')
  parser.add_argument('--out', metavar='FOLDER', required=True,
                      help='a new folder')
  parser.add_argument('--format', required=True,
                      choices=('openflamingo', 'idefics', 'safetensors'))
  add_step(parser)


def run_export(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Writes a model in the format of other makers.

  openflamingo is a checkpoint.pt of what OpenFlamingo adds to its towers, idefics
  a folder that transformers reads. safetensors takes any model: a converted tower
  or Llama 3.2 Vision is again the folder that it was, to the bit; all else has a
  tensor for each parameter, and `flamingo convert` makes a run of it again. A model that a
  format cannot hold is an error, and nothing is written. FOLDER/report.txt names
  every tensor.
  """
  from flamingo_jax.convert import exporting

  print(exporting.export(
      options.model_dir, options.out, options.format, options.step
  ))
  print(options.out)
