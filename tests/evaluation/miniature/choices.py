# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Close-ended benchmarks: queries with the candidates for their answer."""

import json

from tests.evaluation.miniature import files, views
from tests.evaluation.miniature.questions import rows_of

OPTIONS = 16  # of a round of VisDial's, which has 100
_ROUNDS = (
    ('is this a photograph', 'yes it is'), ('are there any people', 'not many'),
    ('is it in color', "i can't tell"), ('can you see the sky', 'no'),
    ('is it indoors', "i think so, it's hard to say"),
)
_ANSWERS = (
    tuple(answer for _, answer in _ROUNDS)
    + tuple(f'it is the {view.thing}' for view in views.VIEWS)
)
_QUESTIONS = ('what do you see',) + tuple(question for question, _ in _ROUNDS)


def visdial(folder):
  """Dialogues of two to six rounds, any of which may be the annotated one."""
  dense = []
  for part, shown, where in (
      ('train', views.SUPPORTS, lambda view: (
          'COCO_train2014' if view.number % 4 == 3 else 'COCO_val2014'
      )),
      ('val', views.QUERIES[:24], lambda view: 'VisualDialog_val2018'),
  ):
    dialogs = []
    for i, view in enumerate(shown):
      image, seen = files.image_id(view), len(_ROUNDS) + view.number
      rounds = [
          {'question': 1 + (i + n) % 5, 'answer': (i + n) % 5}
          for n in range(i % 6)
      ]
      last = {'question': 0, 'answer': seen}
      if part == 'val':
        options = [(seen + 5 * n) % len(_ANSWERS) for n in range(OPTIONS)]
        options = options[-(i % OPTIONS):] + options[:-(i % OPTIONS)]
        last |= {'answer_options': options, 'gt_index': options.index(seen)}
        dense.append({
            'image_id': image, 'round_id': len(rounds) + 1,
            'gt_relevance': _relevance(i, options.index(seen)),
        })
        rounds.append(last)
        # Rounds after the annotated one, which is not the last everywhere.
        rounds += [{'question': 1, 'answer': 0, 'gt_index': 0,
                    'answer_options': list(range(OPTIONS))}] * (i % 2)
      else:
        rounds.append(last)
      dialogs.append({
          'image_id': image, 'caption': view.captions[0].lower()[:-1],
          'dialog': rounds,
      })
      name = where(view)
      parts = name.split('_')
      inner = name if part == 'val' else parts[-1]
      views.write_picture(folder / inner / f'{name}_{image:012d}.jpg', view)
    files.write_json(folder / f'visdial_1.0_{part}.json', {
        'version': '1.0', 'split': part,
        'data': {'questions': _QUESTIONS, 'answers': _ANSWERS,
                 'dialogs': dialogs},
    })
  files.write_json(
      folder / 'visdial_1.0_val_dense_annotations.json', dense[::-1]
  )


def _relevance(i, right):
  """Of the options; in some dialogues another one is as good, or better."""
  relevance = [0.0] * OPTIONS
  relevance[right] = (1.0, 0.8, 0.4)[i % 3]
  for n in range(1, 1 + i % 6):
    relevance[(right + 2 * n) % OPTIONS] = (1.0, 0.6, 0.2)[n % 3]
  return relevance


def hateful_memes(folder):
  for part, shown in (
      ('train', views.SUPPORTS), ('test_seen', views.QUERIES)
  ):
    lines = []
    for view in shown:
      number = files.image_id(view) % 98765
      file = f'img/{number:05d}.png'
      views.write_picture(folder / file, view, 'MEME')
      # Some texts have a line separator, which does not end a line of JSON.
      space = '\u2028' if view.number % 4 == 2 else ' '
      meme = {
          'id': number, 'img': file, 'label': int(view.number % 7 in (0, 3, 5)),
          'text': f'when you see the {view.thing},{space}and "{view.answer}" '
                  "is all you can't say",
      }
      lines.append(json.dumps(meme, ensure_ascii=False))
    files.write_text(folder / f'{part}.jsonl', lines)


def star(folder):
  """Several questions about a clip; other clips are of the same video."""
  kinds = ('Interaction', 'Sequence', 'Prediction', 'Feasibility', 'Sequence')
  for part, shown in (('train', views.SUPPORTS), ('val', views.QUERIES)):
    rows = []
    for row in rows_of(shown):
      video = f'{"YSKX3"[: 2 + row.view.number % 3]}{row.view.number // 6}'
      start = 1.5 * row.view.number
      end = round(start + 3.7, 1)
      others = [view.thing for view in views.VIEWS[row.number :]
                if view.thing != row.answer][:3]
      texts = others[: row.number % 4] + [row.answer] + others[row.number % 4 :]
      choices = [{'choice_id': n, 'choice': c} for n, c in enumerate(texts)]
      rows.append({
          'question_id': f'{kinds[row.number % 5]}_T{1 + row.number % 4}_'
                         f'{row.question_id % 997}',
          'question': row.question, 'video_id': video, 'start': start,
          'end': end, 'answer': row.answer,
          'choices': choices[::-1] if row.number % 2 else choices,
      })
      views.write_clip(
          folder / 'clips' / f'{video}_{start}_{end}.mp4', row.view
      )
    files.write_json(folder / f'STAR_{part}.json', rows)


# Some share a verb or a noun; of the last there is no positive clip.
_ACTIONS = (
    ('cut', 'phone'), ('wash', 'orange'), ('cut', 'orange'), ('carry', 'box'),
)
# 0: is not seen; 1: is; 2 to 4: only verb, only noun, both but not together.
_ANNOTATIONS = (1, 0, 3, 1, 1, 4, 2, 1, 0, 1)


def rareact(folder):
  """One or two clips of a video."""
  rows = []
  for i, view in enumerate(views.QUERIES):
    number = (3 * i + i // 5) % len(_ACTIONS)
    verb, noun = _ACTIONS[number]
    seen = _ANNOTATIONS[i % len(_ANNOTATIONS)]
    if number == len(_ACTIONS) - 1 and seen == 1:
      seen = 3
    video = files.youtube_id(views.QUERIES[i - i % 3 % 2])
    start = 10 * (i % 4)
    rows.append({'id': i, 'video_id': video, 'start': start, 'end': start + 10,
                 'class_id': number, 'verb': verb, 'noun': noun,
                 'annotation': seen})
    views.write_clip(
        folder / 'clips' / f'{video}_{start}_{start + 10}.mp4', view
    )
  files.write_csv(folder / 'rareact.csv', rows)


def class_of(view):
  """What is on the whole photograph."""
  return views.VIEWS[view.number - view.number % 3].thing


_CLASSES = tuple(sorted({class_of(view) for view in views.VIEWS}))
# Two pairs of ImageNet's classes have the same first name.
_SAME_NAMES = {
    'n02012849': 'crane', 'n03126707': 'crane', 'n03710637': 'maillot',
    'n03710721': 'maillot, tank suit',
}


def imagenet(folder):
  """Pictures of some classes; some have two boxes."""
  synsets = {
      name: f'n{1440764 + 40013 * i:08d}' for i, name in enumerate(_CLASSES)
  }
  names = _SAME_NAMES | {
      synset: f'{name}, other name of it' for name, synset in synsets.items()
  }
  files.write_text(
      folder / 'LOC_synset_mapping.txt',
      [f'{synset} {names[synset]}' for synset in sorted(names)],
  )
  for part, shown in (('train', views.SUPPORTS), ('val', views.QUERIES)):
    rows = []
    for view in shown:
      synset, number = synsets[class_of(view)], files.image_id(view) % 50000
      is_training = part == 'train'
      image = f'{synset}_{number}' if is_training else (
          f'ILSVRC2012_val_{number:08d}'
      )
      rows.append({
          'ImageId': image,
          'PredictionString': f'{synset} 1 1 9 9 ' * (1 + view.number % 2),
      })
      inner = f'train/{synset}' if is_training else part
      views.write_picture(
          folder / 'ILSVRC' / 'Data' / 'CLS-LOC' / inner / f'{image}.JPEG', view
      )
    files.write_csv(folder / f'LOC_{part}_solution.csv', rows)


def kinetics(folder):
  """Some labels have no clip in the validation split."""
  label = lambda view: (
      "massaging person's feet" if view is views.SUPPORTS[-1]
      else f'filming {class_of(view)}'
  )
  for name, part, shown in (
      ('train', 'train', views.SUPPORTS), ('validate', 'val', views.QUERIES)
  ):
    rows = []
    for view in shown:
      video, start = files.youtube_id(view), 7 * view.number
      rows.append({'label': label(view), 'youtube_id': video,
                   'time_start': start, 'time_end': start + 10, 'split': name})
      views.write_clip(
          folder / part / label(view)
          / f'{video}_{start:06d}_{start + 10:06d}.mp4', view,
      )
    files.write_csv(folder / f'{name}.csv', rows)
