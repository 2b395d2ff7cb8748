# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How much one request, and all of them together, may take."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
  """What is beyond is refused, or, of tokens, cut off.

  The defaults are for a model of a few billion parameters and for strangers.
  """

  body_bytes: int = 32 * 2**20  # of a request
  body_seconds: float = 30.0  # in which all of a request has to come
  pictures: int = 128  # of a request; videos count as one
  pixels: int = 50_000_000  # of a picture, or of a frame
  new_tokens: int = 1024  # of an answer
  candidates: int = 256
  answers: int = 16  # prompts times `n` of a request
  queue: int = 64  # requests that wait for a slot
  seconds: float = 120.0  # from a request to the end of its answer
  kept_bytes: int = 2**30  # of prompts that were read, for those that begin alike
