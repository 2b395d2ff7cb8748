# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The linear maps of a Flamingo's towers, found where they are made."""

from collections.abc import Callable, Iterator
import contextlib
from typing import Any

from flax import linen as nn

from flamingo_jax.models.layers import Einsum


@contextlib.contextmanager
def visited(visit: Callable[[str, Einsum], None]) -> Iterator[None]:
  """Each map that is called in this context is visited, with its path.

  So a map gets parameters beside its own, and no module is told of them. Paths are
  those of the tree, without the name of the map itself: 'decoder/groups/lm/attn/out'.
  """

  def intercept(
      call: Callable[..., Any], args: Any, kwargs: Any,
      context: nn.module.InterceptorContext,
  ) -> Any:
    y = call(*args, **kwargs)
    if type(context.module) is Einsum and (path := _path(context.module.path)):
      visit(path, context.module)
    return y

  with nn.intercept_methods(intercept):
    yield


def _path(path: tuple[str, ...]) -> str:
  """'' of what is no tower's."""
  of_tower = path[:1] == ('vision_encoder',) or 'lm' in path
  if not of_tower or 'xattn' in path:
    return ''
  return '/'.join(path[:-1] if path[-1] == 'map' else path)
