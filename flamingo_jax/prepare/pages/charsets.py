# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Bytes of pages as text, as browsers read them (WHATWG Encoding, HTML §13.2.3).

A mark, what the server said, <meta> and the XML declaration decide, in this
order. Browsers replace what these cannot decode, and guess only if all are
silent.
"""

from collections.abc import Iterator
import codecs
import re

import chardetng_py
import webencodings

from flamingo_jax.prepare.pages import parsing

_MARKS = (
    (b'\xef\xbb\xbf', 'utf-8'), (b'\xff\xfe', 'utf-16le'),
    (b'\xfe\xff', 'utf-16be'),
)
# Of pages in UTF-16 that do without.
_BEGINNINGS = ((b'<\0', 'utf-16le'), (b'\0<', 'utf-16be'))
_PRESCAN = 1024  # bytes in which a <meta> may stand anywhere
_CHARSET = re.compile(
    r'charset\s*=\s*(?:"([^"]*)"|\'([^\']*)\'|([^\s;,"\']+))', re.I
)
_DECLARATION = re.compile(
    rb'\s*<\?xml\s[^>]{0,999}?\bencoding\s*=\s*["\']([\w.:-]+)'
)
# Who can read this name in ASCII does not read UTF-16.
_IN_META = {
    'utf-16le': 'utf-8', 'utf-16be': 'utf-8', 'x-user-defined': 'windows-1252'
}
# The standard reads GBK as its superset.
_CODECS = {'gbk': 'gb18030', 'iso-2022-jp': 'euc_jp'}
# Characters of Python's codecs that the standard has otherwise, and those.
_DIFFERENT = {
    'gb18030': str.maketrans(
        '\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795'
        '\ue796\ue7c7\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864',
        '\u3000\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18'
        '\ufe19\u1e3f\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb',
    ),
    'cp932': str.maketrans('\uf8f0\uf8f1\uf8f2\uf8f3', '\ufffd' * 4),
    'euc_jp': str.maketrans(
        '\u301c\u2016\u2212\xa2\xa3\xac',
        '\uff5e\u2225\uff0d\uffe0\uffe1\uffe2',
    ),
    'koi8-u': str.maketrans('\u255d\u256c', '\u045e\u040e'),
}
_ESCAPE = re.compile(rb'\x1b(\([BIJ]|\$[@B])')
_HIGH = bytes(b | 0x80 if 0x21 <= b <= 0x7e else b for b in range(256))


def decode(data: bytes, charset: str = '') -> str:
  """A page; `charset` is what the server said, '' if nothing.

  Raises:
    Dropped: it nests too deeply to be parsed.
  """
  for mark, name in _MARKS:
    if data.startswith(mark):
      return _decode(data[len(mark):], name)
  said = webencodings.lookup(charset)
  name = said.name if said else _told(data) or _guess(data)
  return _decode(data, name)


def of_content_type(value: str) -> str:
  """The charset that a Content-Type tells, '' if it tells none."""
  match = _CHARSET.search(value)
  return next(filter(None, match.groups()), '') if match else ''


def _told(data: bytes) -> str:
  """What the page itself says, '' if nothing."""
  for beginning, name in _BEGINNINGS:
    if data.startswith(beginning):
      return name
  for label in _labels(data):
    if found := webencodings.lookup(label):
      return _IN_META.get(found.name, found.name)
  return ''


def _labels(data: bytes) -> Iterator[str]:
  yield from _of_metas(data[:_PRESCAN], 'meta')
  yield from _of_metas(data, 'head meta')
  if declared := _DECLARATION.match(data):
    yield declared[1].decode('ascii')


def _of_metas(data: bytes, selector: str) -> Iterator[str]:
  for node in parsing.parse(data.decode('latin-1')).css(selector):
    attributes = node.attributes
    kind = (attributes.get('http-equiv') or '').strip().lower()
    if attributes.get('charset'):
      yield attributes['charset']
    elif kind == 'content-type':
      yield of_content_type(attributes.get('content') or '')


def _guess(data: bytes) -> str:
  """UTF-8 if most of what is not ASCII is, however damaged or cut short."""
  if b'\x1b$' in data and data.isascii():
    return 'iso-2022-jp'
  text = codecs.getincrementaldecoder('utf-8')('replace').decode(data)
  damaged = text.count('\ufffd') - data.count(b'\xef\xbf\xbd')
  encoded = len(text) - len(text.encode('ascii', 'ignore'))
  if encoded >= 2 * damaged:
    return 'utf-8'
  return webencodings.lookup(chardetng_py.detect(data)).name


def _decode(data: bytes, name: str) -> str:
  if name == 'replacement':  # browsers refuse to read it
    return '\ufffd'
  if name == 'iso-2022-jp':
    data = b''.join(_as_euc(data))
  if name in _CODECS:
    codec = codecs.lookup(_CODECS[name])
  else:
    codec = webencodings.lookup(name).codec_info
  text, _ = codec.decode(data, _ERRORS)
  different = _DIFFERENT.get(codec.name)
  return text.translate(different) if different else text


def _as_euc(data: bytes) -> Iterator[bytes]:
  """ISO-2022-JP, which escapes between sets of characters, without escapes."""
  first, *rest = _ESCAPE.split(data)
  yield first
  for escape, part in zip(rest[::2], rest[1::2]):
    if escape.startswith(b'$'):
      yield part.translate(_HIGH)
    elif escape == b'(I':  # katakana of one byte
      yield re.sub(rb'([\xa1-\xdf])', b'\x8e\\1', part.translate(_HIGH))
    else:
      yield part


def _replace(error: UnicodeError) -> tuple[str, int]:
  """What the standard has for bytes that Python's codecs refuse."""
  byte, start = error.object[error.start], error.start
  if error.encoding == 'charmap' and byte < 0xa0:
    return chr(byte), start + 1  # a control character of Latin-1
  if error.encoding == 'gb18030' and byte == 0x80:
    return '\u20ac', start + 1
  if error.encoding == 'euc_jp':  # rows of NEC and IBM
    pair = error.object[start : start + 2]
    if len(pair) == 2 and min(pair) >= 0xa1 and max(pair) <= 0xfe:
      return _jis(*pair), start + 2
  return '\ufffd', error.end


def _jis(row: int, cell: int) -> str:
  """A character of EUC-JP that only Windows' Shift_JIS has in Python."""
  row, cell = divmod((row - 0xa1) * 94 + cell - 0xa1, 188)
  row += 0x81 if row < 0x1f else 0xc1
  cell += 0x40 if cell < 0x3f else 0x41
  return bytes([row, cell]).decode('cp932', 'replace')[0]


_ERRORS = 'flamingo_jax.prepare.pages.charsets'
codecs.register_error(_ERRORS, _replace)
