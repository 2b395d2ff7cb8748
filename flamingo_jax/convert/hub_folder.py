# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model as the Hugging Face hub has it: config.json and safetensors."""

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
from typing import Any

import ml_dtypes  # NumPy and safetensors know bfloat16 thereby
import numpy as np

from flamingo_jax.errors import UserError

CONFIG = 'config.json'
# Of a config.json, what changes no number: who wrote it, how it was trained,
# how it is saved, which ids begin and end texts (the tokenizer's matter).
IRRELEVANT = '''
    _name_or_path _sliding_window_pattern architectures attention_dropout
    attn_pdrop auto_map bos_token_id cache_implementation
    chunk_size_feed_forward classifier_dropout dropout dtype emb_pdrop
    embd_pdrop eos_token_id finetuning_task hidden_dropout id2label init_std
    initializer_range is_encoder_decoder is_llama_config label2id layerdrop
    model_type output_attentions output_hidden_states pad_token_id prefix
    pretraining_tp problem_type resid_pdrop return_dict task_specific_params
    tie_encoder_decoder torch_dtype transformers.js_config
    transformers_version unsloth_fixed unsloth_version use_cache
'''.split()
_SINGLE, _INDEX = 'model.safetensors', 'model.safetensors.index.json'
_FLOATS = {'F32': np.float32, 'F16': np.float16, 'BF16': ml_dtypes.bfloat16}


class Attributes:
  """A config.json: all that it says has to be understood."""

  def __init__(self, values: dict[str, Any], path: str):
    """Of a file, for messages."""
    self.path = path
    self._values = dict(values)

  def take(self, name: str, default: Any = None) -> Any:
    """An attribute, which is understood thereby.

    Raises:
      UserError: it is missing, and there is no default.
    """
    value = self._values.pop(name, default)
    if value is None and default is None:
      raise UserError(f'{self.path} has no {name!r}; use the whole folder of '
                      'the model')
    return value

  def take_if_any(self, name: str) -> Any:
    """An attribute, or None where it is missing or null."""
    return self._values.pop(name, None)

  def ignore(self, *names: str) -> None:
    """Attributes that change no number of the model."""
    for name in names:
      self._values.pop(name, None)

  def expect(self, name: str, *allowed: Any) -> None:
    """An attribute that must be missing or one of these.

    Raises:
      UserError: it is not.
    """
    value = self._values.pop(name, allowed[0])
    if value not in allowed:
      raise UserError(
          f'{self.path}: {name} is {value!r}, which is not known here (but '
          f'{", ".join(map(repr, allowed))}); the model would compute something '
          'else'
      )

  def finish(self) -> None:
    """Whether all is understood.

    Raises:
      UserError: names the first attribute that is not.
    """
    for name, value in self._values.items():
      raise UserError(
          f'{self.path}: {name} is {value!r}, an attribute that is not known '
          'here; the model might compute something else'
      )


class Tensors:
  """The tensors of a folder, each read when it is asked for."""

  def __init__(self, folder: pathlib.Path):
    """Reads the headers.

    Raises:
      UserError: there is no safetensors file, or a shard is missing or cut; or
        the package is not installed.
    """
    try:
      import safetensors  # for those who convert
    except ImportError:
      raise UserError(
          'weights are read with the package safetensors, which is not '
          "installed; pip install -e '.[convert]' -c constraints.txt"
      ) from None
    self._stack = contextlib.ExitStack()
    self._files, self._unused = {}, {}
    for path in _shards(folder):
      try:
        file = self._stack.enter_context(
            safetensors.safe_open(path, framework='numpy')
        )
        names = list(file.keys())
      except FileNotFoundError:
        raise UserError(
            f'{path} does not exist, but {_INDEX} names it; download the whole '
            'folder'
        ) from None
      except (safetensors.SafetensorError, OSError) as error:
        raise UserError(
            f'{path} cannot be read as safetensors ({error}); download it again'
        ) from None
      for name in names:
        self._files[name] = file, path
        self._unused[name] = path

  def __contains__(self, name: str) -> bool:
    return name in self._files

  def __iter__(self) -> Iterator[str]:
    return iter(self._files)

  def close(self) -> None:
    """Lets go of the files."""
    self._stack.close()

  def shape(self, name: str) -> tuple[int, ...]:
    """Of a tensor; UserError if it is missing."""
    return tuple(self._slice(name).get_shape())

  def dtype(self, name: str) -> np.dtype:
    """Of a tensor; UserError if it is missing, or of no float type."""
    found = self._slice(name).get_dtype()
    if found not in _FLOATS:
      raise UserError(
          f'{self._files[name][1]}: {name} is of type {found}; weights of '
          f'{", ".join(_FLOATS)} can be read: export the model in one of these'
      )
    return np.dtype(_FLOATS[found])

  def read(self, name: str) -> np.ndarray:
    """A tensor; UserError if it is missing."""
    self._slice(name)
    self._unused.pop(name, None)
    return self._files[name][0].get_tensor(name)

  def unused(self) -> dict[str, pathlib.Path]:
    """Tensors that nobody has read, and their files."""
    return dict(self._unused)

  def _slice(self, name: str) -> Any:
    if name not in self._files:
      raise UserError(
          f'there is no tensor {name!r} among the {len(self._files)} of the '
          'folder; is a shard missing, or is it another model than its '
          f'{CONFIG} says?'
      )
    return self._files[name][0].get_slice(name)


def _shards(folder: pathlib.Path) -> list[pathlib.Path]:
  index = folder / _INDEX
  if index.exists():
    names = set(read_json(index).get('weight_map', {}).values())
    if not names or not all(isinstance(name, str) for name in names):
      raise UserError(f'{index} has no "weight_map" of files; download it again')
    return [folder / name for name in sorted(names)]
  if (folder / _SINGLE).exists():
    return [folder / _SINGLE]
  found = sorted(folder.glob('*.safetensors'))
  if not found:
    raise UserError(
        f'{folder} holds no safetensors file; weights of other formats have to '
        'be saved as safetensors first (save_pretrained does)'
    )
  return found


def read_json(path: str | os.PathLike) -> dict[str, Any]:
  """An object of a JSON file.

  Raises:
    UserError: it is missing or none.
  """
  try:
    value = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise UserError(
        f'{path} does not exist; give a folder as the hub has it'
    ) from None
  except (OSError, ValueError, RecursionError) as error:
    raise UserError(
        f'{path} cannot be read as JSON ({error}); download it again'
    ) from None
  if not isinstance(value, dict):
    raise UserError(f'{path} holds no JSON object; download it again')
  return value
