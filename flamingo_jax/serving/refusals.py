# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Why a request is not answered, in OpenAI's form of an error."""

from collections.abc import Callable
from typing import Any, TypeVar

from flamingo_jax.errors import UserError, one_line

_T = TypeVar('_T')
_TYPES = {429: 'rate_limit_error', 401: 'authentication_error'}


class Refusal(Exception):
  """A status of HTTP and one sentence: what is wrong, and the remedy.

  Attributes:
    status: from 400.
    message: the sentence.
    param: the field that is wrong, if it is one.
    code: for programs, where OpenAI has one.
    retry_after: seconds until it is worth another try; None: don't.
  """

  def __init__(
      self, status: int, message: str, *, param: str | None = None,
      code: str | None = None, retry_after: int | None = None,
  ):
    super().__init__(message)
    self.status, self.message = status, one_line(message)
    self.param, self.code, self.retry_after = param, code, retry_after

  @property
  def body(self) -> dict[str, Any]:
    """The JSON that says it."""
    kind = 'server_error' if self.status >= 500 else _TYPES.get(
        self.status, 'invalid_request_error'
    )
    return {'error': {
        'message': self.message, 'type': kind, 'param': self.param,
        'code': self.code,
    }}


def refuse(param: str | None, message: str) -> Refusal:
  """Of a body that makes no sense."""
  return Refusal(400, message, param=param)


def too_late(seconds: float) -> Refusal:
  """Of an answer that took longer than it may."""
  return Refusal(
      504, f'the answer took longer than {seconds:g} seconds; ask for fewer '
      'tokens, or when fewer ask'
  )


def checked(param: str | None, check: Callable[[], _T]) -> _T:
  """What a check returns; a UserError of it is a refusal of a field."""
  try:
    return check()
  except UserError as error:
    raise refuse(param, str(error)) from None
