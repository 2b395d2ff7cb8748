# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every benchmark in its official formats: a few rows, small real pictures.

Six photographs that scikit-image ships, and clips that pan over them. In each
split row i is about photograph i; `CAPTIONS` and `THINGS` say what is on it.
"""

import csv
import functools
import io
import json

import av
import numpy as np
from PIL import Image, ImageDraw
from skimage import data

PHOTOGRAPHS = ('astronaut', 'cat', 'coffee', 'rocket', 'camera', 'coins')
CAPTIONS = (
    'A woman in an orange space suit smiles.', 'A cat looks to the side.',
    'A cup of coffee on a wooden table.', 'A rocket stands on its pad.',
    'A man with a camera in a park.', 'Rows of ancient coins.',
)
THINGS = ('astronaut', 'cat', 'coffee', 'rocket', 'man', 'coins')
QUESTION = 'what is shown here'
SIZE = 48  # pixels


@functools.cache
def photograph(number):
  """uint8[SIZE SIZE 3]."""
  pixels = getattr(data, PHOTOGRAPHS[number])()
  picture = Image.fromarray(pixels).convert('RGB').resize((SIZE, SIZE))
  return np.asarray(picture)


def write_picture(path, number, text=''):
  path.parent.mkdir(parents=True, exist_ok=True)
  picture = Image.fromarray(photograph(number))
  if text:
    ImageDraw.Draw(picture).text((2, 2), text, fill='white')
  picture.save(path)


@functools.cache
def clip(number, suffix):
  """The bytes of a video of three frames, one per second."""
  file = io.BytesIO()
  with av.open(file, 'w', format=suffix) as container:
    stream = container.add_stream('mpeg4', rate=1)
    stream.width = stream.height = SIZE
    stream.pix_fmt = 'yuv420p'
    for shift in range(3):
      frame = np.roll(photograph(number), 6 * shift, axis=1)
      frame = av.VideoFrame.from_ndarray(frame, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return file.getvalue()


def write_clip(path, number):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(clip(number, path.suffix[1:]))


def write_json(path, value):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(value), encoding='utf-8')


def write_csv(path, rows):
  path.parent.mkdir(parents=True, exist_ok=True)
  with path.open('w', encoding='utf-8', newline='') as file:
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)


def ten_answers(number, key='answer'):
  """Eight of ten annotators agree."""
  said = [THINGS[number]] * 8 + ['a picture', 'nothing']
  return [{key: text, 'answer_id': i} for i, text in enumerate(said, 1)]


def karpathy(folder, name, with_folders):
  images = []
  for part, split in enumerate(('test', 'train', 'val')):
    for i, caption in enumerate(CAPTIONS):
      file = f'{part}{i}.jpg'
      where = {'filepath': 'val2014', 'cocoid': 10 * part + i}
      images.append({
          'filename': file, 'split': split, 'imgid': len(images),
          'sentences': [{'raw': caption}, {'raw': caption.upper()[:-1]}],
      } | (where if with_folders else {}))
      inner = 'val2014' if with_folders else 'flickr30k-images'
      write_picture(folder / inner / file, i)
  write_json(folder / name, {'images': images})


def coco_questions(folder, prefix, answers, key):
  for part, first in (('train', 0), ('val', 100)):
    questions, annotations = [], []
    for i in range(6):
      name = {'question_id': first + i, 'image_id': first + i}
      questions.append({**name, 'question': f'{QUESTION}?'})
      annotations.append({**name, 'answers': [
          {'answer': entry[key].removesuffix('s')} | entry  # OK-VQA: stems
          for entry in ten_answers(i, key)
      ]})
      file = f'COCO_{part}2014_{first + i:012d}.jpg'
      write_picture(folder / f'{part}2014' / file, i)
    write_json(folder / f'{prefix}{part}2014_questions.json',
               {'questions': questions})
    write_json(folder / f'{answers}{part}2014_annotations.json',
               {'annotations': annotations})


def textvqa(folder):
  for part in ('train', 'val'):
    write_json(folder / f'TextVQA_0.5.1_{part}.json', {'data': [
        {'question_id': i, 'image_id': f'{part}{i}', 'question': f'{QUESTION}?',
         'answers': [entry['answer'] for entry in ten_answers(i)]}
        for i in range(6)
    ]})
    for i in range(6):
      write_picture(folder / 'train_images' / f'{part}{i}.jpg', i)


def vizwiz(folder):
  for part in ('train', 'val'):
    write_json(folder / f'{part}.json', [
        {'image': f'VizWiz_{part}_{i:08d}.jpg', 'question': f'{QUESTION}?',
         'answers': ten_answers(i), 'answerable': 1}
        for i in range(6)
    ])
    for i in range(6):
      write_picture(folder / part / f'VizWiz_{part}_{i:08d}.jpg', i)


def visdial(folder):
  answers = [f'it is {thing}' for thing in THINGS] + ['no', 'yes']
  for part, images in (
      ('train', 'train2014/COCO_train2014'),
      ('val', 'VisualDialog_val2018/VisualDialog_val2018'),
  ):
    dialogs = []
    for i, caption in enumerate(CAPTIONS):
      first = {'question': 0, 'answer': 6 + i % 2}
      second = {'question': 1, 'answer': i, 'gt_index': i,
                'answer_options': list(range(len(answers)))}
      dialogs.append({'image_id': i, 'caption': caption[:-1].lower(),
                      'dialog': [first, second]})
      write_picture(folder / f'{images}_{i:012d}.jpg', i)
    write_json(folder / f'visdial_1.0_{part}.json', {'data': {
        'questions': ['is it day', QUESTION], 'answers': answers,
        'dialogs': dialogs,
    }})
  write_json(folder / 'visdial_1.0_val_dense_annotations.json', [
      {'image_id': i, 'round_id': 2, 'gt_relevance': [
          1.0 if option == i else 0.5 if option == (i + 1) % 6 else 0.0
          for option in range(len(answers))
      ]}
      for i in range(6)
  ])


def hateful_memes(folder):
  for part in ('train', 'test_seen'):
    lines = []
    for i in range(6):
      file = f'img/{part}{i}.png'
      write_picture(folder / file, i, 'MEME')
      lines.append({'id': i, 'img': file, 'label': i % 2, 'text': f'meme {i}'})
    (folder / f'{part}.jsonl').write_text(
        ''.join(json.dumps(line) + '\n' for line in lines), encoding='utf-8'
    )


def video_questions(folder, name):
  for part, first in (('train', 0), ('test', 10)):
    rows = []
    for i, thing in enumerate(THINGS):
      rows.append({'id': i, 'video_id': first + i, 'question': f'{QUESTION}?',
                   'answer': thing})
      write_clip(folder / name.format(first + i), i)
    write_json(folder / f'{part}_qa.json', rows)


def msvdqa(folder):
  video_questions(folder, 'YouTubeClips/clip_{}.avi')
  (folder / 'youtube_mapping.txt').write_text(
      ''.join(f'clip_{i} vid{i}\n' for i in range(20)), encoding='utf-8'
  )


def ivqa(folder):
  for part in ('train', 'test'):
    rows = []
    for i, thing in enumerate(THINGS):
      answers = [thing, thing, thing, 'a picture', 'a video']
      rows.append({'video_id': f'{part}{i}', 'start': 3, 'end': 9,
                   'question': f'{QUESTION}?'}
                  | {f'answer{n}': a for n, a in enumerate(answers, 1)})
      write_clip(folder / 'clips' / f'{part}{i}_3_9.mp4', i)
    write_csv(folder / f'{part}.csv', rows)


def nextqa(folder):
  kinds = ('CW', 'CH', 'TN', 'DC', 'DL', 'DO')
  for part in ('train', 'test'):
    write_csv(folder / f'{part}.csv', [
        {'video': f'{i}', 'frame_count': 3, 'width': SIZE, 'height': SIZE,
         'question': QUESTION, 'answer': thing, 'qid': '7', 'type': kinds[i]}
        for i, thing in enumerate(THINGS)
    ])
  write_json(folder / 'map_vid_vidorID.json', {str(i): f'1/{i}'
                                               for i in range(6)})
  write_json(folder / 'add_reference_answer_test.json', {'0': {'7': 'woman'}})
  for i in range(6):
    write_clip(folder / 'NExTVideo' / '1' / f'{i}.mp4', i)


def star(folder):
  for part in ('train', 'val'):
    rows = []
    for i in range(6):
      choices = [THINGS[(i + n) % 6] for n in (1, 0, 2, 3)]
      rows.append({
          'question_id': f'{("Interaction", "Sequence")[i % 2]}_T1_{i}',
          'question': f'{QUESTION}?', 'video_id': f'{part}{i}', 'start': 0.5,
          'end': 3.0, 'answer': THINGS[i],
          'choices': [{'choice_id': n, 'choice': c}
                      for n, c in enumerate(choices)],
      })
      write_clip(folder / 'clips' / f'{part}{i}_0.5_3.0.mp4', i)
    write_json(folder / f'STAR_{part}.json', rows)


def vatex(folder):
  for name in ('training_v1.0', 'public_test_english_v1.1'):
    rows = []
    for i, caption in enumerate(CAPTIONS):
      video = f'{name[:2]}{i}_000001_000011'
      rows.append({'videoID': video, 'enCap': [caption] * 10})
      write_clip(folder / 'videos' / f'{video}.mp4', i)
    write_json(folder / f'vatex_{name}.json', rows)


def youcook2(folder):
  database = {}
  for part in ('training', 'validation'):
    for i, caption in enumerate(CAPTIONS):
      database[f'{part[:2]}{i}'] = {'subset': part, 'annotations': [
          {'segment': [1, 4], 'id': 0, 'sentence': caption.lower()[:-1]}
      ]}
      write_clip(folder / 'clips' / f'{part[:2]}{i}_0.mp4', i)
  write_json(folder / 'youcookii_annotations_trainval.json',
             {'database': database})


def rareact(folder):
  actions = (('cut', 'phone'), ('cut', 'orange'), ('fry', 'orange'))
  rows = []
  for i in range(6):
    verb, noun = actions[i % 3]
    rows.append({'id': i, 'video_id': f'v{i}', 'start': 0, 'end': 10,
                 'class_id': i % 3, 'verb': verb, 'noun': noun,
                 'annotation': int(i < 4)})
    write_clip(folder / 'clips' / f'v{i}_0_10.mp4', i)
  write_csv(folder / 'rareact.csv', rows)


def imagenet(folder):
  synsets = [f'n0000000{i}' for i in range(6)]
  (folder).mkdir(parents=True, exist_ok=True)
  (folder / 'LOC_synset_mapping.txt').write_text(''.join(
      f'{synset} {thing}, other name of it\n'
      for synset, thing in zip(synsets, THINGS)
  ), encoding='utf-8')
  for part, name in (('train', '{}_1'), ('val', 'ILSVRC2012_{}')):
    rows = []
    for i, synset in enumerate(synsets):
      image = name.format(synset)
      rows.append({'ImageId': image, 'PredictionString': f'{synset} 1 1 9 9 '})
      inner = f'train/{synset}' if part == 'train' else part
      write_picture(
          folder / 'ILSVRC' / 'Data' / 'CLS-LOC' / inner / f'{image}.JPEG', i
      )
    write_csv(folder / f'LOC_{part}_solution.csv', rows)


def kinetics(folder):
  for name, part in (('train', 'train'), ('validate', 'val')):
    rows = []
    for i, thing in enumerate(THINGS):
      rows.append({'label': f'filming {thing}', 'youtube_id': f'{part}{i}',
                   'time_start': 1, 'time_end': 11, 'split': name})
      write_clip(
          folder / part / f'filming {thing}' / f'{part}{i}_000001_000011.mp4',
          i,
      )
    write_csv(folder / f'{name}.csv', rows)


WRITERS = {
    'coco': lambda f: karpathy(f, 'dataset_coco.json', True),
    'flickr30k': lambda f: karpathy(f, 'dataset_flickr30k.json', False),
    'vqav2': lambda f: coco_questions(
        f, 'v2_OpenEnded_mscoco_', 'v2_mscoco_', 'answer'),
    'okvqa': lambda f: coco_questions(
        f, 'OpenEnded_mscoco_', 'mscoco_', 'raw_answer'),
    'textvqa': textvqa,
    'vizwiz': vizwiz,
    'visdial': visdial,
    'hateful_memes': hateful_memes,
    'msvdqa': msvdqa,
    'msrvttqa': lambda f: video_questions(f, 'videos/video{}.mp4'),
    'ivqa': ivqa,
    'nextqa': nextqa,
    'star': star,
    'vatex': vatex,
    'youcook2': youcook2,
    'rareact': rareact,
    'imagenet': imagenet,
    'kinetics700': kinetics,
}
