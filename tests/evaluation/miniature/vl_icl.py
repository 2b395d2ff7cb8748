# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The image-to-text tasks of VL-ICL Bench."""

from PIL import Image, ImageDraw

from tests.evaluation.miniature import files, views

# Names that mean nothing, as those of Frozen's Open-Ended MiniImageNet.
NAMES = ('dax', 'perpo', 'blicket', 'slation', 'shously', 'gazzer', 'Fep')
EXPRESSION = 'What is the result of the following mathematical expression?'
RESULTS = {
    '+': lambda a, b: a + b, '-': lambda a, b: a - b, 'x': lambda a, b: a * b,
}
_PAIRS = [(a, b) for a in range(10) for b in range(10)]
_QUERY_PAIRS, _SUPPORT_PAIRS = _PAIRS[::3], _PAIRS[1::3]
_PARTS = (('query', views.QUERIES), ('support', views.SUPPORTS))


def open_mi(folder):
  """Two to five names, and five pictures of each that come with the query."""
  entries = []
  for number, view in enumerate(views.QUERIES):
    names = [NAMES[(number + i) % len(NAMES)] for i in range(5 - number % 4)]
    support = {
        name: {'images': [
            f'open_mi/support/{views.SUPPORTS[(5 * i + n + number) % 24].number}'
            '.jpg' for n in range(5)
        ], 'caption': f'This is a {name}'}
        for i, name in enumerate(names)
    }
    path = f'open_mi/query/{files.image_id(view)}.jpg'
    entries.append({
        'id': f'open_mi_query_{number}', 'image': [path],
        'question': 'This is a', 'answer': names[number % 2],
        'classes': names, 'support': support,
    })
    views.write_picture(folder.parent / path, view)
  for view in views.SUPPORTS:
    views.write_picture(folder / 'support' / f'{view.number}.jpg', view)
  files.write_json(folder / 'query.json', entries)


def operator_induction(folder):
  """'A ? B' in a picture."""
  image = lambda part, a, b: [f'operator_induction/{part}/{a}_{b}.png']
  _write_operators(folder, image)
  for part, pairs in (('query', _QUERY_PAIRS), ('support', _SUPPORT_PAIRS)):
    for a, b in pairs:
      _write_text(folder / part / f'{a}_{b}.png', f'{a} ? {b}')


def operator_induction_interleaved(folder):
  """A and B in a picture each, which supports and queries share."""
  _write_operators(folder, lambda part, a, b: [
      f'operator_induction_interleaved/support/{digit}.png' for digit in (a, b)
  ])
  for digit in range(10):
    _write_text(folder / 'support' / f'{digit}.png', str(digit))


def _write_operators(folder, image):
  files.write_json(folder / 'query.json', [
      {'id': f'{folder.name}_query_{a}_{b}', 'image': image('query', a, b),
       'operator': operator, 'question': EXPRESSION,
       'answer': RESULTS[operator](a, b)}
      for number, (a, b) in enumerate(_QUERY_PAIRS)
      for operator in '+-x'[number % 3]
  ])
  files.write_json(folder / 'support.json', [
      {'id': f'{folder.name}_support_{a}_{b}', 'image': image('support', a, b),
       'question': EXPRESSION,
       'answer': [result(a, b) for result in RESULTS.values()]}
      for a, b in _SUPPORT_PAIRS
  ])


def _write_text(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  picture = Image.new('RGB', (views.SIZE, views.SIZE), 'white')
  ImageDraw.Draw(picture).text((4, 16), text, fill='black')
  picture.save(path)


def textocr(folder):
  """Texts as signs have them, some with a full stop, which ends an answer."""
  for part, shown in _PARTS:
    entries = []
    for view in shown:
      number = f'{files.image_id(view) * 2654435761 % 2**64:016x}'
      text = (view.thing.title(), view.thing.upper(), f'No.{view.number}')[
          view.number // 2 * 5 % 7 % 3]
      entries.append({
          'id': f'textocr_{part}_{number}_1',
          'image': [f'textocr/{part}/{number}_1.png'],
          'question': 'What text is shown in the red box?', 'answer': text,
          'img_id': number, 'width': views.SIZE, 'height': views.SIZE,
          'ann_id': f'{number}_1', 'box': [2.0, 2.0, 44.0, 12.5],
          'points': [2.0, 2.0, 46.0, 2.0, 46.0, 14.5, 2.0, 14.5], 'area': 550.0,
      })
      views.write_picture(folder / part / f'{number}_1.png', view, text)
    files.write_json(folder / f'{part}.json', entries)


_CRITERIA = ('size: small', 'shape: cylinder', 'color: blue', 'material: metal')


def clevr(folder):
  """How many things in a picture are of a kind."""
  for part, shown in _PARTS:
    entries = []
    for number, view in enumerate(shown):
      name = f'CLEVR_{part}_{files.image_id(view):06d}'
      entries.append({
          'id': f'clevr_{part}_{name}', 'image': [f'clevr/{part}/{name}.png'],
          'question': _CRITERIA[number % 4], 'answer': 1 + number % 5,
      })
      views.write_picture(folder / part / f'{name}.png', view)
    files.write_json(folder / f'{part}.json', entries)


def matching_mi(folder):
  """Two pictures, which are parts of one photograph or not."""
  path = lambda part, view: f'matching_mi/{part}/{view.number}.jpg'

  def entry(part, number, first, other, answer):
    return {
        'id': f'matching_mi_{part}_{number}',
        'image': [path(part, view) for view in (first, other)],
        'question': 'Do the two images satisfy the induced relationship?',
        'answer': answer,
    }

  for part, shown in (('query', views.QUERIES), ('support', views.VIEWS[1::2])):
    for view in shown:
      views.write_picture(folder.parent / path(part, view), view)
    turn = lambda number: shown[number % len(shown)]
    if part == 'query':
      entries = [
          entry(part, n, view, turn(n + 1 + n % 3), ('No', 'Yes')[n % 3 // 2])
          for n, view in enumerate(shown)
      ]
    else:
      entries = [
          {'same': entry(part, f'{n}_same', shown[n], turn(n + 1), 'Yes'),
           'diff': entry(part, f'{n}_diff', shown[n + 1], turn(n + 9), 'No')}
          for n in range(0, 28, 2)
      ]
    files.write_json(folder / f'{part}.json', entries)
