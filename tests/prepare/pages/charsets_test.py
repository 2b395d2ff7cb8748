# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Bytes of pages are the text that browsers show."""

import pytest

from flamingo_jax.prepare.pages import charsets

RUSSIAN = 'Вчера мы ходили в лес за грибами и пели песни.'
CSS = b'<style>' + b'.a{color:red}' * 2000 + b'</style>'


@pytest.mark.parametrize('label, data, text', [
    ('gb2312', b'\xe9F\xd0\x8f', '\u9555\u8895'),  # GBK and GB 2312
    ('GBK', b'\x810\x810 \x80', '\x80 \u20ac'),  # GB 18030, and the euro
    ('x-gbk', b'\xa3\xa0', '\u3000'),
    ('Shift_JIS', b'\x87@\xfa\xa2', '\u2460\u595d'),  # NEC and IBM
    ('x-sjis', b'\x81\x60', '\uff5e'),
    ('EUC-KR', b'\x8cc', '\ub620'),
    ('ks_c_5601-1987', b'\x8cc', '\ub620'),
    ('big5', b'\x87\x40', '\u43f0'),
    ('euc-jp', b'\xad\xa1\xa1\xc1\xa4\xa2', '\u2460\uff5e\u3042'),
    ('iso-2022-jp', b'\x1b$B-!$"\x1b(B<p>', '\u2460\u3042<p>'),
    ('csiso2022jp', b'\x1b(I12\x1b(B', '\uff71\uff72'),
    ('iso8859-1', b'\x93x\x94 \x81', '\u201cx\u201d \x81'),
    ('ascii', b'\x80', '\u20ac'),
    ('latin1', b'\x99', '\u2122'),
    ('iso-8859-9', b'\xfd\x80', '\u0131\u20ac'),
    ('tis-620', b'\x85\xa1', '\u2026\u0e01'),
    ('iso-8859-8-i', b'\xe0', '\u05d0'),
    ('macintosh', b'\x8e', '\xe9'),
    ('x-mac-ukrainian', b'\xff', '\u20ac'),
    ('koi8-ru', b'\xae', '\u045e'),
    ('windows-1253', b'\x81\xaa', '\x81\ufffd'),
    ('hz-gb-2312', b'abc', '\ufffd'),
    (' UTF8\n', b'\xc3\xa9\xff', '\xe9\ufffd'),  # what is told is not guessed
    ('utf-16', b'a\0\xac\x20', 'a\u20ac'),
])
def test_labels_mean_what_the_encoding_standard_says(label, data, text):
  assert charsets.decode(data, label) == text
  if label.strip().lower() not in ('utf-16', 'iso8859-1', 'hz-gb-2312'):
    page = b'<meta charset="%s"><p>%s' % (label.encode(), data)
    assert charsets.decode(page).endswith(f'<p>{text}')


@pytest.mark.parametrize('page, text', [
    (b'\xef\xbb\xbf<meta charset=gbk>\xc3\xa9', '\xe9'),  # a mark wins
    (b'<!--<meta charset=koi8-r>--><meta charset=cp1251>\xd4', '\u0424'),
    (b'<script>"<meta charset=koi8-r>"</script><meta charset=cp1251>\xd4',
     '\u0424'),
    (b'<head>' + CSS + b'<meta charset=cp1251></head>\xd4', '\u0424'),
    (b'<meta content="text/html; Charset = \'cp1251\'" http-equiv=CONTENT-TYPE>'
     b'\xd4', '\u0424'),
    (b'<meta name=x content="charset=koi8-r"><meta charset=cp1251>\xd4',
     '\u0424'),
    (b'<meta data-charset=koi8-r><meta charset=cp1251>\xd4', '\u0424'),
    (b'<meta charset=no-such><meta charset=cp1251>\xd4', '\u0424'),
    (b'<?xml version="1.0" encoding="windows-1251"?><html>\xd4', '\u0424'),
    (b'<meta charset=utf-16>\xd0\xa4', '\u0424'),
    (b'<meta charset=x-user-defined>\x80', '\u20ac'),
    ('<p>\u0424'.encode('utf-16-le'), '\u0424'),
])
def test_a_page_tells_its_charset(page, text):
  assert charsets.decode(page).endswith(text)
  assert charsets.decode(b'<p>\xc6', 'koi8-r') == '<p>\u0444'


@pytest.mark.parametrize('page, text', [
    (RUSSIAN.encode() + b' \xff', RUSSIAN + ' \ufffd'),
    (RUSSIAN.encode() + '\u20ac'.encode()[:2], RUSSIAN + '\ufffd'),
    (b'caf\xc3', 'caf\ufffd'),
    (b'caf\xc3\xa9 \x93', 'caf\xe9 \ufffd'),
    ('gone: \ufffd'.encode(), 'gone: \ufffd'),
    (b'<p>A caf\xe9 in the middle of the town.',
     '<p>A caf\xe9 in the middle of the town.'),
    (CSS + RUSSIAN.encode('cp1251'), CSS.decode() + RUSSIAN),
    (CSS + RUSSIAN.encode(), CSS.decode() + RUSSIAN),
    (RUSSIAN.encode('koi8-r'), RUSSIAN),
    ('昨日、森へ行きました。'.encode('iso2022_jp'), '昨日、森へ行きました。'),
    ('昨日、森へ行きました。'.encode('cp932'), '昨日、森へ行きました。'),
    ('昨天我们去森林里采蘑菇。'.encode('gbk'), '昨天我们去森林里采蘑菇。'),
    ('어제 우리는 숲에 갔습니다.'.encode('cp949'), '어제 우리는 숲에 갔습니다.'),
])
def test_pages_that_tell_no_charset(page, text):
  assert charsets.decode(page) == text
