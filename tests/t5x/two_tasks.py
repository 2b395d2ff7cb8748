# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A mixture of two tasks of the shapes world, of unequal shapes."""

from flamingo_jax.data import features

features.add_mixture('two_tasks', {'shapes_m3w': 1.0, 'shapes_video': 0.03})
