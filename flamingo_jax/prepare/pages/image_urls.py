# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the picture of an <img> is: src, lazy loading, srcset, <picture>."""

from collections.abc import Iterable, Iterator
import re
import urllib.parse

# What scripts load an image from, the largest first.
_LAZY = (
    'data-original', 'data-full-url', 'data-large-file', 'data-orig-file',
    'data-hi-res-src', 'data-src', 'data-lazy-src', 'data-lazy', 'data-url',
    'data-image', 'data-echo', 'data-defer-src', 'data-actualsrc',
)
_SETS = ('srcset', 'data-srcset', 'data-lazy-srcset')
_SCHEMES = ('http', 'https')
# What stands in src until a script runs, or counts visitors.
_PLACEHOLDER = re.compile(
    r'(?:^|[/_.-])(?:blank|spacer|placeholder|loading|loader|lazy|pixel|1x1|'
    r'transparent|clear|dummy)(?:[_.-]|\.(?:gif|png|svg|jpe?g)|$)', re.I
)
_SHORTEST_DATA = 400  # characters; shorter data: URIs are placeholders
# A URL, then its width or density. URLs may hold commas, not end with one.
_CANDIDATE = re.compile(r'[\s,]*(\S*[^\s,])(?:\s+([\d.]+)([wxh]))?[^,]*,?')
_TYPES = ('image/jpeg', 'image/jpg', 'image/png', 'image/webp', 'image/gif')
_CONTROL = re.compile(r'[\x00-\x1f]+')
_LONGEST = 4096  # characters of a URL that is no data: URI


def candidates(
    attributes: dict[str, str | None],
    sources: Iterable[dict[str, str | None]],
    base: str,
) -> tuple[str, ...]:
  """Absolute URLs of one image, the best first.

  Args:
    attributes: of <img>.
    sources: of the <source> elements of the <picture> around it.
    base: what relative URLs start from.
  """
  found = [url for urls in _found(attributes, sources) for url in urls]
  absolute = [join(base, url) for url in found]
  # A dictionary is a set in order.
  return tuple(dict.fromkeys(url for url in absolute if url))


def _found(
    attributes: dict[str, str | None],
    sources: Iterable[dict[str, str | None]],
) -> Iterator[list[str]]:
  sets = []
  for source in sources:
    kind = (source.get('type') or _TYPES[0]).split(';')[0].strip().lower()
    if kind in _TYPES:
      sets += _sets_of(source)
  sets += _sets_of(attributes)
  yield largest_first(', '.join(sets))
  yield [attributes[name] for name in _LAZY if attributes.get(name)]
  src = (attributes.get('src') or '').strip()
  if src and not _is_placeholder(src):
    yield [src]


def _sets_of(attributes: dict[str, str | None]) -> list[str]:
  return [attributes[name] for name in _SETS if attributes.get(name)]


def largest_first(srcset: str) -> list[str]:
  """The URLs of a srcset; widths go before densities."""
  rated = []
  if srcset.lstrip().startswith('data:'):
    return []  # a placeholder: real pictures are not repeated in each size
  for match in _CANDIDATE.finditer(srcset):
    url, number, unit = match.groups()
    size = float(number) if number and number.count('.') <= 1 else 1.0
    rated.append((unit in ('w', 'h'), size, url))
  rated.sort(key=lambda entry: entry[:2], reverse=True)
  return [url for _, _, url in rated]


def _is_placeholder(src: str) -> bool:
  if src.startswith('data:'):
    return len(src) < _SHORTEST_DATA
  path = urllib.parse.urlsplit(_CONTROL.sub('', src)).path if (
      '[' not in src
  ) else src
  return bool(_PLACEHOLDER.search(path.rpartition('/')[2]))


def join(base: str, url: str) -> str:
  """An absolute URL; '' if it cannot be one of an image."""
  url = _CONTROL.sub('', url.strip())
  if url[:5].lower() == 'data:':
    return url
  if not url or len(url) > _LONGEST:
    return ''
  try:
    joined = urllib.parse.urldefrag(urllib.parse.urljoin(base, url)).url
    scheme = urllib.parse.urlsplit(joined).scheme
  except ValueError:  # brackets in the place of the host
    return ''
  # A page of the web has no business with local files.
  is_local = scheme == 'file' and base.startswith('file:')
  return joined.replace(' ', '%20') if scheme in _SCHEMES or is_local else ''
