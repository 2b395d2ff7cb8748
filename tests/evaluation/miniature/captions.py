# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Captions: Karpathy's files of COCO and Flickr30k, VATEX, YouCook2."""

from tests.evaluation.miniature import files, views


def references(view, count):
  """Different sentences; of up to ten, half are much like the first."""
  one, other = view.captions
  thing = view.thing
  return [
      one,
      f'{one.lower()[:-1]} .',
      other,
      f'A photograph: {one[0].lower()}{one[1:]}',
      f'{one[:-1]}, it seems',
      f'{other}, and nothing else.',
      f'The {thing}!',
      one.upper(),
      f'A close look at the {thing}...',
      f"That's what a {thing} looks like, isn't it?",
  ][:count]


def coco(folder):
  """Five to seven captions of a picture; some that train are of val2014."""
  images = []
  for view in views.VIEWS:
    split = _split(view)
    if split == 'train' and view.number % 4 == 3:
      split = 'restval'
    part = 'train2014' if split == 'train' else 'val2014'
    name = f'COCO_{part}_{files.image_id(view):012d}.jpg'
    images.append(_image(view, split, name, 5 + view.number % 3) | {
        'filepath': part, 'cocoid': files.image_id(view)
    })
    views.write_picture(folder / part / name, view)
  files.write_json(
      folder / 'dataset_coco.json', {'images': images, 'dataset': 'coco'}
  )


def flickr30k(folder):
  """Five captions of a picture."""
  images = []
  for view in views.VIEWS:
    name = f'{files.image_id(view) * 7919}.jpg'
    images.append(_image(view, _split(view), name, 5))
    views.write_picture(folder / 'flickr30k-images' / name, view)
  files.write_json(
      folder / 'dataset_flickr30k.json',
      {'images': images, 'dataset': 'flickr30k'},
  )


def _split(view):
  if view in views.QUERIES:
    return 'test'
  return 'train' if view in views.SUPPORTS else 'val'


def _image(view, split, name, count):
  sentences = [
      {'tokens': raw.lower().split(), 'raw': raw, 'imgid': view.number,
       'sentid': 10 * files.image_id(view) + i}
      for i, raw in enumerate(references(view, count))
  ]
  return {
      'filename': name, 'split': split, 'imgid': view.number,
      'sentids': [sentence['sentid'] for sentence in sentences],
      'sentences': sentences,
  }


def vatex(folder):
  """Ten captions of a clip."""
  for name, shown in (
      ('training_v1.0', views.SUPPORTS),
      ('public_test_english_v1.1', views.QUERIES),
  ):
    rows = []
    for view in shown:
      start = view.number * 3
      video = f'{files.youtube_id(view)}_{start:06d}_{start + 10:06d}'
      rows.append({'videoID': video, 'enCap': references(view, 10)})
      views.write_clip(folder / 'videos' / f'{video}.mp4', view)
    files.write_json(folder / f'vatex_{name}.json', rows)


def youcook2(folder):
  """One to four segments of a video, each with one sentence."""
  database = {}
  for part, shown in (
      ('validation', views.QUERIES), ('training', views.SUPPORTS)
  ):
    first = 0
    while first < len(shown):
      video = files.youtube_id(shown[first])
      segments = shown[first : first + 1 + len(database) % 4]
      first += len(segments)
      database[video] = {
          'subset': part, 'duration': 190.5, 'recipe_type': '101',
          'annotations': [
              {'segment': [20 * i, 20 * i + 14], 'id': i,
               'sentence': view.captions[0].lower()[:-1]}
              for i, view in enumerate(segments)
          ],
      }
      for i, view in enumerate(segments):
        views.write_clip(folder / 'clips' / f'{video}_{i}.mp4', view)
  files.write_json(
      folder / 'youcookii_annotations_trainval.json',
      {'database': dict(sorted(database.items()))},
  )
