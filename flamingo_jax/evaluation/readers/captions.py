# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Captions: Karpathy's files of COCO and Flickr30k, VATEX, YouCook2."""

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.source import Source

# Karpathy trains on what is left of COCO's validation set, too.
_KARPATHY = {
    'train': ('train', 'restval'), 'validation': ('val',), 'test': ('test',)
}
_YOUCOOK2 = {'train': 'training', 'validation': 'validation'}


def karpathy(source: Source) -> list[Sample]:
  """dataset_coco.json and dataset_flickr30k.json."""
  samples = []
  images = source.read_json(0).get('images', [])
  for number, image in source.fields_of(
      images, 'filename', 'split', 'sentences'
  ):
    if image['split'] not in _KARPATHY[source.split]:
      continue
    folder = image.get('filepath', 'flickr30k-images')
    samples.append(source.sample(
        number,
        source.image(f'{folder}/{image["filename"]}'),
        {},
        [sentence['raw'] for sentence in image['sentences']],
        {'image_id': image.get('cocoid', image['filename'])},
    ))
  return samples


def vatex(source: Source) -> list[Sample]:
  """[{videoID, enCap: ten}]; clips are <videoID>.mp4."""
  return [
      source.sample(
          number, source.video(f'videos/{entry["videoID"]}.mp4'), {},
          entry['enCap'], {'id': entry['videoID']},
      )
      for number, entry in source.fields_of(
          source.read_json(0), 'videoID', 'enCap'
      )
  ]


def youcook2(source: Source) -> list[Sample]:
  """Every annotated segment, cut out as clips/<video>_<segment's id>.mp4."""
  samples = []
  database = source.read_json(0).get('database')
  if not isinstance(database, dict):
    raise UserError(
        f'{source.path(source.files[0])} has no field {"database"!r}: it is '
        f'not the official file of {source.origin}'
    )
  number = 0
  for video, entry in database.items():
    for segment in entry['annotations']:
      number += 1
      if entry['subset'] == _YOUCOOK2[source.split]:
        name = f'{video}_{segment["id"]}'
        samples.append(source.sample(
            number, source.video(f'clips/{name}.mp4'), {},
            [segment['sentence']], {'id': name},
        ))
  return samples
