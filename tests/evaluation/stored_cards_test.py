# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Cards that are read again, and compared with those of a replay."""

import json

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import report, stored_cards
from tests.evaluation.answerers import evaluate


def test_words_of_another_program_are_told(data, tmp_path, monkeypatch):
  one, _ = evaluate(data, tmp_path / 'one', 'coco')
  assert one['scores']['cider']['tokenizer'] == 'nltk-treebank'
  table = report.table_of_scores(report.summarise([one]))
  assert 'cider: words of nltk-treebank' in table
  other = json.loads(json.dumps(one))
  assert not stored_cards.other_tokenizers(one, other)
  other['scores']['cider'] |= {'tokenizer': 'another', 'score': 1.0}
  stored_cards.check_replay(one, other)  # the predictions are the same
  assert stored_cards.other_tokenizers(one, other) == [
      'cider is of other words: those of nltk-treebank in the card, 646.47, and '
      'of another here, 1.00'
  ]


@pytest.mark.parametrize('damage', [
    lambda card: card.pop('model'),
    lambda card: card['model'].clear(),
    lambda card: card['settings'].pop('shots'),
    lambda card: card['settings'].update(shot=4),
    lambda card: card.update(scores=[]),
    lambda card: card.update(decoding=None),
])
def test_a_damaged_card_is_told(tmp_path, damage):
  settings = {'benchmark': 'coco', 'split': 'test', 'shots': 0}
  card = {
      'format': stored_cards.FORMAT, 'settings': settings, 'scores': {},
      'decoding': {'batch_size': 8}, 'data': {'folder': 'x'},
      'model': {'model_dir': 'x'}, 'environment': {}, 'predictions': {},
  }
  path = tmp_path / 'card.json'
  path.write_text(json.dumps(card))
  assert stored_cards.read(path) == card
  damage(card)
  path.write_text(json.dumps(card))
  with pytest.raises(UserError, match='card.json is damaged: '):
    stored_cards.read(path)


@pytest.mark.parametrize('content, sentence', [
    ({'format': 3}, 'of format 3, of an earlier version, and this one has format'),
    ({'format': 99}, 'is not a card of format'), ([], 'is not a card of format'),
])
def test_a_card_of_another_format_is_told(tmp_path, content, sentence):
  path = tmp_path / 'card.json'
  path.write_text(json.dumps(content))
  with pytest.raises(UserError, match=sentence):
    stored_cards.read(path)
