# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files that grow by a line of JSON, [name, what it stands for], at a time."""

import json
from typing import Any

from etils import epath
import jax

from flamingo_jax.data.storage import write_atomically


def read(draft: epath.Path) -> list[tuple[Any, Any]]:
  """Whole lines; what is damaged, or cut off, is taken away."""
  if not draft.exists():
    return []
  lines, found = [], []
  for line in draft.read_bytes().split(b'\n')[:-1]:
    try:
      name, value = json.loads(line)
    except (ValueError, TypeError):  # after a loss of power it may be anything
      break
    lines.append(line + b'\n')
    found.append((name, value))
  if jax.process_index() == 0:
    write_atomically(draft, b''.join(lines))
  return found
