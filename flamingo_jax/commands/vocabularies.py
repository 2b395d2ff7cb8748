# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo vocabulary train: text to ids, learnt from your own texts."""

import argparse
from collections.abc import Sequence
import itertools
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.errors import UserError


def add_vocabulary(commands: Any) -> None:
  """The flags of `flamingo vocabulary train`."""
  parser = commands.add_parser(
      'vocabulary', help='train a vocabulary on your own texts',
      allow_abbrev=False)
  actions = parser.add_subparsers(dest='action', required=True)
  train = add_command(actions, 'train', run_train, 'train one on texts',
                      'flamingo vocabulary train data/m3w/train texts.jsonl '
                      '--out=own.model')
  train.add_argument('paths', metavar='PATH', nargs='+',
                     help='JSONL files, and folders that flamingo prepare '
                     'wrote')
  train.add_argument('--out', metavar='FILE.model', required=True,
                     help='the file to write')
  train.add_argument('--size', type=int, default=32_000, metavar='N',
                     help='number of pieces, including the 256 bytes (default: '
                     '32000)')


def run_train(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Trains a SentencePiece model that keeps any text intact, spaces included.

  It holds all texts in memory, so give it only a part of a large data set. The
  same texts give the same file. Name the file as VOCABULARY in gin files, and
  as --vocabulary for other commands. <EOC> is not in the file: its id is the
  one after the last.
  """
  from flamingo_jax.data import vocabulary
  from flamingo_jax.prepare import texts

  found = texts.texts(options.paths)
  first = list(itertools.islice(found, 1))
  if not first:
    raise UserError(
        f'{", ".join(options.paths)}: no text is in it; name data with texts'
    )
  trained = vocabulary.train_vocabulary(
      itertools.chain(first, found), options.out, options.size
  )
  print(f'{trained.path}: {trained.size} entries with <EOC>')
