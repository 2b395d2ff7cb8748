# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Lines of many scripts, spaces, emoji and code, the same on every machine."""

import random
import zlib

_SENTENCES = '''\
The quick brown fox jumps over the lazy dog; it's 3:45 p.m., isn't it?
WE'LL see: I'd've said they're NOT here (or 'there') -- "quoted" text...
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich – ÄÖÜß.
Voix ambiguë d’un cœur qui, au zéphyr, préfère les jattes de kiwis.
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia. ¿Qué? ¡Sí!
Příliš žluťoučký kůň úpěl ďábelské ódy. Łódź, źdźbło, İstanbul ığdır.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Ἄνδρα μοι ἔννεπε, Μοῦσα.
Съешь же ещё этих мягких французских булок, да выпей чаю.
זה כיף סתם לשמוע איך תנצח קרפד עץ טוב בגן. שָׁלוֹם
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. ١٢٣٤
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। क्षि १२
আমার সোনার বাংলা, আমি তোমায় ভালোবাসি। தமிழ் எழுத்து
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓
いろはにほへと ちりぬるを。カタカナ、ﾊﾝｶｸ、漢字と「かな」！ が か゛
我能吞下玻璃而不伤身体。視野無限廣，窗外有藍天。　全角　空格ＡＢＣ１２３
다람쥐 헌 쳇바퀴에 타고파. 한글 각
አማርኛ ፊደል። ქართული ანბანი. Հայերեն այբուբեն։ ខ្មែរ မြန်မာ
👩‍👩‍👧‍👦 family 🇩🇪🇯🇵 flags 👍🏽 thumbs ❤️ vs ❤ 😀😃 🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣ ☃ ™ ©
∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β), ∑ 1⁄n² = π²/6 ≈ 1.644934066848
def f(x: int = 0, *args, **kw) -> dict[str, float]:  # noqa: E501
    return {"a": x ** 2 // 3, 'b': [1e-5, 0xFF, 1_000_000, 12345678901]}
for (int i = 0; i < n; ++i) { if (a[i] != b[i] && !c) return &p->q; }
<html lang="en"><body class='x'>&amp;&#8364; <!-- no --></body></html> \\n \\t
SELECT `id`, COUNT(*) FROM t WHERE name LIKE '%a_b%' GROUP BY 1; -- 50%
https://www.example.org/a/b%20c?q=1&r=%C3%A9#frag me@example.org #tag @me
e\u0301 vs \u00e9, \ufb01 vs fi, \u212b vs \u00c5 vs A\u030a, \u1e9b\u0323, Z\u0351\u036b\u0343a\u0329l\u0348g\u0321o
\u2581 is\u2581no\u2581space, \u0120 and \u010a are no bytes, \ufeff \u200b \u200d \u00ad \u202e end
'''.splitlines()
_SPACES = (' ', ' ', ' ', '  ', '   ', '        ', '\t', '\t\t', '\n', '\n\n',
           '\r\n', ' \n ', '\u00a0', '\u3000', '\u2009', '\x0b', '\u2028', '')


def lines(count, specials=()):
  """So many of at most some 150 characters; `specials` stand in every tenth."""
  rng = random.Random(7)
  found = []
  for number in range(count):
    parts = []
    for _ in range(rng.randrange(1, 4)):
      sentence = rng.choice(_SENTENCES)
      begin = rng.randrange(len(sentence))
      parts.append(sentence[begin : begin + rng.randrange(1, 50)])
      parts.append(rng.choice(_SPACES))
    if rng.random() < 0.2:  # of any script that Unicode has
      block = rng.randrange(0x300)
      parts += [chr(block * 0x100 + rng.randrange(0x100)) for _ in range(8)]
    if rng.random() < 0.2:
      parts.insert(0, rng.choice(_SPACES))
    if specials and number % 10 == 0:
      parts.insert(rng.randrange(len(parts)), rng.choice(specials))
    text = ''.join(parts)
    found.append(text.encode(errors='ignore').decode())  # without surrogates
  return found


def corpus():
  """What tokenizers are trained on: all sentences, several times some."""
  return [s for i, s in enumerate(_SENTENCES) for _ in range(1 + i % 3)]


def checksums(ids):
  """Four hexadecimal digits for the ids of each line."""
  return ''.join(
      f'{zlib.crc32(repr(list(line)).encode()) & 0xFFFF:04x}' for line in ids
  )
