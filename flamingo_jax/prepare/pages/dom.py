# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The text and the images of a page, in the order of its DOM.

Boilerplate goes: scripts, navigation, headers and footers, forms, what is
hidden, and blocks whose class or id says what they are. A form that holds most
of the page's text is the page, and stays.
"""

from collections.abc import Iterable
import dataclasses
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from flamingo_jax.data import data_uri
from flamingo_jax.prepare.pages import image_urls
from flamingo_jax.prepare.pages import parsing

_DROPPED = frozenset('''
    applet area audio button canvas datalist dialog embed footer form frame
    frameset head iframe input label map marquee math menu meter nav object
    optgroup option output param progress script select style svg template
    textarea title track video
'''.split())
# What ends a line; before and after the first kind there is an empty line.
_PARAGRAPHS = frozenset('''
    article aside blockquote center details dl fieldset figure h1 h2 h3 h4 h5 h6
    header hr main ol p pre section table ul
'''.split())
_LINES = frozenset('''
    address body caption dd div dt figcaption li summary tbody tfoot thead tr
'''.split())
_CELLS = frozenset(['td', 'th'])
# Words of a class, id or role that name boilerplate.
_BOILERPLATE = frozenset('''
    ad ads advert advertisement banner breadcrumb breadcrumbs comments cookie
    cookies footer header headerlink masthead menu menubar nav navbar navigation
    newsletter pagination popup print-only promo related search share sharing
    sidebar site-info skip-link social sphinxsidebar sponsored subscribe toc
    toolbar widget
'''.split())
_CONTAINERS = frozenset('div section ul ol table aside header span p a'.split())
_ROLES = frozenset('''
    alert banner complementary contentinfo dialog menu menubar navigation search
    toolbar
'''.split())
_SPACE = re.compile(r'[\s\xa0]+')
_COMMENT = re.compile(r'/\*.*?\*/', re.DOTALL)  # of CSS
_DISPLAY = re.compile(
    r'(?:^|;)\s*(display|(?:content-)?visibility)\s*:\s*([\w-]+)', re.I
)
_HIDING = frozenset(['none', 'hidden', 'collapse'])
_INVISIBLE = dict.fromkeys(map(ord, '\xad\u200b\u200c\u200d\u2060\ufeff'))
del _INVISIBLE[0x200c], _INVISIBLE[0x200d]  # they shape letters


@dataclasses.dataclass(frozen=True)
class Text:
  """A block of text."""

  text: str  # its white space is that of a reader
  gap: str  # what is between it and the text before it, one line end or two
  linked: float  # share of the characters in links


@dataclasses.dataclass(frozen=True)
class Image:
  """An image of a page."""

  # Absolute, the best first; none if the page names none of use.
  urls: tuple[str, ...]
  width: int | None  # as the page asks for it; None if it does not
  height: int | None  # likewise


def read_page(html: str, url: str) -> list[Text | Image]:
  """What a page shows, in order; relative URLs of images start at its own.

  Raises:
    Dropped: it nests too deeply.
  """
  parser = parsing.parse(html)
  if parser.body is None:
    return []
  base = _base(parser, url)
  nodes = _Walk(base).visit(parser.body)
  if parser.css_first('form') is not None:
    whole = _Walk(base, keeps_forms=True).visit(parser.body)
    if _length(nodes) < _length(whole) / 2:
      return whole
  return nodes


def _length(nodes: Iterable[Text | Image]) -> int:
  return sum(len(node.text) for node in nodes if isinstance(node, Text))


def _base(parser: LexborHTMLParser, url: str) -> str:
  for node in parser.css('base[href]'):
    base = image_urls.join(url, node.attributes['href'] or '')
    return url if data_uri.is_data_uri(base) else base or url
  return url


def _is_hidden(attributes: dict[str, str | None]) -> bool:
  if 'hidden' in attributes or attributes.get('aria-hidden') == 'true':
    return True
  # Of a property that is set twice the last counts.
  said = dict(_DISPLAY.findall(_COMMENT.sub('', attributes.get('style') or '')))
  return not _HIDING.isdisjoint(value.lower() for value in said.values())


class _Walk:
  """Visits a tree in order and collects what a reader sees."""

  def __init__(self, base: str, keeps_forms: bool = False):
    self.nodes = []
    self._base = base
    self._dropped = _DROPPED - {'form'} if keeps_forms else _DROPPED
    self._text = []  # pieces of the block that is open
    self._gap = '\n\n'
    self._linked = self._links = self._preformatted = self._noscript = 0
    self._articles = 0
    self._picture = None

  def visit(self, root: LexborNode) -> list[Text | Image]:
    """What is in a tree; without recursion, as pages nest as they like."""
    stack = [root]
    while stack:
      entered = self._enter(stack[-1])
      if entered and stack[-1].child is not None:
        stack.append(stack[-1].child)
        continue
      while stack:
        node = stack.pop()
        if entered:
          self._leave(node)
        entered = True  # as all that have children
        if stack and node.next is not None:
          stack.append(node.next)
          break
    self._flush('\n\n')
    return self.nodes

  def _enter(self, node: LexborNode) -> bool:
    """Takes what begins here; whether the children are to be visited."""
    tag = node.tag
    if tag == '-text':
      self._add_text(node.text_content or '')
      return False
    # Processing instructions, as of PHP, have none.
    if tag is None or tag in self._dropped or tag.startswith(('-', '!')):
      return False
    attributes = node.attributes
    if _is_hidden(attributes):
      return False
    if tag in ('img', 'amp-img'):
      self._add_image(attributes)
      return False
    if tag == 'source' and self._picture is not None:
      self._picture.append(attributes)
      return False
    if self._is_boilerplate(tag, attributes):
      return False
    self._break_line(tag)
    self._count(tag, 1)
    return True

  def _leave(self, node: LexborNode) -> None:
    if node.tag != 'br':
      self._break_line(node.tag)
    self._count(node.tag, -1)

  def _count(self, tag: str, step: int) -> None:
    """Knows what is around the text."""
    if tag == 'a':
      self._links += step
    elif tag == 'pre':
      self._preformatted += step
    elif tag == 'noscript':
      self._noscript += step
    elif tag in ('article', 'main'):
      self._articles += step
    elif tag == 'picture':
      self._picture = [] if step > 0 else None

  def _break_line(self, tag: str) -> None:
    if tag in _PARAGRAPHS:
      self._flush('\n\n')
    elif tag in _LINES:
      self._flush('\n')
    elif tag in _CELLS:
      self._text.append(' ')
    elif tag == 'br':
      self._text.append('\n')

  def _is_boilerplate(self, tag: str, attributes: dict) -> bool:
    if tag == 'header' and not self._articles:
      return True
    if (attributes.get('role') or '') in _ROLES:
      return True
    if tag not in _CONTAINERS:
      return False
    words = set(
        f'{attributes.get("class") or ""} {attributes.get("id") or ""}'
        .lower().split()
    )
    if self._articles:
      words.discard('header')
    return not words.isdisjoint(_BOILERPLATE)

  def _add_text(self, text: str) -> None:
    if self._noscript:
      return
    text = text.translate(_INVISIBLE)
    if not self._preformatted:
      text = _SPACE.sub(' ', text)
    self._text.append(text)
    if self._links:
      self._linked += len(text.strip())

  def _flush(self, gap: str) -> None:
    """Ends the block that is open; `gap` separates it from the next."""
    text = ''.join(self._text)
    lines = text.split('\n')
    if not self._preformatted:
      lines = [' '.join(line.split()) for line in lines]
    text = '\n'.join(lines).strip()
    if text:
      size = sum(not character.isspace() for character in text)
      share = min(1.0, self._linked / size)
      self.nodes.append(Text(text, self._gap, share))
      self._gap = gap
    elif gap == '\n\n':
      self._gap = gap
    self._text, self._linked = [], 0

  def _add_image(self, attributes: dict) -> None:
    urls = image_urls.candidates(attributes, self._picture or (), self._base)
    if not urls:
      self.nodes.append(Image((), None, None))  # ends no block: nothing shows
      return
    before = self.nodes[-1] if self.nodes else None
    if isinstance(before, Image) and not ''.join(self._text).strip():
      # <noscript> repeats the image that a script would load.
      if set(urls) & set(before.urls):
        return
      if self._noscript and not before.urls:
        self.nodes.pop()
    self._flush('\n\n')
    self.nodes.append(Image(
        urls, _pixels(attributes.get('width')),
        _pixels(attributes.get('height')),
    ))


def _pixels(value: str | None) -> int | None:
  """Of the attribute width or height; None if it is no plain number."""
  match = re.fullmatch(r'\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*', value or '')
  return int(match[1]) if match else None
