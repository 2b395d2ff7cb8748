# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Open-ended questions about pictures and videos."""

import json
import re

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.source import Source, by_frequency


def vqa(source: Source) -> list[Sample]:
  """VQAv2 and OK-VQA: a file of questions and, unless secret, one of answers.

  OK-VQA's answers are those that people wrote, not their stems.
  """
  annotations = source.read_json(1)['annotations'] if source.files[1:] else []
  answers = {
      entry['question_id']: [
          answer.get('raw_answer', answer['answer'])
          for answer in entry['answers']
      ]
      for _, entry in source.fields_of(annotations, 'question_id', 'answers')
  }
  # Of '..._test-dev2015_questions.json', the pictures are those of test2015.
  found = re.search(r'(train|val|test)\D*(\d{4})', source.files[0])
  folder = ''.join(found.groups())
  samples = []
  for number, entry in source.fields_of(
      source.read_json(0)['questions'], 'question_id', 'image_id', 'question'
  ):
    name = entry['question_id']
    if answers and name not in answers:
      raise UserError(
          f'{source.path(source.files[1])} has no answers to question {name} '
          f'of {source.files[0]}: take both from one release'
      )
    samples.append(source.sample(
        number,
        source.image(f'{folder}/COCO_{folder}_{entry["image_id"]:012d}.jpg'),
        {'question': entry['question']},
        by_frequency(answers.get(name, [])),
        {'question_id': name},
    ))
  return samples


def textvqa(source: Source) -> list[Sample]:
  """TextVQA 0.5.1; its validation pictures lie among the training ones."""
  folder = 'test_images' if source.split == 'test' else 'train_images'
  return [
      source.sample(
          number,
          source.image(f'{folder}/{entry["image_id"]}.jpg'),
          {'question': entry['question']},
          by_frequency(entry.get('answers', [])),
          {'question_id': entry['question_id']},
      )
      for number, entry in source.fields_of(
          source.read_json(0)['data'], 'question_id', 'image_id', 'question'
      )
  ]


def vizwiz(source: Source) -> list[Sample]:
  """VizWiz-VQA; a question is known by its picture."""
  folder = source.files[0].removesuffix('.json').split('/')[-1]
  return [
      source.sample(
          number,
          source.image(f'{folder}/{entry["image"]}'),
          {'question': entry['question']},
          by_frequency([a['answer'] for a in entry.get('answers', [])]),
          {'image': entry['image']},
      )
      for number, entry in source.fields_of(
          source.read_json(0), 'image', 'question'
      )
  ]


def msvdqa(source: Source) -> list[Sample]:
  """Questions about 'vid<n>', whose clip's name youtube_mapping.txt has."""
  names = {}
  for line in source.read_text(1).splitlines():
    if line.strip():
      clip, video = line.split()
      names[video] = clip
  samples = []
  for number, entry in _of_videos(source):
    video = f'vid{entry["video_id"]}'
    if video not in names:
      raise UserError(f'{source.path(source.files[1])} has no {video}')
    samples.append(_video_question(
        source, number, entry, f'YouTubeClips/{names[video]}.avi'
    ))
  return samples


def msrvttqa(source: Source) -> list[Sample]:
  """Questions about videos/video<n>.mp4."""
  return [
      _video_question(
          source, number, entry, f'videos/video{entry["video_id"]}.mp4'
      )
      for number, entry in _of_videos(source)
  ]


def _of_videos(source: Source):
  return source.fields_of(
      source.read_json(0), 'id', 'video_id', 'question', 'answer'
  )


def _video_question(source, number, entry, video) -> Sample:
  return source.sample(
      number, source.video(video), {'question': entry['question']},
      [entry['answer']], {'id': entry['id']},
  )


def ivqa(source: Source) -> list[Sample]:
  """Five answers to each clip, cut out as clips/<video>_<start>_<end>.mp4."""
  samples = []
  for number, row in source.fields_of(
      source.read_csv(0), 'video_id', 'start', 'end', 'question', 'answer5'
  ):
    clip = f'{row["video_id"]}_{row["start"]}_{row["end"]}'
    samples.append(source.sample(
        number, source.video(f'clips/{clip}.mp4'),
        {'question': row['question']},
        by_frequency([row[f'answer{i}'] for i in range(1, 6)]), {'id': clip},
    ))
  return samples


def nextqa(source: Source) -> list[Sample]:
  """The open-ended part; of the test split some have a second answer."""
  names = source.read_json(1)
  more = json.loads(source.read_text(2)) if source.files[2:] else {}
  samples = []
  for number, row in source.fields_of(
      source.read_csv(0), 'video', 'question', 'answer', 'qid', 'type'
  ):
    video, qid = row['video'], row['qid']
    answers = [row['answer']]
    if video in more and qid in more[video]:
      answers.append(more[video][qid])
    samples.append(source.sample(
        number,
        source.video(f'NExTVideo/{names.get(video, video)}.mp4'),
        {'question': row['question']},
        answers,
        {'video': video, 'qid': qid, 'type': row['type']},
    ))
  return samples
