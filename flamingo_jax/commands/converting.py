# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo convert: public weights as towers."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command


def add_convert(commands: Any) -> None:
  """The flags of `flamingo convert`."""
  parser = add_command(commands, 'convert', run_convert,
                       'make a tower of public weights')
  parser.add_argument('folder', metavar='FOLDER',
                      help='with config.json, safetensors and tokenizer.json or '
                           'preprocessor_config.json; or its name on the hub, '
                           'owner/model[@revision]')
  parser.add_argument('--out', metavar='TOWER', required=True,
                      help='a new folder')


def run_convert(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Reads a model as the hub has it and writes a tower.

    flamingo convert SmolLM2-135M --out=towers/smollm2
    flamingo convert openai/clip-vit-base-patch32 --out=towers/clip

  Runs take language models as LANGUAGE_MODEL, and `fj.load` as models of text
  alone; they take vision encoders (CLIP, SigLIP, DINOv2) as VISION_ENCODER. What
  is not known of a model's config.json or tensors is an error, and nothing is
  written.
  """
  from flamingo_jax.convert import conversion

  print(conversion.convert(options.folder, options.out))
  print(options.out)
