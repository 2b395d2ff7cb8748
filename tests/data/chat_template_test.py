# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Chat templates, as transformers renders them, and what they may not do."""

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.chat_template import ChatTemplate

# Every feature that templates of the hub lean on.
TEMPLATE = '''\
{%- if messages[0]['role'] == 'system' -%}
  {%- set told, messages = messages[0]['content'], messages[1:] -%}
{%- else -%}
  {%- set told = 'Be brief.' -%}
{%- endif -%}
{{- bos_token + '<|system|>' + told + eos_token + '\\n' -}}
{%- for message in messages -%}
  {%- if message.role == 'tool' -%}
    {{- raise_exception('there are no tools') -}}
  {%- endif -%}
  {%- if not message.content -%}{%- continue -%}{%- endif -%}
  {% if message.role == 'assistant' %}
    {%- generation -%}
    {{ '<|assistant|>' + message['content'] | trim + eos_token }}
    {%- endgeneration -%}
  {% else %}
    {{- '<|' + message['role'] + '|>' + message['content'] | tojson + eos_token }}
  {% endif %}
{%- endfor -%}
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}
'''
NAMES = {'bos_token': '<s>', 'eos_token': '</s>'}
SPECIAL = ('<s>', '</s>', '<|user|>')


def template(text=TEMPLATE, first='<s>'):
  return ChatTemplate(text, NAMES, SPECIAL, first, 'tokenizer.json')


def test_turns_are_those_of_transformers():
  (text,) = template().parts([
      ('user', ['I <3 "cats" & d\xf6gs']), ('assistant', [' Me ', 'too ']),
      ('user', ['']), ('user', ['Why?']),
  ])
  # What transformers 5.23.0 renders, without the <s> that the tokenizer adds.
  assert text == (
      '<|system|>Be brief.</s>\n'
      '<|user|>"I <3 \\"cats\\" & d\xf6gs"</s>\n<|assistant|>Me too</s>'
      '<|user|>"Why?"</s>\n<|assistant|>'
  )
  (text,) = template(first='').parts([('system', ['No.']), ('user', ['a'])])
  assert text == '<s><|system|>No.</s>\n<|user|>"a"</s>\n<|assistant|>'
  (text,) = template().parts([('user', ['a']), ('assistant', ['b'])])
  assert text.endswith('<|assistant|>b</s>')


@pytest.mark.parametrize('messages, words', [
    ([('tool', ['a'])], r'cannot be rendered \(there are no tools\)'),
    ([('user', ['so </s> it is'])], "holds '</s>', by which"),
    ([('user', [fj.image(np.zeros((4, 4, 3), np.uint8))])], 'sees no images'),
])
def test_what_may_not_be_said_is_told(messages, words):
  with pytest.raises(fj.UserError, match=words):
    template().parts(messages)


@pytest.mark.parametrize('text', [
    '{% if %}', '{{ messages.append(1) }}', '{{ 1 / 0 }}', '{{ nothing.at.all }}',
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ 'a' * 10 ** 12 }}",
    "{% include '/etc/passwd' %}", '{{ range(10 ** 9) | list }}',
])
def test_a_template_reaches_nothing(text):
  with pytest.raises(fj.UserError, match='tokenizer.json: its chat template'):
    template(text).parts([('user', ['a'])])
