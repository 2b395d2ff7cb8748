# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted tokenizers against what the reference's give, on 2,000 lines.

references/record_tokenizers.py made the references.
"""

import functools
import json
import pathlib

import pytest

from flamingo_jax.convert.tokenizer import vocabulary_bytes
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from tests.convert.texts import checksums, lines

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'tokenizers.json').read_text('utf-8'))
ROWS = 900  # of the tables of words, more than there are entries
# Their texts become composed forms, which is what comes back.
COMPOSE = ('gpt_neox', 'qwen2')


def write_tokenizer(folder, name, **files):
  """A folder as the hub has it, without weights; None leaves a file out."""
  told = TOLD[name]
  contents = {
      'tokenizer': told['tokenizer'], 'tokenizer_config': told['settings'],
      'config': {}, **files,
  }
  for file, content in contents.items():
    if content is not None:
      (folder / f'{file}.json').write_text(json.dumps(content))
  return folder


def convert(folder, rows=ROWS):
  (folder / 'vocabulary.model').write_bytes(vocabulary_bytes(folder, rows))
  return Vocabulary(folder / 'vocabulary.model')


@pytest.fixture(scope='module')
def read(tmp_path_factory):
  return functools.cache(lambda name: convert(
      write_tokenizer(tmp_path_factory.mktemp(name), name)
  ))


@pytest.mark.parametrize('name', TOLD)
def test_ids_are_those_of_the_reference(read, name):
  vocabulary, told = read(name), TOLD[name]
  texts = lines(2000, told['specials'])
  found = checksums(map(vocabulary.encode_whole, texts))
  wrong = [
      text for i, text in enumerate(texts)
      if found[4 * i : 4 * i + 4] != told['checksums'][4 * i : 4 * i + 4]
  ]
  assert not wrong, (len(wrong), wrong[:3])
  ends = told['ends']
  assert vocabulary.eos_id == ends['eos']
  assert vocabulary.bos_id == (
      ends['eos'] if ends['bos'] is None else ends['bos']
  )
  if ends['pad'] is not None:
    assert vocabulary.pad_id == ends['pad']


@pytest.mark.parametrize('name', TOLD)
def test_pieces_of_text_come_back_and_are_nothing_special(read, name):
  vocabulary, told = read(name), TOLD[name]
  ends = {vocabulary.bos_id, vocabulary.eos_id}
  for text in lines(300, ('<image>', *told['specials'])):
    ids, places = vocabulary.encode_with_ends(text)
    assert ids == vocabulary.encode(text) and not ends & set(ids)
    assert places == sorted(places)
    if name not in COMPOSE:
      assert places[-1:] == [len(text.encode())] * bool(text)
      assert vocabulary.decode(ids) == text.replace('▁', ' ') or (
          vocabulary.decode(ids) == text
      )


def test_ends_are_of_the_file_that_says_most(tmp_path):
  """tokenizer_config.json, else special_tokens_map.json, else config.json."""
  vocabulary = convert(write_tokenizer(
      tmp_path, 'llama2', tokenizer_config={'eos_token': '<s>'},
      special_tokens_map={'eos_token': '</s>', 'bos_token': {'content': '</s>'}},
      config={'eos_token_id': 2, 'bos_token_id': 1, 'pad_token_id': 5},
  ))
  ends = vocabulary.eos_id, vocabulary.bos_id, vocabulary.pad_id
  assert ends == (1, 2, 5)


def test_entries_beside_the_tokenizer_are_read(tmp_path):
  """Beyond those of tokenizer.json, in the place of rows that had no text."""
  vocabulary = convert(write_tokenizer(tmp_path, 'llama3'))
  (number, entry), = TOLD['llama3']['settings']['added_tokens_decoder'].items()
  found = vocabulary.encode_whole(f'a{entry["content"]}b')
  assert int(number) in found
  assert vocabulary.pieces([int(number)]) == [entry['content']]
  assert int(number) not in vocabulary.encode(entry['content'])


def test_no_text_ends_a_document_although_its_end_is_nothing_special(tmp_path):
  spec = TOLD['llama2']['tokenizer']
  plain = [entry | {'special': False} for entry in spec['added_tokens']]
  vocabulary = convert(write_tokenizer(
      tmp_path, 'llama2', tokenizer=spec | {'added_tokens': plain}
  ))
  ids = vocabulary.encode('a</s>b<s>')
  assert not {vocabulary.bos_id, vocabulary.eos_id} & set(ids)
  assert vocabulary.decode(ids) == 'a</s>b<s>'


def test_the_chat_template_comes_with_it_and_begins_documents_once(tmp_path):
  text = "{{ bos_token }}{% for m in messages %}{{ m.role + ':' + m.content }}"
  text += '{% endfor %}'
  settings = TOLD['llama3']['settings']
  for told in (text, [{'name': 'tools', 'template': ''},
                      {'name': 'default', 'template': text}]):
    vocabulary = convert(write_tokenizer(
        tmp_path, 'llama3', tokenizer_config=settings | {'chat_template': told}
    ))
    (said,) = vocabulary.chat_template.parts([('user', ['a b'])])
    ids = vocabulary.encode_whole(said)
    assert ids.count(vocabulary.bos_id) == 1 == ids.index(vocabulary.bos_id) + 1
    assert vocabulary.decode(ids) == 'user:a b'
  (tmp_path / 'chat_template.jinja').write_text('{{ messages[0].content }}')
  vocabulary = convert(tmp_path)
  assert vocabulary.chat_template.parts([('user', ['x'])]) == ['x']


@pytest.mark.parametrize('files, words', [
    ({'config': {'eos_token_id': 900}, 'tokenizer_config': None},
     r'config\.json: eos_token_id is 900, and .* 900 rows'),
    ({'config': {'eos_token_id': ['a']}, 'tokenizer_config': {}},
     r"config\.json: eos_token_id is 'a'"),
    ({'tokenizer_config': {}}, "'eos_token'"),
    ({'tokenizer': None}, r'tokenizer\.json .*save_pretrained'),
], ids=str)
def test_what_is_not_understood_is_told(tmp_path, files, words):
  with pytest.raises(UserError, match=words):
    convert(write_tokenizer(tmp_path, 'llama2', **files))
