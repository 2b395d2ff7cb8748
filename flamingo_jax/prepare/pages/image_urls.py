# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the picture of an <img> is: src, lazy loading, srcset, <picture>."""

from collections.abc import Iterable, Iterator
import posixpath
import re

from flamingo_jax.prepare import web_urls

# What scripts load an image from, the largest first.
_LAZY = (
    'data-original', 'data-full-url', 'data-large-file', 'data-orig-file',
    'data-hi-res-src', 'data-src', 'data-lazy-src', 'data-lazy', 'data-echo',
    'data-defer-src', 'data-actualsrc',
)
# These hold an image at times, and pages or numbers at others.
_GENERIC = ('data-url', 'data-image')
_SETS = ('srcset', 'data-srcset', 'data-lazy-srcset')
_SCHEMES = ('http', 'https')
_IMAGE = re.compile(
    r'\.(?:jpe?g|jfif|png|webp|gif|bmp|avif|tiff?)(?:[?#]|$)', re.I
)
# What stands in an image's place until a script runs, or counts visitors, is
# called by these words and numbers alone.
_STAND_INS = frozenset('''
    blank clear dummy lazy lazyload loader loading pixel placeholder spacer
    transparent
'''.split())
_BESIDE = frozenset('ajax default gif image img px spinner x'.split())
_WORD = re.compile(r'[^\W\d_]+')
_DOT = re.compile(r'(?<!\d)1x1(?!\d)')
_SHORTEST_DATA = 400  # characters; shorter data: URIs are placeholders
# A URL, then its width or density. URLs may hold commas, not end with one.
_CANDIDATE = re.compile(r'[\s,]*(\S*[^\s,])(?:\s+([\d.]+)([wxh]))?[^,]*,?')
# It may hold spaces, so that nobody knows where it ends.
_OPEN_DATA = re.compile(r'(?:^|[\s,])data:(?![^\s,]*;base64,)', re.I)
_TYPES = ('image/jpeg', 'image/jpg', 'image/png', 'image/webp', 'image/gif')
_CONTROL = re.compile(r'[\x00-\x1f]+')
_LONGEST = 4096  # characters of a URL that is no data: URI


def candidates(
    attributes: dict[str, str | None],
    sources: Iterable[dict[str, str | None]],
    base: str,
) -> tuple[str, ...]:
  """Absolute URLs of one image, the best first.

  Sources are the attributes of the <source> elements of a <picture> around it;
  relative URLs start from `base`.
  """
  found = [
      url for url in _found(attributes, sources) if not _is_placeholder(url)
  ]
  absolute = [join(base, url) for url in found]
  # A dictionary is a set in order.
  return tuple(dict.fromkeys(url for url in absolute if url))


def _found(
    attributes: dict[str, str | None],
    sources: Iterable[dict[str, str | None]],
) -> Iterator[str]:
  sets = []
  for source in sources:
    kind = (source.get('type') or _TYPES[0]).split(';')[0].strip().lower()
    if kind in _TYPES:
      sets += _sets_of(source)
  sets += _sets_of(attributes)
  yield from largest_first(sets)
  for name in _LAZY:
    url = attributes.get(name) or ''
    if '/' in url or _IMAGE.search(url):  # others are flags
      yield url
  yield attributes.get('src') or ''
  for name in _GENERIC:
    url = attributes.get(name) or ''
    if _IMAGE.search(url):
      yield url


def _sets_of(attributes: dict[str, str | None]) -> list[str]:
  return [attributes[name] for name in _SETS if attributes.get(name)]


def largest_first(sets: Iterable[str]) -> list[str]:
  """The URLs of all srcsets; widths go before densities."""
  rated = []
  for srcset in sets:
    if _OPEN_DATA.search(srcset):
      continue
    for match in _CANDIDATE.finditer(srcset):
      url, number, unit = match.groups()
      size = float(number) if number and number.count('.') <= 1 else 1.0
      rated.append((unit in ('w', 'h'), size, url))
  rated.sort(key=lambda entry: entry[:2], reverse=True)
  return [url for _, _, url in rated]


def _is_placeholder(url: str) -> bool:
  url = _CONTROL.sub('', url.strip())
  if url[:5].lower() == 'data:':
    return len(url) < _SHORTEST_DATA
  path = re.split('[?#]', url, maxsplit=1)[0].replace('\\', '/')
  stem, _ = posixpath.splitext(posixpath.basename(path))
  words = set(_WORD.findall(stem.lower()))
  stands_in = words & _STAND_INS or _DOT.search(stem)
  return bool(stands_in) and words <= _STAND_INS | _BESIDE


def join(base: str, url: str) -> str:
  """An absolute URL; '' if it cannot be one of an image."""
  url = _CONTROL.sub('', url.strip())
  if url[:5].lower() == 'data:':
    return url
  if not url or len(url) > _LONGEST:
    return ''
  joined = web_urls.requested(url, base)
  scheme = joined.partition(':')[0]
  # A page of the web has no business with local files.
  is_local = scheme == 'file' and base.startswith('file:')
  return joined if scheme in _SCHEMES or is_local else ''
