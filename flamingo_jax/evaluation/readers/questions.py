# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Open-ended questions about pictures and videos."""

from collections.abc import Iterator
import re

from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.record import Record
from flamingo_jax.evaluation.readers.source import Source


def vqa(source: Source) -> Iterator[Sample]:
  """VQAv2: a file of questions and, unless secret, one of answers."""
  return _of_coco(source, 'answer')


def okvqa(source: Source) -> Iterator[Sample]:
  """OK-VQA: answers are what people wrote; the record has their 'stems'."""
  return _of_coco(source, 'raw_answer', 'answer', has_stems=True)


def okvqa_of_stems(source: Source) -> Iterator[Sample]:
  """OK-VQA, where the stems are the answers, in shots too."""
  return _of_coco(source, 'answer', has_stems=True)


def _of_coco(
    source: Source, *keys: str, has_stems: bool = False
) -> Iterator[Sample]:
  """Questions; their answers are under the first of the keys that is there."""
  answers, stems = {}, {}
  if source.files[1:]:
    annotations = source.entries(1, 'annotations')
    for _, entry in source.fields_of(
        annotations, 'question_id', 'answers', number=1, key='question_id'
    ):
      name = entry.text('question_id')
      answers[name] = entry.answers('answers', *keys)
      if has_stems:
        stems[name] = {'stems': entry.answers('answers', 'answer')}
  # Of '..._test-dev2015_questions.json', the pictures are those of test2015.
  found = re.search(r'(train|val|test)\D*(\d{4})', source.files[0])
  folder = ''.join(found.groups())
  for number, entry in source.fields_of(
      source.entries(0, 'questions'), 'question_id', 'image_id', 'question',
      key='question_id',
  ):
    name, image = entry.text('question_id'), entry.whole('image_id')
    if source.files[1:] and name not in answers:
      raise UserError(
          f'{source.path(source.files[1])} has no answers to question '
          f'{shown(name)}, entry {number} of {source.files[0]}: take both from '
          'one release'
      )
    yield source.sample(
        number,
        source.image(f'{folder}/COCO_{folder}_{image:012d}.jpg'),
        {'question': entry.text('question')},
        answers.get(name, []),
        {'question_id': entry.name('question_id'), **stems.get(name, {})},
    )


def textvqa(source: Source) -> Iterator[Sample]:
  """TextVQA 0.5.1; its validation pictures lie among the training ones."""
  folder = 'test_images' if source.split == 'test' else 'train_images'
  for number, entry in source.fields_of(
      source.entries(0, 'data'), 'question_id', 'image_id', 'question'
  ):
    yield source.sample(
        number,
        source.image(f'{folder}/{entry.text("image_id")}.jpg'),
        {'question': entry.text('question')},
        entry.answers('answers', 'answer'),
        {'question_id': entry.name('question_id')},
    )


def vizwiz(source: Source) -> Iterator[Sample]:
  """VizWiz-VQA; a question is known by its picture."""
  folder = source.files[0].removesuffix('.json').split('/')[-1]
  for number, entry in source.fields_of(
      source.entries(0), 'image', 'question'
  ):
    yield source.sample(
        number,
        source.image(f'{folder}/{entry.text("image")}'),
        {'question': entry.text('question')},
        entry.answers('answers', 'answer'),
        {'image': entry.name('image')},
    )


def msvdqa(source: Source) -> Iterator[Sample]:
  """Questions about 'vid<n>', whose clip's name youtube_mapping.txt has."""
  names = {}
  for number, line in enumerate(source.read_text(1).split('\n'), 1):
    if line.strip():
      try:
        clip, video = line.split()
      except ValueError:
        raise source.error(
            1, f'has in line {number} not a clip and a video, but {shown(line)}'
        ) from None
      if names.setdefault(video, clip) != clip:
        raise source.error(
            1, f'has in line {number} another clip of {shown(video)}'
        )
  for number, entry in _of_videos(source):
    video = f'vid{entry.text("video_id")}'
    if video not in names:
      raise entry.error(
          f'is about {shown(video)}, which {source.files[1]} lacks'
      )
    yield _video_question(
        source, number, entry, f'YouTubeClips/{names[video]}.avi'
    )


def msrvttqa(source: Source) -> Iterator[Sample]:
  """Questions about videos/video<n>.mp4."""
  for number, entry in _of_videos(source):
    yield _video_question(
        source, number, entry, f'videos/video{entry.text("video_id")}.mp4'
    )


def _of_videos(source: Source):
  return source.fields_of(
      source.entries(0), 'id', 'video_id', 'question', 'answer'
  )


def _video_question(source, number, entry, video) -> Sample:
  return source.sample(
      number, source.video(video), {'question': entry.text('question')},
      entry.answer('answer'), {'id': entry.name('id')},
  )


def ivqa(source: Source) -> Iterator[Sample]:
  """Five answers to each clip, cut out as clips/<video>_<start>_<end>.mp4."""
  for number, row in source.fields_of(
      source.read_csv(0), 'video_id', 'start', 'end', 'question', 'answer5'
  ):
    clip = row.clip()
    answers = [row[f'answer{i}'] for i in range(1, 6)]
    yield source.sample(
        number, source.video(f'clips/{clip}.mp4'),
        {'question': row.text('question')},
        row.by_frequency('answer5', answers), {'id': clip},
    )


def nextqa(source: Source) -> Iterator[Sample]:
  """The open-ended part; of the test split some have a second answer."""
  mapping = source.mapping(1)
  names = Record(mapping, source.path(source.files[1]), 0, source.origin)
  more = source.mapping(2) if source.files[2:] else {}
  for number, row in source.fields_of(
      source.read_csv(0), 'video', 'question', 'answer', 'qid', 'type'
  ):
    video, qid = row.text('video'), row.text('qid')
    name = names.text(video) if video in names else video
    answers = row.answer('answer')
    second = more.get(video) or {}
    if not isinstance(second, dict):
      raise source.error(2, f'has no answers by question for {shown(video)}')
    if qid in second:
      path = source.path(source.files[2])
      answers += Record(second, path, video, source.origin).answer(qid)
    yield source.sample(
        number,
        source.video(f'NExTVideo/{name}.mp4'),
        {'question': row.text('question')},
        answers,
        {'video': video, 'qid': qid, 'type': row.text('type')},
    )
