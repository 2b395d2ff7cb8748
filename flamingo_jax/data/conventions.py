# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How the makers of Flamingos write documents as tokens."""

from collections.abc import Mapping
import dataclasses

IMAGE = '<image>'


@dataclasses.dataclass(frozen=True)
class Conventions:
  """What stands where in a document; the defaults are Flamingo's (v1 §3.2)."""

  # Whether <image> is an entry, which is given and never answered; else text.
  has_tags: bool = False
  around: str = ''  # an entry around tags, one between neighbours; '': none
  # The entry that is <EOC>, if the tokenizer has it, else <EOS> is; '': the
  # first that is added.
  end_of_chunk: str = ''
  # Behind what <EOC> is put by itself, in front of a medium: 'all', 'captions'
  # (another medium and its text) or 'nothing'.
  closes: str = 'all'
  # Whether documents begin with <BOS>; else with what the tokenizer puts there.
  begins_with_bos: bool = True
  # Whether every text is encoded as what stands behind a tag.
  follows_tags: bool = False
  strips: bool = False  # spaces around each text


CONVENTIONS: Mapping[str, Conventions] = {
    'flamingo': Conventions(),
    'open_flamingo': Conventions(
        has_tags=True, closes='captions', begins_with_bos=False
    ),
    'idefics': Conventions(
        has_tags=True, around='<fake_token_around_image>',
        end_of_chunk='<end_of_utterance>', closes='nothing', follows_tags=True,
        strips=True,
    ),
}
