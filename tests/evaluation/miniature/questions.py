# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Questions about pictures and videos, and what annotators answer."""

import dataclasses

from tests.evaluation.miniature import files, views

# Other ways to write an answer, which VQA's normalisation makes the same.
_SPELLINGS = {'one': '1', 'two': '2', 'three': '3', 'four': '4', 'six': '6'}
_OTHERS = (
    'a picture', 'nothing', "i don't know", 'not sure', 'something dark',
    'unsuitable image', 'a thing, or two', 'maybe',
)
# How many of ten say the same. Four make an answer right; three are worth 0.9
# and two 0.6, the mean over leaving each of the ten out.
_OF_TEN = (10, 8, 6, 5, 4, 3, 2)
_OF_FIVE = (5, 3, 2, 1)  # of iVQA's


@dataclasses.dataclass(frozen=True)
class Row:
  """A question."""

  number: int  # its place among those of its split
  view: views.View  # what it is about
  place: int  # among the questions about this view
  question: str  # ends in a question mark
  answer: str  # to it

  @property
  def question_id(self):
    return 1000 * files.image_id(self.view) + self.place


def rows_of(shown):
  """32 rows about 24 views, every third of which is asked about twice."""
  asked = []
  for i, view in enumerate(shown[:24]):
    asked.append((view, 0, view.question, view.answer))
    if i % 3 == 2:
      asked.append((view, 1, 'What is shown here?', view.thing))
  return [Row(number, *row) for number, row in enumerate(asked)]


def annotators(answer, agreed, count):
  """What each of `count` people answers; from three on, one spells it apart."""
  said = [answer] * agreed
  if 3 <= agreed < count:
    said[-1] = _SPELLINGS.get(answer, f'The {answer}.')
  return said + list(_OTHERS[: count - agreed])


def ten_answers(row):
  return annotators(row.answer, _OF_TEN[row.number % len(_OF_TEN)], 10)


def vqav2(folder):
  _of_coco(
      folder, 'v2_OpenEnded_mscoco_', 'v2_mscoco_',
      lambda said: {'answer': said, 'answer_confidence': 'yes'},
  )


def okvqa(folder):
  """'answer' is a stem there."""
  _of_coco(
      folder, 'OpenEnded_mscoco_', 'mscoco_',
      lambda said: {'answer': said.removesuffix('s'), 'raw_answer': said,
                    'answer_confidence': 'yes'},
  )


def _of_coco(folder, prefix, answers, entry):
  for part, shown in (('train', views.SUPPORTS), ('val', views.QUERIES)):
    questions, annotations = [], []
    for row in rows_of(shown):
      names = {'image_id': files.image_id(row.view),
               'question_id': row.question_id}
      questions.append({**names, 'question': row.question})
      annotations.append({
          **names, 'question_type': row.question.split()[0].lower(),
          'answer_type': _answer_type(row),
          'multiple_choice_answer': row.answer,
          'answers': [
              entry(said) | {'answer_id': i}
              for i, said in enumerate(ten_answers(row), 1)
          ],
      })
    for view in shown:  # some of which no question is about
      name = f'COCO_{part}2014_{files.image_id(view):012d}.jpg'
      views.write_picture(folder / f'{part}2014' / name, view)
    files.write_json(
        folder / f'{prefix}{part}2014_questions.json',
        {'task_type': 'Open-Ended', 'questions': questions},
    )
    # Not in the order of the questions.
    files.write_json(
        folder / f'{answers}{part}2014_annotations.json',
        {'annotations': annotations[::-1]},
    )


def _answer_type(row):
  if row.answer in ('yes', 'no'):
    return 'yes/no'
  return 'number' if row.answer in _SPELLINGS else 'other'


def textvqa(folder):
  for part, shown in (('train', views.SUPPORTS), ('val', views.QUERIES)):
    name = lambda view: f'{files.image_id(view) * 2654435761 % 2**64:016x}'
    files.write_json(folder / f'TextVQA_0.5.1_{part}.json', {'data': [
        {'question_id': 34602 + row.number, 'image_id': name(row.view),
         'question': row.question.lower(), 'answers': ten_answers(row),
         'image_width': views.SIZE, 'set_name': part}
        for row in rows_of(shown)
    ]})
    for view in shown:
      views.write_picture(folder / 'train_images' / f'{name(view)}.jpg', view)


def vizwiz(folder):
  """One question about a picture; some cannot be answered."""
  for part, shown in (('train', views.SUPPORTS), ('val', views.QUERIES)):
    rows = []
    for number, view in enumerate(shown):
      file = f'VizWiz_{part}_{files.image_id(view) % 30000:08d}.jpg'
      is_known = number % 5 != 4
      said = ten_answers(Row(
          number, view, 0, view.question,
          view.answer if is_known else 'unanswerable',
      ))
      rows.append({
          'image': file, 'question': f'{view.question} Thank you.',
          'answers': [
              {'answer': text, 'answer_confidence': 'maybe'} for text in said
          ],
          'answer_type': 'other' if is_known else 'unanswerable',
          'answerable': int(is_known),
      })
      views.write_picture(folder / part / file, view)
    files.write_json(folder / f'{part}.json', rows)


def msvdqa(folder):
  clip = lambda view: f'{files.youtube_id(view)}_{view.number}_88'
  _of_videos(
      folder, lambda view: f'YouTubeClips/{clip(view)}.avi', first_id=36985
  )
  files.write_text(folder / 'youtube_mapping.txt', [
      f'{clip(view)} vid{_video_number(view)}' for view in views.VIEWS
  ])


def msrvttqa(folder):
  _of_videos(
      folder, lambda view: f'videos/video{_video_number(view)}.mp4',
      first_id=170867,
  )


def _video_number(view):
  return files.image_id(view) % 10007


def _of_videos(folder, name, first_id):
  for part, shown in (('train', views.SUPPORTS), ('test', views.QUERIES)):
    files.write_json(folder / f'{part}_qa.json', [
        {'answer': row.answer.lower(), 'category_id': 14,
         'id': first_id + row.number, 'question': row.question.lower(),
         'video_id': _video_number(row.view)}
        for row in rows_of(shown)
    ])
    for view in shown:
      views.write_clip(folder / name(view), view)


def ivqa(folder):
  """One question about a clip, and five answers."""
  for part, shown in (('train', views.SUPPORTS), ('test', views.QUERIES)):
    rows = []
    for number, view in enumerate(shown):
      agreed = _OF_FIVE[number % len(_OF_FIVE)]
      said = [view.answer.lower()] * agreed + list(_OTHERS[: 5 - agreed])
      video, start = files.youtube_id(view), 3 + 5 * view.number
      rows.append({
          'video_id': video, 'start': start, 'end': start + 9,
          # Of several lines, or with a separator that does not end the row.
          'question': view.question.replace(
              ' ', ('\n', '\u2028', ' ')[number % 3], 1
          ),
          **{f'answer{n}': text for n, text in enumerate(said[::-1], 1)},
      })
      views.write_clip(
          folder / 'clips' / f'{video}_{start}_{start + 9}.mp4', view
      )
    files.write_csv(folder / f'{part}.csv', rows)


def nextqa(folder):
  """Questions of all types, without capitals; some have a second answer."""
  video = lambda view: str(files.image_id(view) * 10007)
  inner = lambda view: f'{1000 + view.number % 7}/{video(view)}'
  for part, shown in (('train', views.SUPPORTS), ('test', views.QUERIES)):
    rows = [
        {'video': video(row.view), 'frame_count': 3, 'width': views.SIZE,
         'height': views.SIZE, 'question': row.question.lower()[:-1],
         'answer': row.answer.lower(), 'qid': row.place + 7,
         'type': _nextqa_type(row)}
        for row in rows_of(shown)
    ]
    files.write_csv(folder / f'{part}.csv', rows)
    for view in shown:
      views.write_clip(folder / 'NExTVideo' / f'{inner(view)}.mp4', view)
  files.write_json(
      folder / 'map_vid_vidorID.json',
      {video(view): inner(view) for view in views.VIEWS},
  )
  files.write_json(folder / 'add_reference_answer_test.json', {
      video(view): {'7': f'{view.answer.lower()} of course', '8': 'nothing'}
      for view in views.QUERIES[::2]
  })


def _nextqa_type(row):
  kinds = {'yes/no': ('DB',), 'number': ('DC',)}.get(
      _answer_type(row), ('CW', 'CH', 'TN', 'TC', 'TP', 'DL', 'DO')
  )
  return kinds[row.number % len(kinds)]
