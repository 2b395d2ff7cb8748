# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo prepare: data of any format into TFRecord shards."""

import argparse
from collections.abc import Sequence
import dataclasses
import importlib
import os
import shlex
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.errors import UserError

# Format -> (what it is, how its input is called, its own flags, examples behind
# `flamingo prepare FORMAT`).
_FORMATS = {
    'jsonl': ('JSONL files of parts, and the files they name', 'FILE.jsonl',
              ('text',), ('pairs.jsonl --out=data/pairs/train',)),
    'webdataset': ('tar files with pictures and captions', 'TAR',
                   ('text_key',),
                   ('cc12m/*.tar --out=data/cc12m/train',)),
    'img2dataset': ('the output of img2dataset', 'DIR', ('text_key',),
                    ('laion/ --out=data/align/train',)),
    'obelics': ('OBELICS, with images that img2dataset fetched', 'PARQUET',
                ('images', 'list_urls'),
                ('obelics/*.parquet --list_urls=urls.txt',
                 'obelics/*.parquet --images=fetched --out=data/obelics/train')),
    'mmc4': ('Multimodal C4, with images that img2dataset fetched', 'JSONL',
             ('images', 'list_urls'),
             ('mmc4/*.jsonl --images=fetched --out=data/mmc4/train',)),
    'llava': ("conversations in LLaVA's JSON", 'JSON', ('images',),
              ('chats.json --images=coco --out=data/llava/train',)),
    'video': ('videos with captions, in folders or tar files', 'DIR',
              ('captions', 'text_key'),
              ('clips/ --captions=clips.csv --out=data/vtp/train',)),
    'tfds': ('a dataset of TensorFlow Datasets', 'BUILDER',
             ('split', 'data_dir', 'image_key', 'text_key'),
             ('coco_captions --data_dir=tfds --out=data/coco/train',)),
    'html': ('web pages: folders, WARC files, JSONL', 'PAGES',
             ('images', 'list_urls', 'filters', 'language', 'scorer'),
             ('crawl/*.warc.gz --list_urls=urls.txt',
              'crawl/*.warc.gz --images=fetched --out=data/m3w/train')),
}
_FLAGS = {
    'text': dict(action='store_true', help='the documents have text only, for '
                 'language models'),
    'text_key': dict(metavar='NAME', help='the field that holds the text'),
    'image_key': dict(metavar='NAME', help='the field that holds the image'),
    'images': dict(metavar='DIR', help='the folder with the images'),
    'list_urls': dict(metavar='FILE', help='only write the URLs of the images, '
                      'for a downloader'),
    'captions': dict(metavar='FILE', help='CSV or JSONL with columns path and '
                     'caption'),
    'split': dict(metavar='NAME', help='the split to read (default: train)'),
    'data_dir': dict(metavar='DIR', help='where TensorFlow Datasets prepared '
                     'the dataset'),
    'filters': dict(metavar='NAME', help='which pages to drop: by the rules of '
                    'm3w (the default) or obelics'),
    'language': dict(metavar='CODE', help="keep pages in this language "
                     "(default: en; '' keeps all)"),
    'scorer': dict(metavar='MODULE:FUNCTION>=N', action='append', help='keep '
                   'only pages to whose text your function gives at least N; '
                   'may be repeated'),
}
_FETCHED = ('obelics', 'mmc4', 'html')  # whose images are found by URL


def add_prepare(commands: Any) -> None:
  """A format for each subcommand of `flamingo prepare`, and its flags."""
  parser = add_command(commands, 'prepare', run_prepare,
                       'turn a data set into TFRecord shards',
                       *_examples('img2dataset'))
  formats = parser.add_subparsers(dest='format', required=True)
  for name, (summary, metavar, flags, _) in _FORMATS.items():
    parser = add_command(formats, name, run_prepare, summary, *_examples(name))
    parser.add_argument('paths', metavar=metavar, nargs='+',
                        help='what to read')
    parser.add_argument('--out', metavar='DIR',
                        help='a new folder, such as data/m3w/train')
    parser.add_argument('--shards', type=int, metavar='N',
                        help='number of files (default: one per 10,000 '
                        'documents)')
    parser.add_argument('--workers', type=int, default=os.cpu_count(),
                        metavar='K', help='processes to use (default: one per '
                        'CPU)')
    parser.add_argument('--engine', choices=('processes', 'beam'),
                        default='processes', help='processes on this machine '
                        '(the default), or Apache Beam on several that share '
                        'the same paths; both write the same shards')
    parser.add_argument('--beam_options', metavar='OPTIONS', help='options for '
                        'Beam, in one argument, such as '
                        '"--runner=FlinkRunner --flink_master=HOST:PORT" '
                        '(default: this machine alone)')
    parser.add_argument('--image_size', type=int, default=320, metavar='PIXELS',
                        help='image size in training (default: 320); larger '
                        'pictures and videos are shrunk to 1.15 times this, 0 '
                        'keeps them as they are')
    parser.add_argument('--exclude_images', metavar='DIR',
                        help="images to leave out, such as a benchmark's")
    parser.add_argument('--image_scorer', metavar='MODULE:FUNCTION>=N',
                        action='append', default=[], help='keep only images '
                        'to which your function gives at least N; may be '
                        'repeated')
    parser.add_argument('--deduplicate', action=argparse.BooleanOptionalAction,
                        default=name == 'html',
                        help='remove pages, images and lines that were seen '
                        'before')
    for flag in flags:
      parser.add_argument(f'--{flag}', **_FLAGS[flag])


def _examples(name: str) -> list[str]:
  return [f'flamingo prepare {name} {rest}' for rest in _FORMATS[name][-1]]


def run_prepare(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Writes documents, with their pictures and videos, into shards for training.

  Whatever cannot be used is counted and reported at the end. If stopped, the
  same command resumes.
  """
  source = _source(options)
  if getattr(options, 'list_urls', None):
    from flamingo_jax.prepare import url_list

    count, drops = url_list.write(source, options.list_urls)
    print(f'{options.list_urls}: {count:,} URLs')
    _print_left_out('items', drops)
    return
  if not options.out:
    raise UserError('--out is missing; name a new folder, such as --out=data')
  from flamingo_jax.data import buckets

  if buckets.is_address(options.out):
    raise UserError(
        f'--out={options.out} is in a bucket; name a folder of this machine and '
        'copy it there when it is done'
    )
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()
  from flamingo_jax.prepare import engine

  made = engine.prepare(
      source, options.out, shards=options.shards, workers=options.workers,
      image_size=options.image_size, exclude=options.exclude_images,
      image_scorers=tuple(options.image_scorer),
      deduplicate=options.deduplicate, engine=_engine(options),
  )
  size = sum(shard['bytes'] for shard in made['shards'])
  print(f'{options.out}: {made["documents"]:,} documents with '
        f'{made["images"]:,} images, {made["videos"]:,} videos and '
        f'{made["features"]:,} features in '
        f'{len(made["shards"]):,} shards, {size:,} bytes')
  for what, noun in (('drops', 'items'), ('losses', 'media')):
    _print_left_out(noun, made[what])


def _print_left_out(noun: str, tally: dict[str, Any]) -> None:
  for reason, entry in sorted(tally.items()):
    print(f'  {noun} left out {entry["count"]:>9,}  {reason}'
          f' (first: {entry["first"]})')


def _source(options: argparse.Namespace) -> Any:
  """The source that the flags describe."""
  kind = _class(options.format)
  names = {field.name for field in dataclasses.fields(kind)}
  given = {
      name: value for name, value in vars(options).items()
      if name in names and value is not None
  }
  given['paths'] = tuple(options.paths)
  if getattr(options, 'scorer', None):
    given['scorers'] = tuple(options.scorer)
  if options.format in _FETCHED:
    if 'images' in given:
      from flamingo_jax.prepare.fetched import FetchedImages

      given['images'] = FetchedImages(os.path.abspath(given['images']))
    elif options.format != 'html' and not options.list_urls:
      raise UserError(
          f'{options.format} holds URLs of images; fetch those that '
          '--list_urls=FILE writes with img2dataset, and pass --images=DIR'
      )
  return kind(**given)


def _engine(options: argparse.Namespace) -> Any:
  """What does the work; None for processes of this machine."""
  if options.engine != 'beam':
    if options.beam_options is not None:
      raise UserError('--beam_options is for --engine=beam; add that too')
    return None
  try:
    from flamingo_jax.prepare import beam
  except ModuleNotFoundError as error:
    raise UserError(
        f'--engine=beam needs {error.name}, which is not installed; run pip '
        "install -e '.[beam]' in an environment of its own"
    ) from None
  return beam.Beam(tuple(shlex.split(options.beam_options or '')))


def _class(name: str) -> Any:
  """Of a format; its libraries are imported now."""
  module = 'web_pages' if name == 'html' else name
  found = importlib.import_module(f'flamingo_jax.prepare.sources.{module}')
  return getattr(found, name.capitalize())
