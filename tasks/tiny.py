# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The mixtures of flamingo_tiny, of shapes and of handwritten digits.

Importing this module registers
  tiny_captions: captioned pictures, for the vision encoder; those in colours
    without a name keep it from taking a shape for one of a colour's;
  tiny_pretrain: episodes of both, and pages, captioned pictures and clips of
    shapes. Episodes of shapes have the λ of the paper's M3W, which is where
    Flamingo learns to use shots; clips have that of VTP, the others ALIGN's;
  tiny_pretrain_no_video, _no_pairs, _no_interleaved, _half and _next: the same
    without a kind of data, and with pages of which half, or all, look ahead
    (Flamingo's tables 3 i and 10 iii);
  tiny_eval: episodes with controls, questions and captions;
  tiny_eval_4shot: those of 4 shots without the controls, for ablations and to
    be scored every now and then in training.
"""

from collections.abc import Collection

from flamingo_jax.data import features
from flamingo_jax.tasks import digits_bind  # pylint: disable=unused-import
from flamingo_jax.tasks import shapes  # pylint: disable=unused-import
from flamingo_jax.tasks import shapes_bind  # pylint: disable=unused-import
from flamingo_jax.tasks import shapes_eval  # pylint: disable=unused-import


_PRETRAIN = {
    'shapes_bind': 1.0, 'digits_bind': 0.2,
    'shapes_m3w': 0.2, 'shapes_pairs': 0.2, 'shapes_video': 0.03,
}


def register() -> None:
  """Registers the mixtures; done at import, as of their tasks."""
  features.add_mixture(
      'tiny_captions',
      {'shapes_pairs': 1.0, 'shapes_unnamed': 0.5, 'digits_pairs': 0.1},
  )
  features.add_mixture('tiny_pretrain', _PRETRAIN)
  _add_without('no_video', ('shapes_video',))
  _add_without('no_pairs', ('shapes_pairs',))
  _add_without('no_interleaved', ('shapes_bind', 'digits_bind', 'shapes_m3w'))
  for pages in ('half', 'next'):
    features.add_mixture(f'tiny_pretrain_{pages}', {
        f'{task}_{pages}' if task == 'shapes_m3w' else task: weight
        for task, weight in _PRETRAIN.items()
    })
  features.add_mixture('tiny_eval', dict.fromkeys(
      ('shapes_bind_eval', 'digits_bind_eval', 'shapes_eval'), 1.0
  ))
  features.add_mixture('tiny_eval_4shot', dict.fromkeys(
      ('shapes_bind_2way_4shot', 'shapes_bind_4way_4shot',
       'digits_bind_2way_4shot', 'shapes_vqa_4shot', 'shapes_caption_4shot',
       'shapes_colour_4shot'), 1.0
  ))


def _add_without(name: str, left_out: Collection[str]) -> None:
  features.add_mixture(f'tiny_pretrain_{name}', {
      task: weight for task, weight in _PRETRAIN.items() if task not in left_out
  })


register()
