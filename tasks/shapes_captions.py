# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The words of the shapes world, without its pictures, for a language model.

Importing this module registers `shapes_captions` and `shapes_pages`, the texts
of `shapes_pairs` and `shapes_m3w`, and the mixture `shapes_words` of both.
"""

import functools

from flamingo_jax.data import features
from flamingo_jax.data import text
from tasks import shapes


def register() -> None:
  """Registers the tasks and the mixture; done at import."""
  for task, draw in (
      ('shapes_captions', shapes.draw_pair),
      ('shapes_pages', shapes.draw_document),
  ):
    text.add_task(task, {
        split: functools.partial(shapes.ShapesDocuments, task, split, draw)
        for split in shapes.SPLITS
    })
  features.add_mixture(
      'shapes_words', {'shapes_captions': 1.0, 'shapes_pages': 1.0}
  )


register()
