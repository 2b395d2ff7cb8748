# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What of documents an example of a run cannot hold."""

from collections.abc import Collection, Mapping
import dataclasses

import numpy as np

from flamingo_jax.data.frames import TRAINING
from flamingo_jax.data.interleaved import TokenizedDocument

_ROWS = 1000  # are drawn
_NEEDS = 10_000  # documents that they are made of
_TOLD = 0.02  # of the documents; more without room are told


@dataclasses.dataclass
class Misfits:
  """Counts of documents of which an example shows a part.

  `flamingo check` and the warning of a run have their numbers from here.
  """

  # Of an example: 'tokens', 'media', 'frames' and, if it is a row of several
  # documents (`data/packed.py`), 'documents'.
  lengths: Mapping[str, int]
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
  # Tokens and media of some documents.
  needs: list[tuple[int, int]] = dataclasses.field(default_factory=list)

  def add(self, document: TokenizedDocument) -> None:
    """Counts one more document."""
    # The last token is only predicted.
    tokens, media = len(document.tokens) - 1, len(document.media)
    has_video = any(medium.kind == 'video' for medium in document.media)
    self.documents += 1
    if len(self.needs) < _NEEDS:
      self.needs.append((tokens, media))
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
    told = []
    if counts:
      told.append(
          f'of {self.documents} documents, {", ".join(counts)}; an example shows '
          f'a part of these, {self._options(needed)} would show more'
      )
    share = self.share_without_room()
    if share > _TOLD:
      told.append(
          f'a row of {self.lengths["documents"]} documents has no room for '
          f'{100 * share:.0f} % of them, which wait for another epoch; fewer '
          'DOCUMENTS, or more TOKENS or MEDIA, would leave out fewer'
      )
    return '; '.join(told)

  def share_without_room(self) -> float:
    """Which share of the documents does not fit into rows drawn at random."""
    if not self.needs or 'documents' not in self.lengths:
      return 0.0
    rng = np.random.default_rng(0)
    limits = np.array([self.lengths['tokens'], self.lengths['media']])
    # What is longer than a row gives a window.
    needs = np.minimum(np.array(self.needs), limits)
    rows = rng.integers(len(needs), size=(_ROWS, self.lengths['documents']))
    used, without = np.zeros((_ROWS, 2), int), 0
    for column in rows.T:
      fits = np.all(used + needs[column] <= limits, axis=1)
      used += needs[column] * fits[:, None]
      without += int(np.sum(~fits))
    return without / rows.size

  def _options(self, needed: Mapping[str, int]) -> str:
    """Flags of a run that would show these lengths."""
    where = 'DATASETS' if 'DATASETS' in self.macros else 'TASK_FEATURE_LENGTHS'
    options = [
        f'--gin.{name.upper()}={count}' if name.upper() in self.macros
        else f'{name!r}: {count} in {where}'
        for name, count in needed.items()
    ]
    return ' '.join(options)
