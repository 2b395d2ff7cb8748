# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where a public model is: a folder, or a name on the Hugging Face hub."""

import os
import pathlib
import re

from flamingo_jax.errors import UserError

_NAME = re.compile(r'(\w[\w.-]*/\w[\w.-]*)(?:@(.+))?')
# Configs, weights and tokenizers; not the same weights once more, in other
# formats ('consolidated' of Llama and Mistral) and in folders of their own.
_FILES = ['*.json', '*.safetensors', 'vocabulary.model']
_NOT = ['*/*', 'consolidated*']


def find_folder(source: str | os.PathLike) -> tuple[pathlib.Path, str]:
  """The folder of a model, and what it is told as.

  A name of the hub may end with '@' and a branch, a tag or a commit. It is
  downloaded into the hub's cache, of which only what is missing comes again. A
  folder of the same name goes before.

  Raises:
    UserError: it is neither, or the hub does not give it.
  """
  folder = pathlib.Path(source)
  if folder.is_dir():
    return folder, str(folder.resolve())
  name = _NAME.fullmatch(os.fspath(source))
  if folder.exists() or name is None:
    raise UserError(
        f'{source} is not a folder; name one like those on the hub, or a model '
        'on the hub, such as HuggingFaceTB/SmolLM2-135M'
    )
  repository, revision = name.groups()
  folder = _download(repository, revision)
  return folder, f'{repository} of the hub, commit {folder.name}'


def _download(repository: str, revision: str | None) -> pathlib.Path:
  """Its snapshot, whose folder is named after the commit."""
  try:
    import huggingface_hub  # for those who convert
    from huggingface_hub import constants, errors
  except ImportError:
    raise UserError(
        f'{repository} is not a folder, and reading it from the hub needs the '
        "package huggingface_hub, which is not installed; pip install -e "
        "'.[convert]' -c constraints.txt, or name a folder"
    ) from None
  page = f'{constants.ENDPOINT}/{repository}'
  try:
    return pathlib.Path(huggingface_hub.snapshot_download(
        repository, revision=revision, allow_patterns=_FILES,
        ignore_patterns=_NOT,
    ))
  except errors.GatedRepoError:
    reason = 'is given only to those who have accepted its terms'
    remedy = 'accept them on that page, then `hf auth login`'
  except errors.RepositoryNotFoundError:
    reason = 'does not exist, or is private'
    remedy = 'correct the name of the folder or the model, or `hf auth login`'
  except errors.RevisionNotFoundError:
    reason = f'has no branch, tag or commit {revision!r}'
    remedy = 'its page names those that it has'
  except errors.LocalEntryNotFoundError as error:
    cause = _first_line(error.__cause__ or 'offline')
    reason = f'cannot be reached ({cause}), and the cache has no copy'
    remedy = 'fix the connection, or download it elsewhere and name the folder'
  except (OSError, ValueError, errors.HTTPError) as error:
    reason = f'cannot be downloaded ({_first_line(error)})'
    remedy = 'try again, or download it elsewhere and name the folder'
  raise UserError(f'{repository} is not a folder, and {page} {reason}; {remedy}')


def _first_line(error: object) -> str:
  return (str(error).strip().splitlines() or [repr(error)])[0]
