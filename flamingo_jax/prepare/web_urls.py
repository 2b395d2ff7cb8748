# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""URLs as browsers request them (WHATWG URL)."""

import ada_url


def requested(url: str, base: str | None = None) -> str:
  """The one spelling, in ASCII, that all spellings of a URL are requested in.

  'http://a.org\\ü b.png#c' asks for 'http://a.org/%C3%BC%20b.png'. A relative
  URL starts from `base`. '' if browsers would request nothing.
  """
  try:
    if base and ada_url.check_url(base):
      parsed = ada_url.URL(_scalars(url), _scalars(base))
    else:
      parsed = ada_url.URL(_scalars(url))
  except ValueError:
    return ''
  parsed.hash = ''  # is not sent
  return parsed.href


def _scalars(text: str) -> str:
  """Without halves of characters, which UTF-8 does not have."""
  return text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')
