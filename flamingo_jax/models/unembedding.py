# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From the trunk's last states to scores of the next token."""

from typing import Any

from flax import struct
import jax.numpy as jnp

from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Float


@struct.dataclass
class Unembedding:
  """A table of the vocabulary, and one of what is added behind it.

  Leaves are arrays, or what JAX puts in their place.
  """

  known: Any  # [V, D]
  added: Any = None  # [n, D]; None: nothing is added
  cap: float = struct.field(pytree_node=False, default=0.0)  # 0: none

  def scores(
      self, x: Float[Array, 'B L D']
  ) -> tuple[Float[Array, 'B L _'], ...]:
    """Float32 logits of the vocabulary and, apart, of what is added."""
    def logits(table):
      y = jnp.einsum(
          'BLD,VD->BLV', x, table, preferred_element_type=jnp.float32
      )
      return self.cap * jnp.tanh(y / self.cap) if self.cap else y

    known = constrain(logits(self.known), 'batch', 'length', 'vocab')
    return (known,) if self.added is None else (known, logits(self.added))

  def logits(self, x: Float[Array, 'B L D']) -> Float[Array, 'B L V']:
    """All of them in one array, which is one more copy.

    Several on a TPU, where the vocabulary may be split over devices and its size
    plus one is no multiple of anything.
    """
    return jnp.concatenate(self.scores(x), axis=-1)
