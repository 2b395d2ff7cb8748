# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Options, prompts and candidates of any kind: they work or are told."""

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.errors import shown

STEPS = 5
CAT = fj.image(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))


class Unwritable:

  def __repr__(self):
    raise RuntimeError('no text')


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
    (['word ' * 100, CAT], {}, r'shorten its text to fit 59 tokens'),
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
    ([CAT], {'max_new_tokens': -10**5000}, 'max_new_tokens is <a number of'),
    ([CAT], {'seed': 10**5000}, 'seed is <a number of'),
    ([CAT], {'temperature': 10**5000}, 'temperature is <a number of'),
    ([CAT], {'fps': 10**5000}, 'fps is <a number of'),
    ([CAT], {'seed': Unwritable()}, 'seed is <Unwritable instance'),
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
], ids=lambda x: None if isinstance(x, list) else shown(x, 20))
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
    ([Unwritable()], 'at least one text'),
    (10**5000, 'at least one text'),
], ids=lambda x: type(x).__name__)
def test_bad_candidates_are_told(model, candidates, words):
  with pytest.raises(fj.UserError, match=words):
    model.score([CAT, 'Output:'], candidates)


@pytest.mark.parametrize('separator', [None, 5, b' ', [' ']], ids=str)
def test_separator_is_a_text(model, separator):
  with pytest.raises(fj.UserError, match='separator is .* must be a text'):
    model.score([CAT, 'Output:'], ['a'], separator=separator)


@pytest.mark.parametrize('given, words', [
    ({'model_dir': ''}, "'' is not the name of a folder"),
    ({'model_dir': 'a\0b'}, 'is not the name of a folder'),
    ({'model_dir': 'x' * 5000}, 'cannot be read .File name too long'),
    ({'model_dir': __file__}, 'does not exist: give the MODEL_DIR'),
    ({'step': 10**5000}, 'no checkpoint of step <a number of'),
    ({'step': 2400.0}, r'step is 2400\.0 and must be a whole number'),
    ({'step': True}, 'step is True'),
    ({'keep_latents': '5'}, "keep_latents is '5'"),
    ({'keep_latents': -1}, 'keep_latents is -1'),
    ({'keep_latents': float('nan')}, 'keep_latents is nan'),
    ({'cache_media': '/tmp'}, "cache_media is '/tmp' and must be True or False"),
    ({'devices': []}, 'must be a list of devices'),
    ({'mesh': {'fsdp': 0}}, 'the mesh axis fsdp is 0'),
    ({'mesh': {'fsdp': -1, 'model': -1}}, 'the mesh axis fsdp is -1'),
    ({'mesh': {'data': 1}}, "unknown mesh axis 'data'"),
    ({'rules': 'x' * 10**6}, 'unknown sharding rules'),
], ids=lambda x: shown(x, 20))
def test_what_loads_is_checked(given, words):
  with pytest.raises(fj.UserError, match=words):
    fj.load(**given)


def test_candidates_may_be_an_array_of_texts(model):
  texts = ['a cat', 'a dog']
  np.testing.assert_array_equal(
      model.score([CAT], np.array(texts)), model.score([CAT], texts)
  )


@pytest.mark.parametrize('media', [[], None, CAT, ['a.jpg'], [CAT, 3]], ids=lambda x: type(x).__name__)
def test_what_is_embedded_is_a_list_of_media(model, media):
  with pytest.raises(fj.UserError, match='media are a list of what'):
    model.embed(media)


def test_a_prefix_is_one_list_of_parts(model):
  with pytest.raises(fj.UserError, match='a prefix is one list of parts'):
    model.generate([CAT], prefix=[['a'], ['b']])
