# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes world in every format, read back: the same documents."""

import numpy as np
import pytest

from flamingo_jax.data import media
from flamingo_jax.tasks import shapes
from tests import command_examples
from tests.pictures import encode
from tests.prepare import exporters

COUNT = 6


def draw(task, function):
  found = shapes.ShapesDocuments(task, 'train', function)
  return [found[i].parts for i in range(COUNT)]


@pytest.fixture(scope='module')
def pairs():
  return [
      (encode(image.data), text)
      for image, text in draw('shapes_pairs', shapes.draw_pair)
  ]


@pytest.fixture(scope='module')
def pages():
  """Documents whose texts and pictures alternate, captions last."""
  found = []
  for i, parts in enumerate(draw('shapes_m3w', shapes.draw_document)):
    images = [part for part in parts if isinstance(part, media.Media)]
    texts = [part for part in parts if isinstance(part, str)][-len(images):]
    found.append([exporters.PROSE.format(i)])
    for image, text in zip(images, texts):
      # As pages are read.
      found[-1] += [encode(image.data), text.strip()]
  return found


@pytest.fixture
def read(prepare):
  """The documents that an example of `flamingo prepare` makes."""

  def run(name, replaced, *flags, number=0):
    command = command_examples.arguments(f'prepare {name}', number, replaced)
    return prepare(*command[1:], *flags, '--image_size=64').parts

  return run


def assert_same(found, expected):
  """Same texts, same pixels; texts without an image between are joined."""
  assert len(found) == len(expected)
  for ours, parts in zip(found, expected):
    assert len(ours) == len(parts)
    for part, wanted in zip(ours, parts):
      if isinstance(wanted, str):
        assert part == wanted
      else:
        np.testing.assert_array_equal(
            media.decode_image(part.data, 'ours'),
            media.decode_image(wanted, 'wanted'))


@pytest.mark.parametrize('name, path, export', [
    ('webdataset', 'cc12m/*.tar', exporters.webdataset),
    ('img2dataset', 'laion/', exporters.img2dataset_tar),
    ('img2dataset', 'laion/', exporters.img2dataset_parquet),
    ('img2dataset', 'laion/', exporters.img2dataset_tfrecord),
])
def test_pairs(tmp_path, read, pairs, name, path, export):
  export(pairs, tmp_path / 'in')
  assert_same(read(name, {path: tmp_path / 'in'}), pairs)


def test_tfds(tmp_path, read, pairs):
  import tensorflow_datasets as tfds

  exporters.tfds(tmp_path / 'in', {
      'image': tfds.features.Image(shape=(64, 64, 3)),
      'said': tfds.features.Text(),
  }, [{'image': media.decode_image(image, 'x'), 'said': text}
      for image, text in pairs])
  found = read('tfds', {'coco_captions': 'drawn', '=tfds': f'={tmp_path}/in'})
  by_text = {text: image for image, text in pairs}  # it shuffles at storing
  assert_same(found, [(by_text[text], text) for _, text in found])
  assert {text for _, text in found} == set(by_text)


@pytest.mark.parametrize('kind', ['captions', 'classes'])
def test_each_text_of_an_image_of_tfds_is_a_document(
    tmp_path, prepare, pairs, kind
):
  import tensorflow_datasets as tfds

  images = [media.decode_image(image, 'x') for image, _ in pairs[:3]]
  if kind == 'captions':  # as in coco_captions
    feature = tfds.features.Sequence({'text': tfds.features.Text()})
    values = [{'text': ['a', 'b']}, {'text': ['c']}, {'text': []}]
  else:
    feature = tfds.features.Sequence(tfds.features.ClassLabel(names='abc'))
    values = [[0, 1], [2], []]
  exporters.tfds(
      tmp_path / 'in',
      {'image': tfds.features.Image(shape=(64, 64, 3)), 'said': feature},
      [{'image': i, 'said': v} for i, v in zip(images, values)],
  )
  run = prepare('tfds', 'drawn', f'--data_dir={tmp_path / "in"}')
  found = run.parts
  by_text = {text: image for image, text in found}
  assert len(found) == 3 and set(by_text) == {'a', 'b', 'c'}
  for text, number in (('a', 0), ('b', 0), ('c', 1)):
    np.testing.assert_array_equal(
        media.decode_image(by_text[text].data, 'x'), images[number]
    )
  assert run.drops == {'no caption': 1}


def test_llava(tmp_path, read, pairs):
  exporters.llava(pairs, tmp_path / 'in')
  found = read('llava', {
      'chats.json': tmp_path / 'in' / 'chat.json', '=coco': f'={tmp_path}/in'
  })
  question = 'Question: What is this? "Say" {it}]\nAnswer: '
  assert_same(found, [(image, question + text) for image, text in pairs])


@pytest.mark.parametrize('name, number, paths, export, path', [
    ('jsonl', 0, 'pairs.jsonl', exporters.jsonl, 'own.jsonl'),
    ('obelics', 1, 'obelics/*.parquet', exporters.obelics, '0.parquet'),
    ('mmc4', 0, 'mmc4/*.jsonl', exporters.mmc4, '0.jsonl'),
    ('html', 1, 'crawl/*.warc.gz', exporters.html_folder, ''),
    ('html', 1, 'crawl/*.warc.gz', exporters.html_warc, 'crawl.warc'),
    ('html', 1, 'crawl/*.warc.gz', exporters.html_jsonl, 'pages.jsonl'),
])
def test_pages(
    tmp_path, prepare, read, pages, name, number, paths, export, path
):
  export(pages, tmp_path / 'in')
  named = {paths: tmp_path / 'in' / path}
  fetched = tmp_path / 'in' / 'fetched'
  if fetched.exists():
    urls = tmp_path / 'urls.txt'
    if name in ('obelics', 'html'):
      listing = command_examples.arguments(
          f'prepare {name}', 0, named | {'urls.txt': urls}
      )
      assert prepare(*listing[1:], out=None).said.startswith(str(urls))
    named['=fetched'] = f'={fetched}'
  elif name == 'html':  # whose pages name files beside them
    named['--images=fetched'] = '--workers=0'
  # Shapes have few words: the same line stands on several pages.
  flags = ['--no-deduplicate'] if name == 'html' else []
  assert_same(read(name, named, *flags, number=number), pages)


@pytest.mark.parametrize('export', [
    exporters.video_folder, exporters.video_tar
])
def test_videos(tmp_path, read, export):
  drawn = draw('shapes_video', shapes.draw_video)[:2]
  export([(exporters.encode_video(clip.data), text) for clip, text in drawn],
         tmp_path / 'in')
  named = {'clips/': tmp_path / 'in'}
  if export is exporters.video_folder:
    named['=clips.csv'] = f'={tmp_path}/in/captions.csv'
  else:  # whose captions lie beside the videos
    named['--captions=clips.csv'] = '--workers=0'
  found = read('video', named)
  for (clip, text), (wanted, said) in zip(found, drawn, strict=True):
    assert text == said
    frames, mask = media.load_frames(clip, 8, 64, None)
    assert mask.all()
    np.testing.assert_array_equal(frames, wanted.data)
