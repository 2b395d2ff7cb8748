# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Who only runs a model needs no TensorFlow, seqio, torch or OpenCV."""

import subprocess
import sys

HEAVY = ('tensorflow', 'seqio', 'torch', 't5x', 'cv2')
LIGHT = (
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
    'flamingo_jax.evaluation.paper_benchmarks',
    'flamingo_jax.evaluation.cards',
    'flamingo_jax.cli',
    'flamingo_jax.doctor',
)
# One after the other in one interpreter: the first that imports a heavy package
# is told, whatever those after it do.
CODE = f"""
import importlib, sys
for module in {LIGHT}:
  importlib.import_module(module)
  if found := set({HEAVY}) & set(sys.modules):
    sys.exit(f'{{module}} imports {{", ".join(found)}}')
"""


def test_imports_no_heavy_package():
  result = subprocess.run([sys.executable, '-c', CODE], capture_output=True,
                          text=True, check=False)
  assert result.returncode == 0, result.stderr
