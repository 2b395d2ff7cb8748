# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What of documents an example of a run cannot hold."""

from collections.abc import Collection, Mapping
import dataclasses

from flamingo_jax.data.frames import TRAINING
from flamingo_jax.data.interleaved import TokenizedDocument


@dataclasses.dataclass
class Misfits:
  """Counts of documents of which an example shows a part.

  `flamingo check` and the warning of a run have their numbers from here.
  """

  lengths: Mapping[str, int]  # of an example: 'tokens', 'media' and 'frames'
  # Of the run's gin file; TOKENS, MEDIA and FRAMES among them are these
  # lengths.
  macros: Collection[str] = ('TOKENS', 'MEDIA', 'FRAMES')
  documents: int = 0  # that were looked at
  truncated: int = 0  # those longer than an example
  crowded: int = 0  # those with more media than an example has
  left_out: int = 0  # media beyond these, in all of them
  stills: int = 0  # those with videos of which one frame is seen
  longest: int = 0  # tokens that the longest one needs
  most_media: int = 0  # of a document

  def add(self, document: TokenizedDocument) -> None:
    """Counts one more document."""
    # The last token is only predicted.
    tokens, media = len(document.tokens) - 1, len(document.media)
    has_video = any(medium.kind == 'video' for medium in document.media)
    self.documents += 1
    self.truncated += tokens > self.lengths['tokens']
    self.crowded += media > self.lengths['media']
    self.left_out += max(0, media - self.lengths['media'])
    self.stills += has_video and self.lengths['frames'] == 1
    self.longest = max(self.longest, tokens)
    self.most_media = max(self.most_media, media)

  def sentence(self) -> str:
    """The counts, and lengths that would show more; '' if everything fits."""
    counts, needed = [], {}
    if self.truncated:
      counts.append(f'{self.truncated} longer than {self.lengths["tokens"]} '
                    'tokens')
      needed['tokens'] = self.longest
    if self.crowded:
      counts.append(f'{self.crowded} with more than {self.lengths["media"]} '
                    'images or videos')
      needed['media'] = self.most_media
    if self.stills:
      counts.append(f'{self.stills} with videos of which one frame is seen')
      needed['frames'] = TRAINING.frames
    if not counts:
      return ''
    options = [
        f'--gin.{name.upper()}={count}' if name.upper() in self.macros
        else f'{name!r}: {count} in TASK_FEATURE_LENGTHS'
        for name, count in needed.items()
    ]
    return (
        f'of {self.documents} documents, {", ".join(counts)}; an example shows '
        f'a part of these, {" ".join(options)} would show more'
    )
