# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is asked of the engine, and what it tells while it answers."""

from collections.abc import Callable, Sequence
import dataclasses
import threading
import time

from flamingo_jax.serving.bodies import Options
from flamingo_jax.serving.contents import Parts
from flamingo_jax.serving.refusals import Refusal


@dataclasses.dataclass(frozen=True)
class TokenLogProb:
  """A token of an answer, or one that might have stood in its place."""

  text: str
  log_prob: float
  # The likeliest in its place, itself perhaps among them.
  likeliest: tuple['TokenLogProb', ...] = ()


@dataclasses.dataclass(frozen=True)
class Began:
  """The prompt has been read."""

  prompt_tokens: int
  kept_tokens: int  # of these, what had been read before
  scores: tuple[float, ...] = ()  # of candidates, in nats


@dataclasses.dataclass(frozen=True)
class Said:
  """An answer goes on, or ends."""

  answer: int  # which of the request's
  text: str
  tokens: int  # of the answer so far
  log_probs: tuple[TokenLogProb, ...] = ()
  end: str = ''  # 'stop' or 'length'; '': it goes on


Event = Began | Said | Refusal


@dataclasses.dataclass(eq=False)
class Request:
  """A prompt and how it is answered."""

  parts: Parts
  options: Options
  tell: Callable[[Event], None]  # called by the engine's thread, in order
  deadline: float  # of time.monotonic
  stops: Sequence[str] = ()  # texts at which answers end
  came: float = dataclasses.field(default_factory=time.monotonic)
  is_gone: bool = False  # nobody waits for it any more
  # Set when something of the answer has been sent, or nothing is until its end.
  is_sent: threading.Event = dataclasses.field(default_factory=threading.Event)

  @property
  def is_over(self) -> bool:
    """Whether nobody waits for it, or it is too late."""
    return self.is_gone or self.deadline < time.monotonic()
