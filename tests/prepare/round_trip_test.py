# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes world in every format, read back: the same documents."""

import io

import numpy as np
import PIL.Image
import pytest

from flamingo_jax import cli
from flamingo_jax.data import media
from flamingo_jax.data import records
from flamingo_jax.tasks import shapes
from tests.prepare import exporters

COUNT = 6


def png(medium):
  buffer = io.BytesIO()
  PIL.Image.fromarray(medium.data).save(buffer, 'PNG')
  return buffer.getvalue()


def draw(task, function):
  found = shapes.ShapesDocuments(task, 'train', function)
  return [found[i].parts for i in range(COUNT)]


@pytest.fixture(scope='module')
def pairs():
  return [
      (png(image), text)
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
      found[-1] += [png(image), text.strip()]  # as pages are read
  return found


def read(out, *arguments):
  """The documents that `flamingo prepare` makes."""
  assert cli.main([
      'prepare', *map(str, arguments), f'--out={out}', '--workers=0',
      '--image_size=64'
  ]) == 0
  found = records.RecordDocuments(out)
  return [found[i].parts for i in range(len(found))]


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


@pytest.mark.parametrize('name, export', [
    ('webdataset', exporters.webdataset),
    ('img2dataset', exporters.img2dataset_tar),
    ('img2dataset', exporters.img2dataset_parquet),
    ('img2dataset', exporters.img2dataset_tfrecord),
])
def test_pairs(tmp_path, pairs, name, export):
  export(pairs, tmp_path / 'in')
  assert_same(read(tmp_path / 'out', name, tmp_path / 'in'), pairs)


def test_tfds(tmp_path, pairs):
  import tensorflow as tf
  import tensorflow_datasets as tfds

  pixels = [media.decode_image(image, 'x') for image, _ in pairs]
  tfds.dataset_builders.store_as_tfds_dataset(
      name='drawn', version='1.0.0', data_dir=tmp_path / 'in',
      features=tfds.features.FeaturesDict({
          'image': tfds.features.Image(shape=(64, 64, 3)),
          'said': tfds.features.Text(),
      }),
      split_datasets={'train': tf.data.Dataset.from_tensor_slices({
          'image': pixels, 'said': [text for _, text in pairs]})},
  )
  arguments = ('tfds', 'drawn', f'--data_dir={tmp_path / "in"}')
  found = read(tmp_path / 'out', *arguments)
  by_text = {text: image for image, text in pairs}  # it shuffles at storing
  assert_same(found, [(by_text[text], text) for _, text in found])
  assert {text for _, text in found} == set(by_text)


@pytest.mark.parametrize('kind', ['captions', 'classes'])
def test_each_text_of_an_image_of_tfds_is_a_document(tmp_path, pairs, kind):
  import tensorflow_datasets as tfds

  images = [media.decode_image(image, 'x') for image, _ in pairs[:3]]
  if kind == 'captions':  # as in coco_captions
    feature = tfds.features.Sequence({'text': tfds.features.Text()})
    values = [{'text': ['a', 'b']}, {'text': ['c']}, {'text': []}]
  else:
    feature = tfds.features.Sequence(tfds.features.ClassLabel(names='abc'))
    values = [[0, 1], [2], []]
  tfds.dataset_builders.store_as_tfds_dataset(
      name='many', version='1.0.0', data_dir=tmp_path / 'in',
      features=tfds.features.FeaturesDict({
          'image': tfds.features.Image(shape=(64, 64, 3)), 'said': feature,
      }),
      split_datasets={'train': [
          (i, {'image': images[i], 'said': values[i]}) for i in range(3)
      ]},
  )
  arguments = ('tfds', 'many', f'--data_dir={tmp_path / "in"}')
  found = read(tmp_path / 'out', *arguments)
  by_text = {text: image for image, text in found}
  assert len(found) == 3 and set(by_text) == {'a', 'b', 'c'}
  for text, number in (('a', 0), ('b', 0), ('c', 1)):
    np.testing.assert_array_equal(
        media.decode_image(by_text[text].data, 'x'), images[number]
    )
  manifest = records.read_manifest(tmp_path / 'out')
  assert manifest['drops']['no caption']['count'] == 1


def test_llava(tmp_path, pairs):
  exporters.llava(pairs, tmp_path / 'in')
  found = read(tmp_path / 'out', 'llava', tmp_path / 'in' / 'chat.json')
  question = 'Question: What is this? "Say" {it}]\nAnswer: '
  assert_same(found, [(image, question + text) for image, text in pairs])


def test_jsonl(tmp_path, pages):
  exporters.jsonl(pages, tmp_path / 'in')
  found = read(tmp_path / 'out', 'jsonl', tmp_path / 'in' / 'own.jsonl')
  assert_same(found, pages)


@pytest.mark.parametrize('name, export, path', [
    ('obelics', exporters.obelics, '0.parquet'),
    ('mmc4', exporters.mmc4, '0.jsonl'),
    # Shapes have few words: the same line stands on several pages.
    ('html --no-deduplicate', exporters.html_warc, 'crawl.warc'),
    ('html --no-deduplicate', exporters.html_jsonl, 'pages.jsonl'),
])
def test_pages_with_fetched_images(tmp_path, pages, name, export, path):
  export(pages, tmp_path / 'in')
  found = read(tmp_path / 'out', *name.split(), tmp_path / 'in' / path,
               f'--images={tmp_path / "in" / "fetched"}')
  assert_same(found, pages)


def test_pages_of_a_folder(tmp_path, pages):
  exporters.html_folder(pages, tmp_path / 'in')
  found = read(
      tmp_path / 'out', 'html', tmp_path / 'in', '--no-deduplicate')
  assert_same(found, pages)


@pytest.mark.parametrize('export, flags', [
    (exporters.video_folder, ['--captions={}/captions.csv']),
    (exporters.video_tar, []),
])
def test_videos(tmp_path, export, flags):
  drawn = draw('shapes_video', shapes.draw_video)[:2]
  export([(exporters.encode_video(clip.data), text) for clip, text in drawn],
         tmp_path / 'in')
  found = read(tmp_path / 'out', 'video', tmp_path / 'in',
               *[flag.format(tmp_path / 'in') for flag in flags])
  for (clip, text), (wanted, said) in zip(found, drawn, strict=True):
    assert text == said
    frames, mask = media.load_frames(clip, 8, 64, None)
    assert mask.all()
    np.testing.assert_array_equal(frames, wanted.data)
