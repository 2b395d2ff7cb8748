# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Captions: Karpathy's files of COCO and Flickr30k, VATEX, YouCook2."""

from collections.abc import Iterator

from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.source import Source

# Karpathy trains on what is left of COCO's validation set, too.
_KARPATHY = {
    'train': ('train', 'restval'), 'validation': ('val',), 'test': ('test',)
}
_YOUCOOK2 = {'train': 'training', 'validation': 'validation'}


def karpathy(source: Source) -> Iterator[Sample]:
  """dataset_coco.json and dataset_flickr30k.json."""
  images = source.entries(0, 'images')
  splits = [part for parts in _KARPATHY.values() for part in parts]
  for number, image in source.fields_of(
      images, 'filename', 'split', 'sentences', key='filename'
  ):
    if image.one_of('split', splits) not in _KARPATHY[source.split]:
      continue
    folder = (
        image.text('filepath') if 'filepath' in image else 'flickr30k-images'
    )
    yield source.sample(
        number,
        source.image(f'{folder}/{image.text("filename")}'),
        {},
        [sentence.text('raw') for sentence in image.records('sentences')],
        {'image_id': image.name('cocoid' if 'cocoid' in image else 'filename')},
    )


def vatex(source: Source) -> Iterator[Sample]:
  """[{videoID, enCap: ten}]; clips are <videoID>.mp4."""
  for number, entry in source.fields_of(
      source.entries(0), 'videoID', 'enCap'
  ):
    yield source.sample(
        number, source.video(f'videos/{entry.text("videoID")}.mp4'), {},
        entry.texts('enCap'), {'id': entry.name('videoID')},
    )


def youcook2(source: Source) -> Iterator[Sample]:
  """Every annotated segment, cut out as clips/<video>_<segment's id>.mp4."""
  database = source.mapping(0).get('database')
  if not isinstance(database, dict):
    raise source.error(0, "has no field 'database'")
  entries = source.fields_of(list(database.values()), 'subset')
  number, seen = 0, set()
  for video, (_, entry) in zip(database, entries):
    subset = entry.one_of('subset', [*_YOUCOOK2.values(), 'testing'])
    if subset == 'testing':  # whose annotations are kept secret
      continue
    for segment in entry.records('annotations'):
      number += 1
      if subset == _YOUCOOK2[source.split]:
        name = f'{video}_{segment.name("id")}'
        if name in seen:
          raise segment.error(f'has two segments of the id {name!r}')
        seen.add(name)
        yield source.sample(
            number, source.video(f'clips/{name}.mp4'), {},
            [segment.text('sentence')], {'id': name},
        )
