# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The small Flamingo is that of the tests of training."""

from tests.training.conftest import config, model, one_device, start

assert config and model and one_device and start  # fixtures
