# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The two files that a script of references writes of Flamingos."""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent


def write(file, cases, record, **beside):
  """What `record(name)` tells and finds of all cases, as <file>.json and .npz."""
  told, arrays = {}, {}
  for name in cases:
    told[name], found = record(name)
    arrays |= {f'{name}/{key}': x for key, x in found.items()}
  text = json.dumps(beside | {'models': told})
  (HERE / f'{file}.json').write_text(text + '\n')
  np.savez_compressed(HERE / f'{file}.npz', **arrays)
