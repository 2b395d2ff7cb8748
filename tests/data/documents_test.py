# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The JSONL schema: what it accepts, and a sentence for all it does not."""

import base64
import json

import numpy as np
import PIL.Image
import pytest

from flamingo_jax.data import documents
from flamingo_jax.errors import UserError
from tests import pictures

IMAGE = {'image': 'a.png'}
TEXT = {'text': 'A cat.'}


@pytest.fixture
def folder(tmp_path):
  """Media of every condition."""
  (tmp_path / 'sub').mkdir()
  noise = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
  jpeg = pictures.encode(noise[0], 'JPEG')
  files = {
      'a.png': pictures.encode(noise[0]),
      'sub/b.jpg': jpeg,
      'moving.gif': pictures.animate([*map(PIL.Image.fromarray, noise)], 'GIF'),
      'empty.jpg': b'',
      'cut.jpg': jpeg[:1000],
      'text.jpg': b'not found',
  }
  for name, data in files.items():
    (tmp_path / name).write_bytes(data)
  return tmp_path


def write(folder, *lines):
  path = folder / 'own.jsonl'
  path.write_bytes(b''.join(
      line if isinstance(line, bytes) else json.dumps(line).encode() + b'\n'
      for line in lines
  ))
  return path


def problems(path, *limit):
  """(line, sentence) of all that is wrong with a file."""
  return [(line.number, problem) for line in documents.scan(path, *limit)
          for problem in line.problems]


def parts(*items):
  return {'parts': list(items)}


def test_documents_are_read_by_index(folder):
  path = write(
      folder,
      parts(IMAGE, TEXT),
      b'\n',
      parts(
          {'text': 'Look: '},
          {'image': 'sub/b.jpg'},
          {'video': 'moving.gif'},
      ),
      b'  \r\n',
      json.dumps(parts(IMAGE, {'text': 'caf\u00e9 \u732b\n'})).encode(),
  )
  docs = documents.JsonlDocuments(path)
  assert len(docs) == 3
  assert [doc.example_id for doc in docs] == [1, 3, 5]
  assert docs[1].source == f'{path}:3'
  text, image, video = docs[1].parts
  assert text == 'Look: '
  assert (image.kind, image.path) == ('image', str(folder / 'sub/b.jpg'))
  assert (video.kind, video.path) == ('video', str(folder / 'moving.gif'))
  assert docs[2].parts[1] == docs[-1].parts[1] == 'caf\u00e9 \u732b\n'
  with pytest.raises(IndexError):
    docs[3]


def test_a_byte_order_mark_and_windows_lines_are_read(folder):
  line = json.dumps(parts(IMAGE, TEXT)).encode()
  path = write(folder, b'\xef\xbb\xbf' + line + b'\r\n' + line + b'\r\n')
  docs = documents.JsonlDocuments(path)
  assert [doc.parts[1] for doc in docs] == ['A cat.', 'A cat.']


def test_paths_start_at_the_folder_of_the_file(folder, monkeypatch):
  path = write(folder / 'sub', parts({'image': '../a.png'}, TEXT))
  monkeypatch.chdir('/')
  doc = documents.JsonlDocuments(path)[0]
  assert doc.parts[0].path == str(folder / 'a.png')
  absolute = write(folder, parts({'image': str(folder / 'a.png')}, TEXT))
  assert documents.JsonlDocuments(absolute)[0].parts[0].path == str(
      folder / 'a.png'
  )


def test_other_keys_of_a_document_are_kept_for_messages_and_told(folder):
  more = {'id': 'b7', 'url': 'http://x', 'caption_source': {'text': ['alt']},
          'images': 2, 'license': None}
  none = parts(IMAGE, TEXT) | {'id': None}
  path = write(folder, parts(IMAGE, TEXT) | more, none)
  named, plain = documents.JsonlDocuments(path)
  assert named.parts[0].path == plain.parts[0].path
  assert named.parts[1:] == plain.parts[1:] == ('A cat.',)
  assert (named.name, named.source) == ("id 'b7'", f"{path}:1 (id 'b7')")
  assert (plain.name, plain.source) == ('', f'{path}:2')
  assert [line.further for line in documents.scan(path)] == [
      tuple(more), ('id',)
  ]
  (folder / 'a.png').unlink()
  with pytest.raises(UserError, match="own.jsonl:1: id 'b7': .*a.png does not"):
    documents.JsonlDocuments(path)


PROBLEMS = [
    (b'{"parts": [\n', r'not JSON at column 12 .*one complete document'),
    (b'caf\xe9\n', 'byte 3 is not UTF-8'),
    (b'[' * 100_000 + b'\n', 'not a document'),
    (b'1' * 10_000 + b'\n', 'not a document'),
    ([1, 2], 'has no list "parts"'),
    ({'image': 'a.png', 'text': 'A cat.'}, 'has no list "parts"'),
    ({'parts': 'A cat.'}, 'has no list "parts"'),
    ({'part': [IMAGE, TEXT]}, 'has no list "parts".*did you mean .*\'part\''),
    ({'Parts': [IMAGE, TEXT], 'id': 3}, 'has no list "parts".*\'Parts\''),
    (parts(IMAGE, TEXT) | {'part': []}, "unknown key 'part' beside"),
    (parts(IMAGE, TEXT) | {'PARTS': []}, "unknown key 'PARTS' beside"),
    (parts(IMAGE) | {'id': 'b7'}, "id 'b7': the document has no text"),
    (parts(IMAGE) | {'txt': 'x'}, 'no text.*did you mean "text" by \'txt\''),
    (parts(TEXT) | {'Imge': 'x'}, 'did you mean "image" by \'Imge\''),
    (b'{"parts": [{"text": "A", "text": "B"}]}\n', "the key 'text' twice"),
    (parts(), 'the document is empty'),
    (parts(TEXT), 'has no image or video'),
    (parts(IMAGE), 'has no text'),
    (parts(IMAGE, 'A cat.'), 'part 2 is "A cat."'),
    (parts(IMAGE, {'image': 'a.png', 'text': 'A'}), 'part 2 is .*one key'),
    (parts(IMAGE, {}), 'part 2 is {}'),
    (parts(IMAGE, {'texts': 'A'}), 'part 2 .*\'texts\'.*did you mean "text"'),
    (parts(IMAGE, {'sound': 'A'}), "part 2 has the unknown key 'sound'"),
    (parts(IMAGE, {'text': 7}), 'part 2 has a text that is not a string: 7'),
    (parts(IMAGE, {'text': ''}), 'part 2 has an empty text'),
    (parts(IMAGE, {'text': ' \n'}), 'part 2 has an empty text'),
    (parts({'image': ''}, TEXT), 'part 1 has an empty image'),
    (parts(IMAGE, {'text': '\ud83e'}), 'part 2 has half of a surrogate pair'),
    (parts({'image': 'absent.jpg'}, TEXT), 'absent.jpg does not exist'),
    (parts({'image': 'a\0.jpg'}, TEXT), 'cannot be read'),
    (parts({'image': 'sub'}, TEXT), "sub' cannot be read"),
    (parts({'image': 'empty.jpg'}, TEXT), r'empty.jpg is empty \(0 bytes\)'),
    (parts({'image': 'cut.jpg'}, TEXT), 'cut.jpg is corrupt or cut short'),
    (parts({'video': 'text.jpg'}, TEXT), 'text.jpg cannot be decoded'),
    (parts({'video': 'absent.mp4'}, TEXT), 'absent.mp4 does not exist'),
]


@pytest.mark.parametrize('line, message', PROBLEMS)
def test_each_problem_is_one_sentence_with_its_line(folder, line, message):
  path = write(folder, parts(IMAGE, TEXT), line)
  with pytest.raises(UserError, match=f'own.jsonl:2: .*{message}') as raised:
    documents.JsonlDocuments(path)
  assert '\n' not in str(raised.value)
  assert len(str(raised.value)) < 400 + len(str(folder)) * 2
  assert [n for n, _ in problems(path)] == [2]


def test_a_picture_may_stand_in_the_line_itself(folder):
  encoded = base64.b64encode((folder / 'a.png').read_bytes()).decode()
  address = f'data:image/png;base64,{encoded}'
  path = write(folder, parts({'image': address}, {'text': 'Red.'}))
  (document,) = documents.JsonlDocuments(path)
  assert document.parts[0].data == (folder / 'a.png').read_bytes()
  assert document.parts[0].path == 'data:image/png;base64'


@pytest.mark.parametrize('address, words', [
    ('https://example.org/a.jpg', 'is an address of the web'),
    ('data:image/png;base64,!', 'holds something other than base64'),
    ('data:image/png;base64,AAAA', 'is not an image of a known format'),
])
def test_an_address_that_is_no_picture_is_told_with_its_line(
    folder, address, words
):
  path = write(folder, parts({'image': address}, {'text': 'Red.'}))
  with pytest.raises(UserError, match=f'^{path}:1: .*{words}'):
    documents.JsonlDocuments(path)


def test_no_problem_hides_another(folder):
  path = write(folder, *(line for line, _ in PROBLEMS))
  found = problems(path)
  assert [n for n, _ in found if n] == sorted(n for n, _ in found)
  assert {n for n, _ in found} == set(range(1, len(PROBLEMS) + 1))
  more = len(found) - 1
  with pytest.raises(UserError, match=f'own.jsonl:1: .*{more} more problems.*'
                     'flamingo check'):
    documents.JsonlDocuments(path)


def test_several_problems_of_one_line_are_all_told(folder):
  path = write(folder, parts(
      {'image': 'absent.jpg'}, {'text': ''}, {'image': 'empty.jpg'},
      {'picture': 'a.png'},
  ) | {'part': 1})
  messages = [message for _, message in problems(path)]
  assert len(messages) == 5
  assert {n for n, _ in problems(path)} == {1}


def test_a_bad_medium_is_told_on_every_line_that_names_it(folder):
  line = parts({'image': 'cut.jpg'}, TEXT)
  path = write(folder, line, parts(IMAGE, TEXT), line)
  assert [n for n, _ in problems(path)] == [1, 3]


def test_beyond_the_limit_only_headers_are_read(folder):
  cut, empty = {'image': 'cut.jpg'}, {'image': 'empty.jpg'}
  path = write(folder, parts(IMAGE, TEXT), parts(cut, TEXT), parts(empty, TEXT))
  lines = lambda limit: [
      n for n, _ in problems(path, limit)
  ]
  assert lines(None) == lines(2) == [2, 3]
  assert lines(1) == lines(0) == [3]


@pytest.mark.parametrize('content', [b'', b'\n\n'])
def test_an_empty_file_is_refused(folder, content):
  path = write(folder, content)
  with pytest.raises(UserError, match='own.jsonl: holds no document'):
    documents.JsonlDocuments(path)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(UserError, match='absent.jsonl: cannot be read'):
    documents.JsonlDocuments(tmp_path / 'absent.jsonl')


def test_a_file_that_changes_meanwhile_is_noticed(folder):
  path = write(folder, parts(IMAGE, TEXT), parts(IMAGE, TEXT))
  docs = documents.JsonlDocuments(path)
  path.write_text('x' + path.read_text())
  with pytest.raises(UserError, match='own.jsonl:2: .*the file changed'):
    docs[1]
