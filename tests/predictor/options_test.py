# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Options, prompts and candidates of any kind: they work or are told."""

import numpy as np
import pytest

import flamingo_jax as fj

STEPS = 5
CAT = fj.image(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))


@pytest.mark.parametrize('options', [
    {'max_new_tokens': np.int64(STEPS)},
    {'max_new_tokens': np.uint8(STEPS), 'beams': np.array(1)},
    {'temperature': np.float32(1), 'top_k': 1},
    {'temperature': 1, 'top_k': np.int32(1), 'top_p': np.float64(0.5)},
    {'temperature': 1, 'top_p': 1e-9, 'top_k': 10**10},
    {'batch_size': 10**10, 'seed': 2**31 - 1},
], ids=str)
def test_numbers_of_any_kind_are_options(model, options):
  expected = model.generate([CAT, 'a'], max_new_tokens=STEPS)
  options = {'max_new_tokens': STEPS, **options}
  assert model.generate([CAT, 'a'], **options) == expected


@pytest.mark.parametrize('prompt, options, words', [
    ([], {}, 'there is no prompt'),
    ([fj.image('no/such.jpg')], {}, r'no.such\.jpg does not exist'),
    ([CAT, 'word ' * 100], {}, r'shorten its text to fit 59 tokens'),
    ([CAT, 'a b c d e'] * 7, {}, r'has \d+ tokens and 7 images .*the model '
     r'reads 64 tokens.* the last [3-6] images'),
    ([CAT], {'max_new_tokens': 64}, 'leaves no room'),
    ([CAT], {'max_new_tokens': 0}, 'max_new_tokens is 0'),
    ([CAT], {'max_new_tokens': 5.0}, r'max_new_tokens is 5\.0 and must be a '
     'whole number from 1'),
    ([CAT], {'max_new_tokens': None}, 'max_new_tokens is None'),
    ([CAT], {'max_new_tokens': True}, 'max_new_tokens is True'),
    ([CAT], {'max_new_tokens': '5'}, "max_new_tokens is '5'"),
    ([CAT], {'max_new_tokens': 10**10}, 'leaves no room'),
    ([CAT], {'beams': 10**10}, 'beams is 1.* from 1 to 256'),
    ([CAT], {'seed': 2**64}, 'seed is 18446744073709551616 and must be a '
     'whole number from 0 to 2147483647'),
    ([CAT], {'seed': 2**31}, 'seed is 2147483648'),
    ([CAT], {'seed': -1}, 'seed is -1'),
    ([CAT], {'seed': 0.5}, r'seed is 0\.5'),
    ([CAT], {'temperature': 1.0, 'top_k': 2.5}, r'top_k is 2\.5'),
    ([CAT], {'temperature': '1'}, "temperature is '1'"),
    ([CAT], {'frames': 10**10}, 'frames is 1.* from 1 to 10000'),
    ([CAT], {'batch_size': 0}, 'batch_size is 0'),
    ([CAT], {'beams': 0}, 'beams is 0'),
    ([CAT], {'temperature': -1.0}, r'temperature is -1'),
    ([CAT], {'temperature': float('nan')}, r'temperature is nan'),
    ([CAT], {'temperature': 1.0, 'top_p': 1.5}, r'top_p is 1\.5'),
    ([CAT], {'top_k': 5}, 'set temperature above 0'),
    ([CAT], {'temperature': 1.0, 'beams': 3}, 'set beams to 1'),
], ids=lambda x: None if isinstance(x, list) else str(x)[:20])
def test_bad_prompts_and_options_are_told(model, prompt, options, words):
  with pytest.raises(fj.UserError, match=words):
    model.generate(prompt, **{'max_new_tokens': STEPS, **options})


@pytest.mark.parametrize('candidates, words', [
    ([], 'at least one text'),
    ('a cat', 'at least one text'),
    (['a cat', ''], r"candidate 2 \(''\) has no tokens"),
    (['word ' * 100], 'leaves no room for a prompt'),
    (b'a cat', 'at least one text'),
    (3, 'at least one text.* not 3'),
    ([3, 4], r'at least one text.* not \[3, 4\]'),
    ([['a'], ['b']], 'at least one text'),
    (np.array([[['a']]]), 'at least one text'),
    (np.array(3), 'at least one text'),
    ({'a': 'cat'}, 'at least one text'),
    (['a', None], 'at least one text'),
], ids=str)
def test_bad_candidates_are_told(model, candidates, words):
  with pytest.raises(fj.UserError, match=words):
    model.score([CAT, 'Output:'], candidates)


def test_candidates_may_be_an_array_of_texts(model):
  texts = ['a cat', 'a dog']
  np.testing.assert_array_equal(
      model.score([CAT], np.array(texts)), model.score([CAT], texts)
  )
