# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""VQA accuracy against numbers of the official program (GT-Vision-Lab/VQA)."""

import pytest

from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation.metrics import vqa

REST = ['x'] * 7
# (prediction, answers, accuracy in the official program, always normalised)
CASES = (
    ('yes', ['yes'] * 10, 100, 100),
    # Nothing is normalised where all annotators agree.
    ('Yes', ['yes'] * 10, 0, 100),
    ('Yes', ['yes'] * 9 + ['no'], 100, 100),
    ('two', ['2'] * 3 + ['two'] * 3 + ['3'] * 4, 100, 100),
    ('a dog', ['dog', 'the dog', 'dog.', *REST], 90, 90),
    ('tshirt, jeans',
     ['t-shirt jeans', 'tshirt jeans', 'tshirt,jeans', *REST], 60, 60),
    ('1,000', ['1000', '1,000', '1 000', '1000', *REST[1:]], 90, 90),
    ('dont know.', ["don't know", 'dont know', "don't know!", *REST], 90, 90),
    ('3.5 m.', ['3.5 m', '3.5m', '3.5 m.', '35 m', *REST[1:]], 60, 60),
    ('none', ['0', '0', 'zero', *REST], 90, 90),
    ('she\nhad\ta cat', ['she had cat', 'she had a cat', 'x', *REST], 60, 60),
    ('unanswerable', ['unanswerable'] * 2 + ['dog'] * 8, 60, 60),
    ('green', ['green', 'green', 'blue'], 44.444444, 44.444444),
    ('', ['yes'] * 10, 0, 0),
)


@pytest.mark.parametrize('said, answers, official, always', CASES)
def test_accuracy_is_that_of_the_official_program(
    said, answers, official, always
):
  assert 100 * vqa.accuracy(said, answers, False) == pytest.approx(official)
  assert 100 * vqa.accuracy(said, answers, True) == pytest.approx(always)


@pytest.mark.parametrize('text, normalised', [
    ("a T-shirt; she's", "t shirt she's"),
    ('Im im', 'im im'),  # the official table has a capital that never comes
    ("couldnt've shes", "couldn't've shes"),
    ("somebody'd", 'somebodyd'),  # as the official table has it
    ('at 3.5 p.m.', 'at 3.5 pm'),
    ('left/right up / down', 'leftright up down'),
])
def test_answers_are_normalised(text, normalised):
  assert vqa.normalise(text) == normalised


# Of facebookresearch/mmf, mmf/utils/m4c_evaluators.py.
@pytest.mark.parametrize('said, answers, official', [
    ("mcdonald's", ["McDonald 's", "mcdonald's", 'mcdonalds', *REST], 60),
    ('1,000', ['1000', '1,000', '1 000', '1000', *REST[1:]], 90),
    ('what?ever', ['whatever', 'what ever', 'Whatever?', *REST], 60),
    ('dont walk', ["don't walk", 'dont walk.', 'DONT WALK!', *REST], 90),
    ('two\n1/2', ['2 1/2', '2 1 2', 'two 1/2', *REST], 90),
    ('3.5', ['3.5', '3.5.', '35', *REST], 60),
    ('Yes', ['yes'] * 10, 100),
    ('', ['yes'] * 10, 0),
])
def test_textvqa_s_accuracy_is_that_of_its_own_program(said, answers, official):
  metric = metrics.TEXTVQA_ACCURACY
  rows = metric.rows([{'answers': answers}], [said])
  assert metric.score(rows) == pytest.approx(official, rel=1e-12)


def test_the_metric_is_in_percent():
  targets = [{'answers': answers} for _, answers, *_ in CASES[:4]]
  said = [said for said, *_ in CASES[:4]]
  rows = metrics.VQA_ACCURACY.rows(targets, said)
  assert metrics.VQA_ACCURACY.score(rows) == 75
  always = metrics.VQA_ACCURACY_ALWAYS_NORMALISED
  assert always.score(always.rows(targets, said)) == 100
