# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Eight CPU devices and run-time shape checks for every test."""

import os

# All of this has to be settled before jax and TensorFlow are imported.
DEVICES = '--xla_force_host_platform_device_count=8'
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {DEVICES}'.strip()
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
os.environ.setdefault('MPLBACKEND', 'agg')

import jaxtyping

# Checks the shape of every annotated argument and result. Has to come before
# the first import of flamingo_jax.
jaxtyping.install_import_hook('flamingo_jax', 'beartype.beartype')
