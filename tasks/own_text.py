# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Your own texts as a task for a language model.

A line of the JSONL file is a document: {"parts": [{"text": "..."}]}. In a gin
file:
  from flamingo_jax.tasks import own_text
  own_text.mixture.path = %DATA
  DatasetConfig.mixture_or_task_name = @own_text.mixture()
  DatasetConfig.task_feature_lengths = {
      'own_text': {'tokens': 256, 'documents': 4}
  }
"""

from flamingo_jax.data import documents
from flamingo_jax.data import text
from flamingo_jax.data.document_source import splits_of
from flamingo_jax.data.vocabulary import LoadVocabulary, default_vocabulary
from flamingo_jax.errors import UserError

NAME = 'own_text'


def mixture(
    path: str,
    validation_path: str | None = None,
    vocabulary: LoadVocabulary = default_vocabulary,
) -> str:
  """Registers the file, which is checked, as `own_text`; returns this name.

  Args:
    path: the JSONL file, split 'train'.
    validation_path: the JSONL file of the split 'validation', if there is one.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: the file or one of its lines is unfit.
  """
  if not path:
    raise UserError('own_text.mixture.path is empty; pass --data=FILE.jsonl')
  files = {'train': path}
  if validation_path:
    files['validation'] = validation_path
  found = {
      split: documents.JsonlDocuments(file, media=False)
      for split, file in files.items()
  }
  text.add_task(NAME, splits_of(found), vocabulary=vocabulary)
  return NAME
