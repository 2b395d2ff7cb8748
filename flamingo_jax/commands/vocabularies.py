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
      'vocabulary', help='train a vocabulary', allow_abbrev=False)
  actions = parser.add_subparsers(dest='action', required=True)
  train = add_command(actions, 'train', run_train, 'learn one from texts',
                      'flamingo vocabulary train data/m3w/train texts.jsonl '
                      '--out=own.model')
  train.add_argument('paths', metavar='PATH', nargs='+',
                     help='JSONL files, and folders that flamingo prepare has '
                     'made')
  train.add_argument('--out', metavar='FILE.model', required=True)
  train.add_argument('--size', type=int, default=32_000, metavar='N',
                     help='pieces, the 256 bytes among them')


def run_train(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Writes a SentencePiece model that any text survives, spaces and all.

  All texts are held in memory: of a large data set, name a part. The same texts
  give the same file. Gin files take it as VOCABULARY, other commands as
  --vocabulary. <EOC> is not in the file: it is one more id, after its last.
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
