# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The mixtures of flamingo_tiny, of shapes and of handwritten digits.

Importing this module registers
  tiny_captions: captioned pictures, for the vision encoder;
  tiny_pretrain: episodes of both, and pages, captioned pictures and clips of
    shapes. Episodes of shapes have the λ of the paper's M3W, which is where
    Flamingo learns to use shots; clips have that of VTP, the others ALIGN's;
  tiny_eval: episodes with controls, questions and captions.
"""

from flamingo_jax.data import features
from tasks import digits_bind  # pylint: disable=unused-import
from tasks import shapes  # pylint: disable=unused-import
from tasks import shapes_bind  # pylint: disable=unused-import
from tasks import shapes_eval  # pylint: disable=unused-import


def register() -> None:
  """Registers the mixtures; done at import, as of their tasks."""
  features.add_mixture(
      'tiny_captions', {'shapes_pairs': 1.0, 'digits_pairs': 0.1}
  )
  features.add_mixture('tiny_pretrain', {
      'shapes_bind': 1.0, 'digits_bind': 0.2,
      'shapes_m3w': 0.2, 'shapes_pairs': 0.2, 'shapes_video': 0.03,
  })
  features.add_mixture('tiny_eval', dict.fromkeys(
      ('shapes_bind_eval', 'digits_bind_eval', 'shapes_eval'), 1.0
  ))


register()
