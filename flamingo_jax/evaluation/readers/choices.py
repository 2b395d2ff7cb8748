# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Close-ended benchmarks: queries with the candidates for their answer."""

from collections import Counter
from collections.abc import Iterator

from flamingo_jax.errors import shown
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.record import Record
from flamingo_jax.evaluation.readers.source import Source

_VOWELS = 'aeiou'
_HATEFUL = ('no', 'yes')  # by label
_GRADES = 5  # of what a clip of RareAct shows
# Two pairs of ImageNet's classes have one name; these are told apart.
_IMAGENET_NAMES = {'n02012849': 'crane bird', 'n03126707': 'construction crane'}


def hateful_memes(source: Source) -> Iterator[Sample]:
  """{id, img, label, text} per line; the text in the picture is given."""
  for number, entry in source.fields_of(
      source.read_json_lines(0), 'id', 'img', 'text'
  ):
    yield source.sample(
        number, source.image(entry.text('img')), {'text': entry.text('text')},
        entry.label('label', _HATEFUL), {'id': entry.name('id')}, _HATEFUL,
    )


def visdial(source: Source) -> Iterator[Sample]:
  """VisDial 1.0: the annotated round of each dialogue, 100 candidates.

  In training dialogues, which become shots, it is the last round.
  """
  data = source.read_json(0)
  questions, answers, dialogs = (
      source.listed(data, 0, 'data', key)
      for key in ('questions', 'answers', 'dialogs')
  )
  dense = {}
  is_annotated = len(source.files) > 1
  if is_annotated:
    for _, entry in source.fields_of(
        source.entries(1), 'image_id', 'round_id', number=1, key='image_id'
    ):
      dense[entry.whole('image_id')] = entry
  asked = lambda turn: turn.pick('question', questions) + '?'
  said = lambda turn: turn.pick('answer', answers)
  for number, dialogue in source.fields_of(
      dialogs, 'image_id', 'caption', 'dialog', key='image_id'
  ):
    image_id, rounds = dialogue.whole('image_id'), dialogue.records('dialog')
    if is_annotated and image_id not in dense:
      continue
    last, relevance = len(rounds) - 1, None
    if is_annotated:
      last = dense[image_id].whole('round_id', 1, len(rounds) + 1) - 1
    turn = rounds[last]
    options = ()
    if 'answer_options' in turn or is_annotated:
      options = turn.picks('answer_options', answers)
    if is_annotated:
      relevance = _relevance(dense[image_id], len(options))
    history = ''.join(
        f'Question: {asked(earlier)} Answer: {said(earlier)}. '
        for earlier in rounds[:last]
    )
    yield source.sample(
        number,
        source.image(_visdial_image(source, image_id)),
        {'caption': dialogue.text('caption') + '.', 'history': history,
         'question': asked(turn)},
        [said(turn)],
        {'image_id': image_id, 'round_id': last + 1, 'relevance': relevance},
        options,
    )


def _relevance(entry: Record, count: int) -> list[float]:
  """Of each option; one at least is above 0."""
  name = 'gt_relevance' if 'gt_relevance' in entry else 'relevance'
  values = entry.numbers(name)
  if len(values) != count or min(values) < 0 or max(values) <= 0:
    raise entry.error(
        f'has {len(values)} numbers as {name!r} of {count} answers: it needs '
        'one for each, none below 0 and one above'
    )
  return values


def _visdial_image(source: Source, image_id: int) -> str:
  """Training pictures are COCO's, of either part."""
  if source.split == 'validation':
    return f'VisualDialog_val2018/VisualDialog_val2018_{image_id:012d}.jpg'
  names = [
      f'{part}/COCO_{part}_{image_id:012d}.jpg'
      for part in ('train2014', 'val2014')
  ]
  found = [name for name in names if (source.folder / name).is_file()]
  return (found or names)[0]


def star(source: Source) -> Iterator[Sample]:
  """Four choices to each clip, cut out as clips/<video>_<start>_<end>.mp4."""
  for number, entry in source.fields_of(
      source.entries(0), 'question_id', 'question', 'video_id', 'choices'
  ):
    choices = sorted(
        entry.records('choices'), key=lambda choice: choice.whole('choice_id')
    )
    numbers = [choice.whole('choice_id') for choice in choices]
    if numbers != list(range(len(choices))):
      raise entry.error(
          f'has choices of the numbers {shown(numbers)}, which must be 0 to '
          f'{len(choices) - 1}'
      )
    for name in ('start', 'end'):
      entry.seconds(name)
    # The official times have a decimal, which is in the names of the clips.
    clip = '_'.join(str(entry.name(n)) for n in ('video_id', 'start', 'end'))
    name = entry.text('question_id')
    yield source.sample(
        number, source.video(f'clips/{clip}.mp4'),
        {'question': entry.text('question')},
        entry.answer('answer'),
        {'question_id': name, 'type': name.split('_')[0]},
        [choice.text('choice') for choice in choices],
    )


def rareact(source: Source) -> Iterator[Sample]:
  """Clips, cut out as clips/<video>_<start>_<end>.mp4, and all actions."""
  rows = list(source.fields_of(
      source.read_csv(0), 'video_id', 'start', 'end', 'class_id', 'verb',
      'noun', 'annotation',
  ))
  actions = {}
  for _, row in rows:
    number, action = row.whole('class_id'), _action(row)
    if actions.setdefault(number, action) != action:
      raise row.error(
          f'is of class_id {number} and another action, {shown(action)}, than '
          f'one before, {shown(actions[number])}'
      )
  if sorted(actions) != list(range(len(actions))):
    raise source.error(
        0, f'does not have all class_ids from 0 to {max(actions, default=0)}'
    )
  candidates = tuple(actions[i] for i in range(len(actions)))
  for number, row in rows:
    yield source.sample(
        number, source.video(f'clips/{row.clip()}.mp4'), {}, [_action(row)],
        {'video': row.text('video_id'), 'verb': row.text('verb'),
         'noun': row.text('noun'), 'class_id': row.whole('class_id'),
         'annotation': row.whole('annotation', 0, _GRADES)},
        candidates,
    )


def _action(row: Record) -> str:
  """'cut' and 'apple' make 'cuts an apple'."""
  verb, noun = row.text('verb'), row.text('noun')
  if verb.endswith(('s', 'sh', 'ch', 'x', 'z', 'o')):
    verb += 'es'
  elif verb.endswith('y') and verb[-2:-1] not in _VOWELS:
    verb = verb[:-1] + 'ies'
  else:
    verb += 's'
  return f'{verb} {"an" if noun[0] in _VOWELS else "a"} {noun}'


def imagenet(source: Source) -> Iterator[Sample]:
  """ILSVRC2012 as Kaggle packs it: 'n01440764 tench, Tinca tinca' per class."""
  whole = {}
  for number, line in enumerate(source.read_text(1).split('\n'), 1):
    words = line.split(maxsplit=1)
    if len(words) == 1:
      raise source.error(
          1, f'has no name of {shown(words[0])} in line {number}'
      )
    if words and whole.setdefault(*words) != words[1]:
      raise source.error(
          1, f'has another name of {shown(words[0])} in line {number}'
      )
  whole |= {k: v for k, v in _IMAGENET_NAMES.items() if k in whole}
  first = {synset: names.split(',')[0] for synset, names in whole.items()}
  counts = Counter(first.values())
  names = {s: n if counts[n] == 1 else whole[s] for s, n in first.items()}
  candidates = tuple(names.values())
  for number, row in source.fields_of(
      source.read_csv(0), 'ImageId', 'PredictionString'
  ):
    image = row.text('ImageId')
    synset = row.text('PredictionString').split()[0]
    if synset not in names:
      raise row.error(f'is of {shown(synset)}, which {source.files[1]} lacks')
    path = f'train/{synset}/{image}' if source.split == 'train' else (
        f'val/{image}'
    )
    yield source.sample(
        number, source.image(f'ILSVRC/Data/CLS-LOC/{path}.JPEG'), {},
        [names[synset]], {'id': image}, candidates,
    )


def kinetics(source: Source) -> Iterator[Sample]:
  """Clips <part>/<label>/<youtube id>_<start>_<end>.mp4 and their labels."""
  rows = list(source.fields_of(
      source.read_csv(0), 'label', 'youtube_id', 'time_start', 'time_end',
      'split',
  ))
  labels = tuple(sorted({
      row.text('label')
      for _, row in source.fields_of(source.read_csv(1), 'label', number=1)
  }))
  folder = 'train' if source.split == 'train' else 'val'
  for number, row in rows:
    start, end = row.whole('time_start'), row.whole('time_end')
    clip = f'{row.text("youtube_id")}_{start:06d}_{end:06d}'
    label = row.text('label')
    yield source.sample(
        number, source.video(f'{folder}/{label}/{clip}.mp4'), {},
        [label], {'id': clip}, labels,
    )

