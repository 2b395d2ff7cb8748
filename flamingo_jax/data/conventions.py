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
  tag: str = IMAGE  # what this entry is called
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
  # Whether <EOS>, where it is <EOC>, ends what media are seen in.
  eos_ends_media: bool = False
  # Of Llama 3.2 Vision: media without text between them are seen together;
  # those that open a document stand in front of <BOS>; and entries around who
  # speaks, where documents are turns (data/turns.py).
  groups_media: bool = False
  bos_behind_tags: bool = False
  header: tuple[str, ...] = ()


_LLAMA_VISION = Conventions(
    has_tags=True, tag='<|image|>', closes='nothing', groups_media=True
)
CONVENTIONS: Mapping[str, Conventions] = {
    'flamingo': Conventions(),
    'open_flamingo': Conventions(
        has_tags=True, closes='captions', begins_with_bos=False
    ),
    'idefics': Conventions(
        has_tags=True, around='<fake_token_around_image>',
        end_of_chunk='<end_of_utterance>', closes='nothing', follows_tags=True,
        strips=True, eos_ends_media=True,
    ),
    'llama_vision': dataclasses.replace(
        _LLAMA_VISION, begins_with_bos=False, bos_behind_tags=True,
        end_of_chunk='<|end_of_text|>',
    ),
    'llama_vision_chat': dataclasses.replace(
        _LLAMA_VISION, end_of_chunk='<|eot_id|>',
        header=('<|start_header_id|>', '<|end_header_id|>'),
    ),
}
