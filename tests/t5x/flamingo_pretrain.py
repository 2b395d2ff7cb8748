# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""tasks/flamingo_pretrain.py with documents that nobody reads."""

from flamingo_jax.data import documents, features

WEIGHTS = {'m3w': 1.0, 'align': 0.2, 'ltip': 0.2, 'vtp': 0.03}
_DOCUMENTS = [documents.Document(('some text',), 'nowhere', 0)] * 8


def mixture(directory, vocabulary):
  """Registers the paper's four tasks and their mixture."""
  del directory
  for name in WEIGHTS:
    features.add_task(
        name, {'train': lambda: _DOCUMENTS}, vocabulary=vocabulary
    )
  features.add_mixture('flamingo_pretrain', WEIGHTS)
  return 'flamingo_pretrain'
