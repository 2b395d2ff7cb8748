# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a page says stands in its tree, not between two angle brackets."""

import pytest

from flamingo_jax.prepare.pages import dom
from flamingo_jax.prepare.pages import parsing
from flamingo_jax.prepare.source import Dropped

URL = 'http://example.org/dir/page.html'
SHOWN = '<p>Words.</p><img src="a.jpg"/>'
XHTML = ('<?xml version="1.0"?><!DOCTYPE html PUBLIC '
         '"-//W3C//DTD XHTML 1.0 Strict//EN" "xhtml1-strict.dtd">'
         '<html xmlns="http://www.w3.org/1999/xhtml">{}</html>')


def seen(html):
  """Texts and the URLs of images."""
  return [node.text if isinstance(node, dom.Text) else node.urls[0]
          for node in dom.read_page(html, URL)]


@pytest.mark.parametrize('beside', [
    f'<svg>{"<path/>" * 5000}</svg>', f'<svg>{"<g><path/></g>" * 5000}</svg>',
    f'<script>{"if(a<b)c;" * 5000}</script>', f'<!--{"<w:a/>" * 5000}-->',
    f'<!--[if mso]>{"<w:LsdException>" * 5000}<![endif]-->',
    f'<style>{"a::after{content:<b}" * 5000}</style>', '<p>' * 5000,
    f'<ul>{"<li>one" * 5000}</ul>', '<table>' * 5000 + '</table>',
    '<x-a/>' * 100, '<?p?>', '<?php echo 1; ?>', '<![CDATA[', '<!ELEMENT x>',
    '<?xml:namespace prefix = o ns = "urn:schemas-microsoft-com" />', '<b>bold<i></b></i>' * 1000, '<div>' * 1500 + '</div>' * 1500,
])
def test_what_does_not_nest_is_no_nesting(beside):
  assert seen(f'<p>Before.</p>{beside}{SHOWN}')[-1] == (
      'http://example.org/dir/a.jpg'
  )


@pytest.mark.parametrize('tags', [
    'div', 'b', 'font', 'ul><li', 'table><tr><td', 'template><div',
    'i><div></i', 'div></x', 'svg><g',
])
def test_a_page_that_nests_without_end_is_dropped_at_once(tags):
  for before in ('', '<p>One.' * 9000):
    with pytest.raises(Dropped, match='too deeply'):
      dom.read_page(f'{before}{f"<{tags}>" * 500_000}', URL)


@pytest.mark.parametrize('inside', [
    f'<head><title/></head><body>{SHOWN}</body>',
    f'<head><script src="a.js"/></head><body>{SHOWN}</body>',
    f'<head><style/></head><body><div class="ad"/>{SHOWN}</body>',
    f'<body><a id="x"/><iframe src="b"/><textarea/>{SHOWN}</body>',
    f'<body><script>//<![CDATA[\nif (a < b) c("</p>");\n//]]></script>{SHOWN}'
    '</body>',
    f'<body><script>if (a < b && c) d();</script><div class="ad"/>{SHOWN}</body>',
    f'<body><!--<script>--><div class="ad"/>\x0b{SHOWN}<!--</script>--></body>',
    '<body><p><![CDATA[Words.]]></p><img alt="&lt;&nbsp;&eacute;" src="a.jpg"/>'
    '</body>',
])
def test_xhtml_is_xml(inside):
  expected = ['Words.', 'http://example.org/dir/a.jpg']
  assert seen(XHTML.format(inside)) == expected
  assert seen(f'<html xmlns="http://www.w3.org/1999/xhtml">{inside}</html>'
              ) == expected


def test_xhtml_has_the_entities_of_html():
  inside = '<body><div class="ad"/><p>a&nbsp;&eacute; &lt;&amp;&copy; &#169; &none; R&D a&b=c</p>'
  inside += '<P>&#150;&#1;&#0;<BR/><![CDATA[&lt;a]]><!-- & --></P></body>'
  assert seen(XHTML.format(inside)) == ['a \xe9 <&\xa9 \xa9 &none; R&D a&b=c',
      '\u2013\ufffd\n&lt;a',
  ]


@pytest.mark.parametrize('page', [
    f'<html><body><p>Words.<br/>More.{SHOWN}</body></html>',  # not well-formed
    XHTML.format(f'<body>{SHOWN}<script>if (a < b) c();</script></body>'),
    '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]>'
    f'<html><body>&b;{SHOWN}</body></html>',
])
def test_what_is_no_xml_is_html(page):
  assert 'http://example.org/dir/a.jpg' in seen(page)


@pytest.mark.parametrize('html, language', [
    ('<html lang="en-GB">', 'en'), ('<!DOCTYPE html><HTML LANG="de">', 'de'),
    ("<html class=x xml:Lang = 'FR'>", 'fr'), ('<html><p lang="de">', ''),
    ('<html data-lang="de" lang="en">', 'en'), ('<html data-lang="de">', ''),
    ('<!-- <html lang="de"> --><html lang="en">', 'en'),
    ('<!--[if IE]><html lang="de"><![endif]--><html>', ''),
    ('<html title=\'lang="de"\'>', ''), ('<html title=">" lang=de>', 'de'),
    ('<script>"<html lang=de>"</script>', ''), ('<html lang="">', ''),
    ('<html><body lang="pt-BR">', 'pt'), ('<html lang="und">', ''),
    ('<meta http-equiv="Content-Language" content="de-AT">', 'de'),
    ('<meta http-equiv="content-language" content="de, en">', ''),
    ('<html lang=en><meta http-equiv=content-language content=de>', 'en'),
    (XHTML.format('<head/>').replace('<html', '<html xml:lang="nl"'), 'nl'),
])
def test_the_language_of_a_page(html, language):
  assert parsing.language(html) == language


@pytest.mark.parametrize('hidden', [
    '<img hidden src="b.jpg">', '<img src="b.jpg" style="Display : none">',
    '<img style="color:red;visibility:hidden !important" src="b.jpg">',
    '<amp-img hidden src="b.jpg"></amp-img>',
    '<picture hidden><source srcset="c.jpg"><img src="b.jpg"></picture>',
    '<img aria-hidden="true" src="b.jpg">',
    '<noscript><img src="b.jpg" style="display:none"></noscript>',
    '<b style="display:none">b</b>', '<b style="visibility: collapse">b</b>',
    '<b style="/**/ display:/*a*/NONE;color:red">b</b>',
])
def test_what_is_hidden_is_not_seen(hidden):
  assert seen(hidden + SHOWN) == ['Words.', 'http://example.org/dir/a.jpg']


@pytest.mark.parametrize('style', [
    'backface-visibility:hidden', 'display:none;display:block', 'display:none2',
    '/* display:none; */',
])
def test_what_is_not_hidden_is_seen(style):
  assert len(seen(f'<div style="{style}">{SHOWN}</div>')) == 2


@pytest.mark.parametrize('base, folder', [
    ('/x/', 'x'), ('', 'dir'), ('javascript:1', 'dir'), ('data:,x', 'dir'),
])
def test_a_base_that_is_no_address_is_none(base, folder):
  page = f'<base href="{base}">{SHOWN}'
  assert seen(page)[-1] == f'http://example.org/{folder}/a.jpg'
