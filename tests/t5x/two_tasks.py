# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Two tasks of unequal shapes, and a vision encoder of one block.

What the drivers share is compiled a dozen times: the less of it, the better.
The vocabulary is the general one: that of shapes has an odd number of entries,
which cannot be split over a mesh.
"""

import dataclasses
import functools

from flamingo_jax.data import features
from flamingo_jax.models import contrastive
from flamingo_jax.tasks import shapes
from tests import random_weights  # has the vision encoder

for _task, _draw, _options in (
    ('pages', shapes.draw_document, {'p_next': 0.25}),
    ('clips', shapes.draw_video, {'p_space': 0.5}),
):
  features.add_task(_task, {
      split: functools.partial(shapes.ShapesDocuments, _task, split, _draw)
      for split in ('train', 'validation')
  }, **_options)
features.add_mixture('two_tasks', {'pages': 1.0, 'clips': 0.03})
assert random_weights
_TINY = contrastive.CONTRASTIVE['contrastive_tiny']
contrastive.CONTRASTIVE['contrastive_one_block'] = dataclasses.replace(
    _TINY, vision='one_block', image_size=16,
    text=dataclasses.replace(_TINY.text, width=16, heads=2, head_size=8),
)
