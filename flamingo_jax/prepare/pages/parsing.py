# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages as trees: HTML as browsers parse it, XHTML as XML if it is well-formed.
"""

import functools
import html
import html.entities
import re
from xml.parsers import expat

from selectolax.lexbor import LexborHTMLParser, LexborNode

from flamingo_jax.prepare.source import Dropped

# Of elements in elements. Lexbor takes quadratic time over such.
_MAX_DEPTH = 2000
_TAG = re.compile(r'</?[a-zA-Z]')
# What begins with & in a text, and sections in which it stands for itself. They
# end with the page at the latest: no beginning is searched for its end twice.
_ENTITY = re.compile(
    r'<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|'
    r'&(#[0-9]+;|#[xX][0-9a-fA-F]+;|[a-zA-Z][a-zA-Z0-9]*;)?', re.DOTALL,
)
# Scripts in which < stands for itself, as HTML has them.
_SCRIPT = re.compile(
    r'<!--.*?(?:-->|\Z)|'
    r'(<(script|style)(?:\s[^<>]*)?(?<!/)>).*?(?=</\2\s*>|\Z)',
    re.DOTALL | re.I,
)
_NOT_IN_XML = re.compile('[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_OF_XML = frozenset(['amp;', 'lt;', 'gt;', 'quot;', 'apos;'])
_VOID = frozenset('''
    area base basefont bgsound br col embed frame hr img input keygen link meta
    param source track wbr
'''.split())
# The text of these is markup in HTML, and nothing that a reader sees.
_RAW = frozenset('iframe noembed noframes script style xmp'.split())
_UNKNOWN = ('und', 'mul', 'zxx')  # ISO 639: undetermined, several, none


@functools.lru_cache(maxsize=1)  # of a page that is looked at more than once
def parse(page: str) -> LexborHTMLParser:
  """The tree of a page, which nobody may change.

  Raises:
    Dropped: it nests too deeply.
  """
  # NUL stands for nothing in HTML; the parser would end there.
  page = page.replace('\0', '')
  if '/>' in page:  # for XML alone that ends more than <br/> and its like
    page = _Xhtml().as_html(page) or _Xhtml().as_html(
        _SCRIPT.sub(lambda found: found[1] or found[0], page)
    ) or page
  _check_depth(page)
  return LexborHTMLParser(page)


def language(page: str) -> str:
  """'en' of <html lang="en-GB">, '' if the page does not tell."""
  tree = parse(page)
  for node in (tree.body, tree.root):
    attributes = node.attributes if node is not None else {}
    for name in ('lang', 'xml:lang'):
      if attributes.get(name) is not None:
        return _primary(attributes[name])
  for node in tree.css('meta[http-equiv]'):
    said = node.attributes.get('content') or ''
    is_language = node.attributes['http-equiv'].lower() == 'content-language'
    if is_language and ',' not in said:  # as browsers do
      return _primary(said)
  return ''


def _primary(tag: str) -> str:
  match = re.match(r'\s*([a-z]+)', tag.lower())
  return match[1] if match and match[1] not in _UNKNOWN else ''


def _check_depth(page: str) -> None:
  """Parses ever longer beginnings, so that what nests is met while it is short.

  Fewer tags than `_MAX_DEPTH` cannot nest too deeply; each beginning then has a
  quarter more tags than the one before.
  """
  limit = _MAX_DEPTH
  for count, tag in enumerate(_TAG.finditer(page)):
    if count == limit:
      if _is_deep(LexborHTMLParser(page[: tag.start()])):
        raise Dropped(
            'page nests too deeply', f'more than {_MAX_DEPTH} elements'
        )
      limit += limit // 4


def _is_deep(tree: LexborHTMLParser) -> bool:
  """Whether too many elements are open where a page ends."""
  stack = [(tree.root, 1)] if tree.root is not None else []
  while stack:
    node, depth = stack.pop()
    if depth > _MAX_DEPTH:
      return True
    stack += [(child, depth + 1) for child in _last_children(node)]
  return False


def _last_children(node: LexborNode) -> list[LexborNode]:
  """What may be open in an element, and is the last that was put there."""
  if node.tag == 'template':
    return node.template_fragments()
  last = _last_element(node.last_child)
  if last is None:
    return []
  # What does not belong into a table is put before it; a body is always there.
  is_first = last.tag not in ('table', 'body')
  before = None if is_first else _last_element(last.prev)
  return [last] if before is None else [before, last]


def _last_element(node: LexborNode | None) -> LexborNode | None:
  while node is not None and not node.is_element_node:
    node = node.prev
  return node


class _Xhtml:
  """Writes well-formed XML as HTML."""

  def __init__(self):
    self._pieces = []
    self._raw = 0  # elements that are open and whose text is not written

  def as_html(self, page: str) -> str:
    """The same page for a parser of HTML; '' if it is not well-formed."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartDoctypeDeclHandler = self._doctype
    parser.EntityDeclHandler = _refuse  # they may grow without bound
    parser.StartElementHandler = self._start
    parser.EndElementHandler = self._end
    parser.CharacterDataHandler = self._text
    try:
      page = _NOT_IN_XML.sub(' ', page.lstrip())
      parser.Parse(_ENTITY.sub(_as_number, page), True)
    except (expat.ExpatError, UnicodeError):
      return ''
    return ''.join(self._pieces)

  def _doctype(self, *_: object) -> None:
    self._pieces.append('<!DOCTYPE html>')

  def _start(self, name: str, attributes: list[str]) -> None:
    name = name.lower()
    told = ''.join(
        f' {key}="{html.escape(value)}"'
        for key, value in zip(attributes[::2], attributes[1::2])
    )
    self._pieces.append(f'<{name}{told}>')
    self._raw += name in _RAW

  def _end(self, name: str) -> None:
    name = name.lower()
    if name not in _VOID:
      self._pieces.append(f'</{name}>')
    self._raw -= name in _RAW

  def _text(self, text: str) -> None:
    if not self._raw:
      self._pieces.append(html.escape(text, quote=False))


def _as_number(entity: re.Match) -> str:
  """What an & begins in HTML, as XML knows it too."""
  name = entity[1] or ''
  if entity[0].startswith('<') or name in _OF_XML:
    return entity[0]
  if name.startswith('#') or name in html.entities.html5:
    characters = _NOT_IN_XML.sub('', html.unescape(entity[0]))
    return ''.join(f'&#{ord(c)};' for c in characters)
  return f'&amp;{name}'


def _refuse(*_: object) -> None:
  raise expat.ExpatError('entities of its own')
