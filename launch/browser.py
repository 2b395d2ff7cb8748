# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The browser of this machine, for pictures of pages and for their tests."""

import shutil

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
FLAGS = (
    '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run',
    # It asks its maker for nothing.
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync',
)
REMEDY = (
    f'none of {", ".join(NAMES)} is on PATH: install one (Debian, Ubuntu: apt '
    'install chromium)'
)


def find() -> str | None:
  """The first browser on PATH; None if there is none."""
  return next(filter(None, map(shutil.which, NAMES)), None)
