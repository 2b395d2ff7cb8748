# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Close-ended benchmarks: queries with the candidates for their answer."""

from collections import Counter
from collections.abc import Mapping

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.source import Source

_VOWELS = 'aeiou'
# Two pairs of ImageNet's classes have one name; these are told apart.
_IMAGENET_NAMES = {'n02012849': 'crane bird', 'n03126707': 'construction crane'}


def hateful_memes(source: Source) -> list[Sample]:
  """{id, img, label, text} per line; the text in the picture is given."""
  return [
      source.sample(
          number, source.image(entry['img']), {'text': entry['text']},
          ['yes' if entry['label'] else 'no'] if 'label' in entry else [],
          {'id': entry['id']}, ('no', 'yes'),
      )
      for number, entry in source.fields_of(
          source.read_json_lines(0), 'id', 'img', 'text'
      )
  ]


def visdial(source: Source) -> list[Sample]:
  """VisDial 1.0: the annotated round of each dialogue, 100 candidates.

  In training dialogues, which become shots, it is the last round.
  """
  data = source.read_json(0)['data']
  dense = {}
  for entry in source.read_json(1) if source.files[1:] else []:
    relevance = entry.get('gt_relevance', entry.get('relevance'))
    dense[entry['image_id']] = entry['round_id'] - 1, relevance
  samples = []
  for number, dialogue in source.fields_of(
      data['dialogs'], 'image_id', 'caption', 'dialog'
  ):
    image_id, rounds = dialogue['image_id'], dialogue['dialog']
    if dense and image_id not in dense:
      continue
    last, relevance = dense.get(image_id, (len(rounds) - 1, None))
    asked = lambda turn: data['questions'][turn['question']] + '?'
    said = lambda turn: data['answers'][turn['answer']]
    history = ''.join(
        f'Question: {asked(turn)} Answer: {said(turn)}. '
        for turn in rounds[:last]
    )
    options = rounds[last].get('answer_options', [])
    samples.append(source.sample(
        number,
        source.image(_visdial_image(source, image_id)),
        {'caption': dialogue['caption'] + '.', 'history': history,
         'question': asked(rounds[last])},
        [said(rounds[last])],
        {'image_id': image_id, 'round_id': last + 1, 'relevance': relevance},
        [data['answers'][option] for option in options],
    ))
  return samples


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


def star(source: Source) -> list[Sample]:
  """Four choices to each clip, cut out as clips/<video>_<start>_<end>.mp4."""
  samples = []
  for number, entry in source.fields_of(
      source.read_json(0), 'question_id', 'question', 'video_id', 'choices'
  ):
    choices = sorted(entry['choices'], key=lambda choice: choice['choice_id'])
    clip = f'{entry["video_id"]}_{entry["start"]}_{entry["end"]}'
    samples.append(source.sample(
        number, source.video(f'clips/{clip}.mp4'),
        {'question': entry['question']},
        [entry['answer']] if 'answer' in entry else [],
        {'question_id': entry['question_id'],
         'type': entry['question_id'].split('_')[0]},
        [choice['choice'] for choice in choices],
    ))
  return samples


def rareact(source: Source) -> list[Sample]:
  """Clips, cut out as clips/<video>_<start>_<end>.mp4, and all actions."""
  rows = list(source.fields_of(
      source.read_csv(0), 'video_id', 'start', 'end', 'class_id', 'verb',
      'noun', 'annotation',
  ))
  actions = {int(row['class_id']): _action(row) for _, row in rows}
  if sorted(actions) != list(range(len(actions))):
    raise UserError(
        f'{source.path(source.files[0])} does not have all class_ids from 0 '
        f'to {max(actions)}: take the whole file from {source.origin}'
    )
  candidates = tuple(actions[i] for i in range(len(actions)))
  return [
      source.sample(
          number,
          source.video(
              f'clips/{row["video_id"]}_{row["start"]}_{row["end"]}.mp4'
          ),
          {}, [_action(row)],
          {'video': row['video_id'], 'verb': row['verb'], 'noun': row['noun'],
           'class_id': int(row['class_id']),
           'annotation': int(row['annotation'])},
          candidates,
      )
      for number, row in rows
  ]


def _action(row: Mapping[str, str]) -> str:
  """'cut' and 'apple' make 'cuts an apple'."""
  verb, noun = row['verb'], row['noun']
  if verb.endswith(('s', 'sh', 'ch', 'x', 'z', 'o')):
    verb += 'es'
  elif verb.endswith('y') and verb[-2] not in _VOWELS:
    verb = verb[:-1] + 'ies'
  else:
    verb += 's'
  return f'{verb} {"an" if noun[0] in _VOWELS else "a"} {noun}'


def imagenet(source: Source) -> list[Sample]:
  """ILSVRC2012 as Kaggle packs it: 'n01440764 tench, Tinca tinca' per class."""
  lines = source.read_text(1).splitlines()
  whole = dict(line.split(maxsplit=1) for line in lines if line)
  whole |= {k: v for k, v in _IMAGENET_NAMES.items() if k in whole}
  first = {synset: names.split(',')[0] for synset, names in whole.items()}
  counts = Counter(first.values())
  names = {s: n if counts[n] == 1 else whole[s] for s, n in first.items()}
  candidates = tuple(names.values())
  samples = []
  for number, row in source.fields_of(
      source.read_csv(0), 'ImageId', 'PredictionString'
  ):
    image, synset = row['ImageId'], row['PredictionString'].split()[0]
    path = f'train/{synset}/{image}' if source.split == 'train' else (
        f'val/{image}'
    )
    samples.append(source.sample(
        number, source.image(f'ILSVRC/Data/CLS-LOC/{path}.JPEG'), {},
        [names[synset]], {'id': image}, candidates,
    ))
  return samples


def kinetics(source: Source) -> list[Sample]:
  """Clips <part>/<label>/<youtube id>_<start>_<end>.mp4 and their labels."""
  rows = list(source.fields_of(
      source.read_csv(0), 'label', 'youtube_id', 'time_start', 'time_end',
      'split',
  ))
  labels = tuple(sorted({row['label'] for row in source.read_csv(1)}))
  folder = 'train' if source.split == 'train' else 'val'
  samples = []
  for number, row in rows:
    start, end = int(row['time_start']), int(row['time_end'])
    clip = f'{row["youtube_id"]}_{start:06d}_{end:06d}'
    samples.append(source.sample(
        number, source.video(f'{folder}/{row["label"]}/{clip}.mp4'), {},
        [row['label']], {'id': clip}, labels,
    ))
  return samples

