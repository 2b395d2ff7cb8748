# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests: OpenAI's JSON, checked field by field."""

from collections.abc import Collection, Mapping
import dataclasses
import secrets
from typing import Any

from flamingo_jax import option_values
from flamingo_jax.data import json_objects
from flamingo_jax.errors import shown
from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.refusals import Refusal, checked, refuse

_MOST_STOPS = 4  # as OpenAI has them
_LONGEST_STOP = 256  # characters
_LONGEST_CANDIDATE = 10_000
MOST_ALTERNATIVES = 20
_HOTTEST = 2.0
# Of clients, about themselves: nothing hangs on them.
_UNUSED = frozenset({
    'user', 'metadata', 'store', 'service_tier', 'prompt_cache_key',
    'safety_identifier', 'stream_options',
})
# What this server cannot do, with the values that ask for none of it.
_ABSENT: Mapping[str, tuple[Any, ...]] = {
    'frequency_penalty': (0,), 'presence_penalty': (0,), 'logit_bias': ({},),
    'response_format': ({'type': 'text'},), 'modalities': (['text'],),
    'tools': ([],), 'tool_choice': ('none', 'auto'), 'functions': ([],),
    'function_call': ('none', 'auto'), 'parallel_tool_calls': (True, False),
    'echo': (False,), 'suffix': ('',), 'best_of': (1,),
}
_OURS = frozenset({
    'model', 'stream', 'max_tokens', 'temperature', 'top_k', 'top_p', 'seed',
    'n', 'stop', 'logprobs', 'candidates',
})
CHAT = frozenset({'messages', 'max_completion_tokens', 'top_logprobs'}) | _OURS
COMPLETION = frozenset({'prompt'}) | _OURS


@dataclasses.dataclass(frozen=True)
class Options:
  """How answers are made."""

  answers: int = 1
  max_new_tokens: int | None = None  # None: as many as may be
  temperature: float = 1.0  # OpenAI's default; 0 takes the likeliest token
  top_k: int | None = None
  top_p: float | None = None
  seed: int = 0
  stops: tuple[str, ...] = ()  # texts at which an answer ends
  # Of each token the log-probabilities of the so many likeliest; None: not even
  # its own.
  alternatives: int | None = None
  candidates: tuple[str, ...] = ()  # whose log-likelihoods are asked


def parse(body: bytes) -> dict[str, Any]:
  """The object that a body is."""
  try:
    found = json_objects.parse(body.decode())
  except (ValueError, MemoryError) as error:  # UnicodeDecodeError is one
    raise refuse(None, f'the body is not JSON: {error}') from None
  if not isinstance(found, dict):
    raise refuse(
        None, f'the body is {shown(found)}, and must be a JSON object'
    )
  return found


def check_fields(body: dict[str, Any], known: Collection[str]) -> None:
  """Refuses fields that nobody reads: nothing is left out in silence."""
  for name, value in body.items():
    if name in known or name in _UNUSED or value is None:
      continue
    if name not in _ABSENT:
      raise refuse(
          None, f'the field {shown(name)} is not known here; leave it out'
      )
    if value not in _ABSENT[name]:
      raise refuse(
          name, f'{name} is {shown(value)}, which this server cannot do; leave '
          'it out'
      )


def check_model(body: dict[str, Any], served: str) -> None:
  """Whether the model that is asked is the one that is here, or none is named."""
  name = body.get('model')
  if name is not None and name != served:
    raise Refusal(
        404, f'there is no model {shown(name)} here; ask {served!r}',
        param='model', code='model_not_found',
    )


def read_options(body: dict[str, Any], limits: Limits, is_chat: bool) -> Options:
  """The options of a body whose fields are known."""
  temperature = _number(body, 'temperature', 1.0, _HOTTEST)
  # With 0 nothing is drawn, and clients send all of them at once.
  draws = temperature > 0
  return Options(
      answers=_whole(body, 'n', 1, 1, limits.answers),
      max_new_tokens=_new_tokens(body),
      temperature=temperature,
      top_k=_whole(body, 'top_k', None, 1) if draws else None,
      top_p=_number(body, 'top_p', None, 1.0, above=True) if draws else None,
      seed=_seed(body),
      stops=_stops(body),
      alternatives=_alternatives(body, is_chat),
      candidates=_candidates(body, limits),
  )


def is_set(body: dict[str, Any], name: str) -> bool:
  """A field that is true, or false."""
  value = body.get(name)
  if value is not None and not isinstance(value, bool):
    raise refuse(name, f'{name} is {shown(value)}, and must be true or false')
  return bool(value)


def wants_usage(body: dict[str, Any]) -> bool:
  """Whether a stream ends with how many tokens there were."""
  options = body.get('stream_options') or {}
  if not isinstance(options, dict):
    raise refuse('stream_options', 'stream_options must be an object, such as '
                 '{"include_usage": true}')
  return is_set(options, 'include_usage')


def _whole(
    body: dict[str, Any], name: str, default: int | None, least: int,
    most: int | None = None,
) -> Any:
  value = body.get(name)
  if value is None:
    return default
  return checked(
      name, lambda: option_values.whole_number(name, value, least, most)
  )


def _number(
    body: dict[str, Any], name: str, default: float | None, most: float,
    above: bool = False,
) -> Any:
  """A number from 0, or above it."""
  value = body.get(name)
  if value is None:
    return default
  return checked(name, lambda: option_values.real_number(
      name, value, 0, most, above=above
  ))


def _new_tokens(body: dict[str, Any]) -> int | None:
  # Without an answer the scores of candidates may be wanted all the same.
  least = 0 if body.get('candidates') else 1
  older = _whole(body, 'max_tokens', None, least)
  newer = _whole(body, 'max_completion_tokens', None, least)
  return older if newer is None else newer


def _seed(body: dict[str, Any]) -> int:
  """OpenAI's seeds may be negative, and are any where none is given."""
  seed = _whole(body, 'seed', None, -(2**63), 2**63 - 1)
  if seed is None:
    return secrets.randbelow(option_values.LARGEST_SEED + 1)
  return seed % (option_values.LARGEST_SEED + 1)


def _stops(body: dict[str, Any]) -> tuple[str, ...]:
  given = body.get('stop')
  stops = [given] if isinstance(given, str) else given or []
  if not isinstance(stops, list) or len(stops) > _MOST_STOPS or not all(
      isinstance(stop, str) and 0 < len(stop) <= _LONGEST_STOP
      for stop in stops
  ):
    raise refuse('stop', f'stop is {shown(given)}, and must be a text or up to '
                 f'{_MOST_STOPS}, of 1 to {_LONGEST_STOP} characters')
  return tuple(stops)


def _alternatives(body: dict[str, Any], is_chat: bool) -> int | None:
  if not is_chat:
    return _whole(body, 'logprobs', None, 0, MOST_ALTERNATIVES)
  count = _whole(body, 'top_logprobs', None, 0, MOST_ALTERNATIVES)
  if is_set(body, 'logprobs'):
    return count or 0
  if count is not None:
    raise refuse('top_logprobs', 'top_logprobs needs "logprobs": true')
  return None


def _candidates(body: dict[str, Any], limits: Limits) -> tuple[str, ...]:
  given = body.get('candidates') or []
  if not isinstance(given, list) or len(given) > limits.candidates or not all(
      isinstance(text, str) and 0 < len(text) <= _LONGEST_CANDIDATE
      for text in given
  ):
    raise refuse(
        'candidates', f'candidates are {shown(given)}, and must be a list of '
        f'up to {limits.candidates} texts, none of them empty'
    )
  return tuple(given)
