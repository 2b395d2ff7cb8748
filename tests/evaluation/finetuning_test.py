# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is fine-tuned on, and what is held out to choose by."""

import json
import sys

from PIL import Image
import pytest
import seqio

from flamingo_jax.data.documents import Document
from flamingo_jax.data.media import image
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import finetuning
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.tasks import benchmarks
from flamingo_jax.tasks import own_data
from tests.evaluation import miniature

MEDIUM = image('picture.png')


@pytest.mark.parametrize('parts, text, answer', [
    ((MEDIUM, 'a cat'), '', 'a cat'),
    ((MEDIUM, 'Output: a cat'), 'Output:', 'a cat'),
    ((MEDIUM, 'Question: An Answer: or ', 'what? Answer: two  '),
     'Question: An Answer: or what? Answer:', 'two'),
    ((MEDIUM,), None, 'one image or video and then its text'),
    ((MEDIUM, MEDIUM, 'a cat'), None, 'one image or video and then its text'),
    (('a cat', MEDIUM, 'a dog'), None, 'one image or video and then its text'),
    ((MEDIUM, 'Question: What? Answer: '), None, 'no answer behind'),
])
def test_a_document_is_a_question_and_an_answer(parts, text, answer):
  document = Document(parts, 'own.jsonl:7', 7)
  if text is None:
    with pytest.raises(UserError, match=f'^own.jsonl:7: .*{answer}'):
      finetuning.as_sample(document)
    return
  sample = finetuning.as_sample(document)
  assert (sample.media, sample.text, sample.answers) == (
      (MEDIUM,), text, (answer,)
  )


def test_no_picture_is_trained_on_and_held_out():
  def at(folder):
    return [
        Sample((image(f'{folder}/{i // 3}.png'),), 'What?', ('it',), f'{i}', i)
        for i in range(30)
    ]

  samples = at('here')
  trained, apart = finetuning.set_apart(samples, 8)
  assert len(apart) == 9 and sorted(
      sample.example_id for sample in trained + apart
  ) == list(range(30))
  shown = lambda found: {sample.media[0].path for sample in found}
  assert not shown(trained) & shown(apart)
  # Another order of the files is the same choice.
  again, _ = finetuning.set_apart(samples[::-1], 8)
  assert shown(again) == shown(trained)
  moved, _ = finetuning.set_apart(at('elsewhere'), 8)
  assert [s.example_id for s in moved] == [s.example_id for s in trained]
  with pytest.raises(UserError, match='40 of 30 examples .* hold out fewer'):
    finetuning.set_apart(samples, 40)


@pytest.mark.parametrize('name, metric, asked, said, candidates', [
    ('vqav2', 'vqa_accuracy', 'Answer:', 'Question: ', 0),
    ('hateful_memes', 'roc_auc', 'Is it hateful? Answer:', 'is an image with', 2),
])
def test_a_benchmark_is_fine_tuned_on(
    tmp_path, name, metric, asked, said, candidates
):
  miniature.WRITERS[name](tmp_path / name)
  task = benchmarks.finetuning(name, tmp_path, metric, held_out=4)
  found = seqio.TaskRegistry.get(task).source.documents('train')
  medium, text = found[0].parts
  assert medium.kind == 'image' and text.startswith(said)
  assert asked in text and not text.endswith(asked)
  held_out = seqio.TaskRegistry.get(finetuning.held_out(task))
  episodes = held_out.source.documents(finetuning.SPLIT)
  assert 4 <= len(episodes) < 4 + len(found)
  assert not any(episode.supports for episode in episodes)
  assert episodes[0].query.text.endswith(asked)
  assert not {found[i].source for i in range(len(found))} & {
      episode.query.source for episode in episodes
  }
  query = episodes[0].query
  target = {'answers': query.answers, 'record': query.record}
  assert len(query.candidates) == candidates
  if not candidates:
    function = held_out.metric_fns[0]
    said = max(query.answers, key=query.answers.count)
    assert function([target], [said])['vqa_accuracy'] == 100
  with pytest.raises(UserError, match=f"'cider' .* of {name}: {metric}"):
    benchmarks.finetuning(name, tmp_path, 'cider')


def test_lines_of_a_file_are_held_out(tmp_path, monkeypatch):
  lines = [
      {'parts': [{'image': 'a.png'}, {'text': f'Question: {i}? Answer: {i}'}]}
      for i in range(3)
  ]
  file = tmp_path / 'own.jsonl'
  Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
  file.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  lengths = {'tokens': 32, 'media': 1, 'image_size': 8}
  name = own_data.mixture(
      str(file), lengths, str(file), default_vocabulary
  )
  assert own_data.held_out(name, 'top1') == 'own_data_held_out'
  task = seqio.TaskRegistry.get('own_data_held_out')
  asked = [e.query.text for e in task.source.documents('held_out')]
  assert asked == [f'Question: {i}? Answer:' for i in range(3)]
  with pytest.raises(UserError, match="unknown metric 'bleu'.* top1, cider"):
    own_data.held_out(name, 'bleu')
  # Not after 500 steps.
  monkeypatch.setitem(sys.modules, 'pycocoevalcap.cider.cider', None)
  with pytest.raises(UserError, match=r'pycocoevalcap: pip install .*\[eval\]'):
    own_data.held_out(name, 'cider')
