# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Annotation files in the writing of other programs and editors."""

import json
import shutil

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks

QUESTIONS = 'v2_OpenEnded_mscoco_val2014_questions.json'


@pytest.fixture
def rewrite(data, tmp_path):
  """The samples of a benchmark, of whose first file the bytes are changed."""

  def read(name, change, file=None):
    row = paper_benchmarks.find(name)
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    shutil.copytree(
        data / name, folder / name, ignore=lambda at, names: [
            n for n in names if (data / name / n).is_dir()
        ],
    )
    path = folder / name / (file or row.splits[row.split][0])
    path.write_bytes(change(path.read_bytes()))
    # Media are in another folder each time.
    return [
        (s.text, s.answers, s.record, s.media[0].path.partition(name)[2])
        for s in row.queries(folder, row.split)
    ]

  return read


@pytest.mark.parametrize('name, change', [
    ('vqav2', lambda data: b'\xef\xbb\xbf' + data),
    ('ivqa', lambda data: b'\xef\xbb\xbf' + data),
    ('kinetics700', lambda data: data.replace(b',0,', b',0.0,')),
    ('ivqa', lambda data: data.replace(b',3,', b',3.0,')),
    ('hateful_memes', lambda data: data.replace(b'\n', b'\r\n')),
])
def test_another_writing_says_the_same(rewrite, name, change):
  assert rewrite(name, change) == rewrite(name, lambda data: data)


def test_ids_of_texts_are_those_of_numbers(rewrite):
  def as_texts(data):
    value = json.loads(data)
    for entry in value['questions']:
      entry['question_id'] = str(entry['question_id'])
    return json.dumps(value).encode()

  answers = lambda samples: [sample[:2] for sample in samples]
  assert answers(rewrite('vqav2', as_texts)) == (
      answers(rewrite('vqav2', lambda data: data))
  )


@pytest.mark.parametrize('name, file, change, told', [
    ('vqav2', None, lambda data: data[:-9] + 'caf\u00e9'.encode('latin-1'),
     'byte 0xe9 in line 1 .* Latin-1'),
    ('ivqa', None, lambda data: data[: data.index(b'\r\n') + 2] + b'x,1,"op',
     'in line 2 .*unexpected end'),
    ('vqav2', None, lambda data: b'[]',
     "has no field 'questions', but is \\[\\]"),
    ('vqav2', None, lambda data: b'{"data": []}', "has no field 'questions'"),
    ('vqav2', None, lambda data: b'{"questions": {}}',
     "as 'questions', but {}"),
    ('nextqa', 'map_vid_vidorID.json', lambda data: b'[]',
     'not one JSON object'),
    ('nextqa', 'map_vid_vidorID.json', lambda data: b'{"1": "a", "1": "b"}',
     "the key '1' twice"),
    ('youcook2', None, lambda data: b'{"database": []}', "no field 'database'"),
    ('ivqa', None, lambda data: data.replace(b',3,', b',nan,'),
     "entry .* has 'nan' as 'start', which must be a time"),
    ('kinetics700', None, lambda data: data.replace(b',0,', b',,'),
     "entry .* has '' as 'time_start', which must be a whole number"),
    ('vqav2', None, lambda data: (lambda value: json.dumps({
        'questions': value['questions'] * 2}).encode())(json.loads(data)),
     'is the second one of question_id'),
])
def test_what_a_file_holds_wrongly_is_told(rewrite, name, file, change, told):
  with pytest.raises(UserError, match=told) as raised:
    rewrite(name, change, file)
  row = paper_benchmarks.find(name)
  assert (file or row.splits[row.split][0]) in str(raised.value)


def test_secret_annotations_of_another_split_are_not_needed(rewrite):
  def add(data):
    value = json.loads(data)
    value['database']['z'] = {'subset': 'testing'}
    return json.dumps(value).encode()

  assert rewrite('youcook2', add) == rewrite('youcook2', bytes)
