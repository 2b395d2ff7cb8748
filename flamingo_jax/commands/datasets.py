# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo check and prepare: data sets before they are trained on."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.commands.prompting import load_vocabulary


def add_check(commands: Any) -> None:
  """The flags of `flamingo check`."""
  parser = add_command(commands, 'check', run_check, 'check a data set')
  parser.add_argument('path', metavar='FILE.jsonl')
  parser.add_argument('--html', metavar='OUT.html',
                      help='write a preview of 20 samples')
  parser.add_argument('--length', type=int, default=256, metavar='L',
                      help='tokens of a training example')
  parser.add_argument('--media', type=int, default=5, metavar='M',
                      help='images of a training example')
  parser.add_argument('--vocabulary', metavar='FILE.model')


def add_prepare(commands: Any) -> None:
  """A format for each subcommand of `flamingo prepare`, and its flags."""
  parser = add_command(commands, 'prepare', run_prepare_jsonl,
                       'write a data set into TFRecord shards')
  formats = parser.add_subparsers(dest='format', required=True)
  parser = add_command(formats, 'jsonl', run_prepare_jsonl,
                       'a JSONL file and all that it names')
  parser.add_argument('path', metavar='FILE.jsonl')
  parser.add_argument('--out', required=True, metavar='DIR',
                      help='a new folder, such as data/m3w/train')
  parser.add_argument('--shards', type=int, metavar='N',
                      help='number of files; one per 10,000 documents if not '
                      'given')
  parser.add_argument('--text', action='store_true',
                      help='documents are of text alone, for language models')


def run_check(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Counts a data set, lists what is wrong with it and previews 20 samples.

    flamingo check pairs.jsonl --html=preview.html

  The exit status is 1 when there are problems.
  """
  from flamingo_jax.prepare import check

  report = check.check(
      options.path, vocabulary=load_vocabulary(options.vocabulary),
      length=options.length, max_media=options.media, out_html=options.html)
  print(report)
  return 1 if report.problems else 0


def run_prepare_jsonl(
    options: argparse.Namespace, rest: Sequence[str]
) -> None:
  """Checks a JSONL file and writes its documents, media included, to shards.

    flamingo prepare jsonl pages.jsonl --out=data/m3w/train --shards=64

  The folder appears when all of it is written.
  """
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()
  from flamingo_jax.prepare import jsonl

  made = jsonl.write(options.path, options.out, options.shards,
                     media=not options.text)
  size = sum(shard['bytes'] for shard in made['shards'])
  print(f'{options.out}: {made["documents"]:,} documents with '
        f'{made["images"]:,} images and {made["videos"]:,} videos in '
        f'{len(made["shards"]):,} shards, {size:,} bytes')
