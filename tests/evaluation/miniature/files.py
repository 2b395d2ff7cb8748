# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Annotation files, and the irregular names that official ones have."""

import csv
import json


def write_text(path, lines):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')


def write_json(path, value):
  write_text(path, [json.dumps(value)])


def write_csv(path, rows):
  path.parent.mkdir(parents=True, exist_ok=True)
  with path.open('w', encoding='utf-8', newline='') as file:
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)


def image_id(view):
  """As COCO's: up to six digits, with gaps, and in no order."""
  return 139 + 123457 * view.number % 581929


def youtube_id(view):
  """Eleven characters, among which '-' and '_' are."""
  return f'-{image_id(view):06d}_xZ{view.number % 7}'
