# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Your own JSONL file as a task (`flamingo_jax.data.documents` has the schema).

In a gin file:
  from flamingo_jax.tasks import own_data
  LENGTHS = {'tokens': 64, 'media': 1, 'image_size': 64}
  own_data.mixture.path = %DATA
  own_data.mixture.lengths = %LENGTHS
  DatasetConfig.mixture_or_task_name = @own_data.mixture()
  DatasetConfig.task_feature_lengths = {'own_data': %LENGTHS}
"""

from collections.abc import Callable
from collections.abc import Mapping

from absl import logging
import numpy as np

from flamingo_jax.data import documents
from flamingo_jax.data import features
from flamingo_jax.data import interleaved
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.data.document_source import Documents, splits_of
from flamingo_jax.errors import UserError

NAME = 'own_data'
_LOOK_AT = 1000  # documents are tokenized to tell how many do not fit
_CLIP = 8  # frames of a video that are proposed: the paper's, one per second


def mixture(
    path: str,
    lengths: Mapping[str, int],
    validation_path: str | None = None,
    vocabulary: Callable[
        [], vocabulary_lib.Vocabulary
    ] = vocabulary_lib.default_vocabulary,
    p_next: float = 0.0,
    p_space: float = 0.0,
) -> str:
  """Registers the file as the task `own_data` and returns this name.

  The file is checked at once, and a warning tells how many of its documents do
  not fit into an example: of these, training sees random windows.

  Args:
    path: the JSONL file, split 'train'.
    lengths: of an example, as in DatasetConfig.task_feature_lengths.
    validation_path: the JSONL file of the split 'validation', if there is one.
    vocabulary: returns the tokenizer.
    p_next: how often text looks at the next picture instead of the last one;
      0.5 if some texts come before the picture that they are about.
    p_space: how often a space is put before a text.

  Raises:
    UserError: the file, one of its lines, or a file that it names is unfit.
  """
  if not path:
    raise UserError('own_data.mixture.path is empty; pass --data=FILE.jsonl')
  lengths = features.check_lengths(NAME, lengths)
  files = {'train': path}
  if validation_path:
    files['validation'] = validation_path
  read = {
      split: documents.JsonlDocuments(file) for split, file in files.items()
  }
  for split, file in files.items():
    message = misfits(read[split], lengths, vocabulary())
    if message:
      logging.warning('%s: %s', file, message)
  features.add_task(
      NAME,
      splits_of(read),
      vocabulary=vocabulary,
      p_next=p_next,
      p_space=p_space,
  )
  return NAME


def misfits(
    found: Documents,
    lengths: Mapping[str, int],
    vocabulary: vocabulary_lib.Vocabulary,
) -> str:
  """One line on the documents that an example cannot hold; '' if it holds all.

  Of many documents some are looked at, spread over the whole.
  """
  step = -(-len(found) // _LOOK_AT)
  looked_at = [
      interleaved.tokenize_document(found[i].parts, vocabulary)
      for i in range(0, len(found), step)
  ]
  # The last token is only predicted.
  tokens = np.array([len(document.tokens) - 1 for document in looked_at])
  media = np.array([len(document.media) for document in looked_at])
  videos = sum(
      any(medium.kind == 'video' for medium in document.media)
      for document in looked_at
  )
  counts, options = [], []
  if count := np.sum(tokens > lengths['tokens']):
    counts.append(f'{count} longer than {lengths["tokens"]} tokens')
    options.append(f'--gin.TOKENS={tokens.max()}')
  if count := np.sum(media > lengths['media']):
    counts.append(f'{count} with more than {lengths["media"]} images or videos')
    options.append(f'--gin.MEDIA={media.max()}')
  if videos and lengths['frames'] == 1:
    counts.append(f'{videos} with videos of which one frame is seen')
    options.append(f'--gin.FRAMES={_CLIP}')
  if not counts:
    return ''
  return (
      f'looked at {len(looked_at)} documents: {", ".join(counts)}; an example '
      f'shows a part of these, {" ".join(options)} would show more'
  )
