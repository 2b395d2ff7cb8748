# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shows the comments beside the fields of dataclasses in the reference."""

import re

import griffe


class FieldComments(griffe.Extension):
  """Takes the comment behind or above a field as its docstring."""

  def on_attribute_instance(self, *, attr, **_):
    """Called with each attribute that griffe finds."""
    if attr.docstring or not isinstance(attr.parent, griffe.Class):
      return
    lines = attr.parent.module.lines_collection[attr.filepath]
    found = re.search(r'  # (.+)', lines[attr.endlineno - 1])
    if found:
      text = found[1]
    else:
      above, row = [], attr.lineno - 2
      while re.match(r'\s*# ', lines[row]):
        above.insert(0, lines[row].strip().removeprefix('# '))
        row -= 1
      text = ' '.join(above)
    if text:
      attr.docstring = griffe.Docstring(
          text, lineno=attr.lineno, endlineno=attr.endlineno, parent=attr
      )
