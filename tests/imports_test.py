# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Who only runs a model needs no TensorFlow, seqio, torch or OpenCV."""

import subprocess
import sys

import pytest

HEAVY = ('tensorflow', 'seqio', 'torch', 't5x', 'cv2')


@pytest.mark.parametrize('module', [
    'flamingo_jax',
    'flamingo_jax.models',
    'flamingo_jax.decoding',
    'flamingo_jax.predictor',
    'flamingo_jax.data.documents',
    'flamingo_jax.data.interleaved',
    'flamingo_jax.data.vocabulary',
    'flamingo_jax.prepare.check',
    'flamingo_jax.prepare.explain',
    'flamingo_jax.prepare.preview',
    'flamingo_jax.evaluation.benchmarks',
    'flamingo_jax.evaluation.cards',
    'flamingo_jax.cli',
    'flamingo_jax.doctor',
])
def test_imports_no_heavy_package(module):
  code = f'import sys, {module}\nprint(*set({HEAVY}) & set(sys.modules))'
  result = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True, check=False)
  assert result.returncode == 0, result.stderr
  assert result.stdout.split() == []
