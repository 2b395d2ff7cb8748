# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model as the Hugging Face hub has it: config.json and safetensors."""

from collections.abc import Iterator, Sequence
import json
import math
import os
import pathlib
import struct
from typing import Any

import ml_dtypes  # NumPy and safetensors know bfloat16 thereby
import numpy as np

from flamingo_jax.convert.entries import Entry, Held
from flamingo_jax.errors import UserError

CONFIG = 'config.json'
# Of a config.json, what changes no number: who wrote it, how it was trained,
# how it is saved, which ids begin and end texts (the tokenizer's matter).
IRRELEVANT = '''
    _attn_implementation _attn_implementation_autoset _flash_attn_2_enabled
    _name_or_path _sliding_window_pattern architectures attention_dropout
    attn_implementation
    attn_pdrop auto_map bad_words_ids begin_suppress_tokens bos_token_id
    cache_implementation chunk_size_feed_forward classifier_dropout
    cross_attention_hidden_size decoder_start_token_id diversity_penalty
    do_sample dropout dtype early_stopping emb_pdrop embd_pdrop
    encoder_no_repeat_ngram_size eos_token_id
    exponential_decay_length_penalty finetuning_task forced_bos_token_id
    forced_eos_token_id gradient_checkpointing hidden_dropout id2label init_std initializer_factor
    initializer_range is_encoder_decoder is_llama_config label2id layerdrop
    length_penalty max_length min_length model_type no_repeat_ngram_size
    num_beam_groups num_beams num_return_sequences output_attentions
    output_hidden_states output_scores pad_token_id prefix pretraining_tp
    problem_type remove_invalid_values repetition_penalty resid_pdrop
    return_dict return_dict_in_generate sep_token_id suppress_tokens
    task_specific_params temperature tf_legacy_loss tie_encoder_decoder
    tokenizer_class top_k top_p torch_dtype torchscript transformers.js_config
    transformers_version typical_p unsloth_fixed unsloth_version use_bfloat16
    use_cache
'''.split()
# Names of activations, and ours (models/layers.py).
ACTIVATIONS = {
    'quick_gelu': 'quick_gelu', 'gelu': 'gelu_exact',
    'gelu_pytorch_tanh': 'gelu', 'gelu_new': 'gelu', 'gelu_fast': 'gelu',
    'relu': 'relu', 'silu': 'silu', 'swish': 'silu',
}
_TOO_MANY = 2**24  # of whatever is counted in a config.json
_SINGLE, _INDEX = 'model.safetensors', 'model.safetensors.index.json'
# What safetensors calls types of weights.
FLOATS = {
    'F32': np.dtype(np.float32), 'F16': np.dtype(np.float16),
    'BF16': np.dtype(ml_dtypes.bfloat16),
}


class Attributes:
  """A config.json: all that it says has to be understood."""

  def __init__(self, values: dict[str, Any], path: str):
    """Of a file, for messages."""
    self.path = path
    self._values = dict(values)

  def __contains__(self, name: str) -> bool:
    return name in self._values

  def with_defaults(self, values: dict[str, Any]) -> 'Attributes':
    """With these where it says nothing; null is said."""
    return Attributes(values | self._values, self.path)

  def take(self, name: str, default: Any = None) -> Any:
    """An attribute, which is understood thereby.

    Raises:
      UserError: it is missing, and there is no default.
    """
    value = self._values.pop(name, None)
    if value is None:
      value = default
    if value is None:
      raise UserError(f'{self.path} has no {name!r}; use the whole folder of '
                      'the model')
    return value

  def count(
      self, name: str, default: int | None = None, least: int = 1
  ) -> int:
    """An attribute that must be a whole number; else UserError."""
    value = self.take(name, default)
    if type(value) is not int or not least <= value < _TOO_MANY:
      raise self._error(
          name, value, f'a whole number above {least - 1} and below {_TOO_MANY:,}'
      )
    return value

  def counts(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
    """As `count`, of a list of them; else UserError."""
    values = self.take(name, list(default))
    if not isinstance(values, list) or not values or not all(
        type(x) is int and 0 < x < _TOO_MANY for x in values
    ):
      raise self._error(name, values, 'whole numbers above 0')
    return tuple(values)

  def number(self, name: str, default: float | None = None) -> float:
    """An attribute that must be a number above 0; else UserError."""
    value = self.take(name, default)
    if type(value) not in (int, float) or not 1e-30 < value < 1e30:
      raise self._error(name, value, 'a number above 0')
    return float(value)

  def numbers(self, name: str, size: int) -> tuple[float, ...]:
    """As `number`, of a list of that size; else UserError."""
    values = self.list_if_any(name, size) or self.take(name)
    return tuple(Attributes({name: x}, self.path).number(name) for x in values)

  def flag(self, name: str, default: bool = False) -> bool:
    """An attribute that must be true or false; else UserError."""
    value = self.take(name, default)
    if type(value) is not bool:
      raise self._error(name, value, 'true or false')
    return value

  def count_if_any(self, name: str, least: int = 1) -> int | None:
    """As `count`; None where it is missing or null."""
    if self._values.get(name) is None:
      return self._values.pop(name, None)
    return self.count(name, least=least)

  def number_if_any(self, name: str) -> float | None:
    """As `number`; None where it is missing or null."""
    return None if self._values.get(name) is None else self.number(name)

  def part_if_any(self, name: str) -> 'Attributes | None':
    """An object in it; None where it is missing or null; else UserError."""
    value = self.take_if_any(name)
    if not isinstance(value, dict | None):
      raise self._error(name, value, 'an object')
    return None if value is None else Attributes(value, f'{self.path}, {name}')

  def part(
      self, name: str, default: dict[str, Any] | None = None
  ) -> 'Attributes':
    """An object in it; UserError if it is none, or missing without a default."""
    found = self.part_if_any(name)
    if found is None:
      found = Attributes(self.take(name, default), f'{self.path}, {name}')
    return found

  def list_if_any(self, name: str, size: int) -> list[Any] | None:
    """A list of that size; None where it is missing or null; else UserError."""
    value = self.take_if_any(name)
    if value is not None and not (
        isinstance(value, list) and len(value) == size
    ):
      raise self._error(name, value, f'a list of {size}')
    return value

  def _error(self, name: str, value: Any, kind: str) -> UserError:
    return UserError(f'{self.path}: {name} is {_short(value)} and has to be '
                     f'{kind}')

  def take_if_any(self, name: str) -> Any:
    """An attribute, or None where it is missing or null."""
    return self._values.pop(name, None)

  def activation(self, name: str, default: str) -> str:
    """Ours of that name; UserError if it is none that is known."""
    value = self._values.pop(name, None)
    value = default if value is None else value
    if not isinstance(value, str) or value not in ACTIVATIONS:
      raise UserError(
          f'{self.path}: {name} is {_short(value)}, and known are '
          f'{", ".join(ACTIVATIONS)}'
      )
    return ACTIVATIONS[value]

  def ignore(self, *names: str) -> None:
    """Attributes that change no number of the model."""
    for name in names:
      self._values.pop(name, None)

  def expect(self, name: str, *allowed: Any) -> Any:
    """An attribute that must be missing, which is the first, or one of these.

    Raises:
      UserError: it is not.
    """
    value = self._values.pop(name, allowed[0])
    if value not in allowed:
      raise UserError(
          f'{self.path}: {name} is {_short(value)}, which is not known here (but '
          f'{", ".join(map(repr, allowed))}); the model would compute something '
          'else'
      )
    return value

  def finish(self) -> None:
    """Whether all is understood.

    Raises:
      UserError: names the first attribute that is not.
    """
    for name, value in self._values.items():
      if value is None:  # nothing is said
        continue
      raise UserError(
          f'{self.path}: {name} is {_short(value)}, an attribute that is not '
          'known here; the model might compute something else'
      )


def _short(value: Any) -> str:
  """On one line, as a sentence can hold it."""
  text = repr(value)
  return text if len(text) <= 80 else f'{text[:77]}...'


class Tensors:
  """The tensors of a folder, or file, each read when it is asked for."""

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
    self._entries: dict[str, Entry | Held] = {}
    self._unused: dict[str, pathlib.Path] = {}
    for path in _shards(folder):
      try:
        with safetensors.safe_open(path, framework='numpy'):
          pass  # its header is checked against its size
        found = _entries(path)
      except FileNotFoundError:
        raise UserError(
            f'{path} does not exist, but {_INDEX} names it; download the whole '
            'folder'
        ) from None
      except (safetensors.SafetensorError, OSError) as error:
        raise UserError(
            f'{path} cannot be read as safetensors ({error}); download it again'
        ) from None
      twice = next((name for name in found if name in self._entries), None)
      if twice is not None:
        raise UserError(
            f'{path} and {self._entries[twice].path} both have a tensor '
            f'{twice!r}; keep the files of one model alone'
        )
      self._entries |= found
      self._unused |= dict.fromkeys(found, path)

  def __contains__(self, name: str) -> bool:
    return name in self._entries

  def __iter__(self) -> Iterator[str]:
    return iter(self._entries)

  def shape(self, name: str) -> tuple[int, ...]:
    """Of a tensor; UserError if it is missing."""
    return self._entry(name).shape

  def rows(self, name: str) -> int:
    """Of a matrix; UserError if it is missing."""
    return (self.shape(name) or (0,))[0]

  def size(self, name: str) -> int:
    """Bytes of a tensor; raises as `dtype`."""
    return math.prod(self.shape(name)) * self.dtype(name).itemsize

  def type_name(self, name: str) -> str:
    """Of a tensor, as safetensors calls it; UserError if it is missing."""
    return self._entry(name).dtype

  def dtype(self, name: str) -> np.dtype:
    """Of a tensor; UserError if it is missing, or of no float type."""
    entry = self._entry(name)
    if entry.dtype not in FLOATS:
      raise UserError(
          f'{entry.path}: {name} is of type {entry.dtype}; weights of '
          f'{", ".join(FLOATS)} can be read: export the model in one of these'
      )
    return FLOATS[entry.dtype]

  def read(self, name: str) -> np.ndarray:
    """A tensor; raises as `dtype`, and UserError if its file has been cut."""
    dtype, entry = self.dtype(name), self._entry(name)
    self._unused.pop(name, None)
    return entry.read(dtype)

  def outline(self, name: str) -> np.ndarray:
    """An array like a tensor, without its values and the memory of these."""
    return np.broadcast_to(np.empty((), self.dtype(name)), self.shape(name))

  def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
    """A tensor, so many rows at a time, in one memory; raises as `read`."""
    dtype, entry = self.dtype(name), self._entry(name)
    self._unused.pop(name, None)
    yield from entry.blocks(dtype, rows)

  def unused(self) -> dict[str, pathlib.Path]:
    """Tensors that nobody has read, and their files."""
    return dict(self._unused)

  def _entry(self, name: str) -> Entry | Held:
    if name not in self._entries:
      raise UserError(
          f'there is no tensor {name!r} among the {len(self._entries)} of the '
          'folder; is a shard missing, or is it another model than its '
          f'{CONFIG} says?'
      )
    return self._entries[name]


def _entries(path: pathlib.Path) -> dict[str, Entry]:
  """Of a file whose header is right."""
  with open(path, 'rb') as file:
    (size,) = struct.unpack('<Q', file.read(8))
    header = json.loads(file.read(size))
  return {
      name: Entry(
          path, entry['dtype'], tuple(entry['shape']),
          8 + size + entry['data_offsets'][0],
      )
      for name, entry in header.items() if name != '__metadata__'
  }


def _shards(folder: pathlib.Path) -> list[pathlib.Path]:
  if folder.is_file():
    return [folder]
  index = folder / _INDEX
  if index.exists():
    return indexed_files(index)
  if (folder / _SINGLE).exists():
    return [folder / _SINGLE]
  found = sorted(folder.glob('*.safetensors'))
  if (folder / 'adapter_config.json').exists():
    raise UserError(
        f'{folder} holds an adapter, not a model; merge it into its model first '
        '(merge_and_unload of the package peft, then save_pretrained)'
    )
  if not found:
    other = ''.join(sorted(
        f' (but {path.name})' for path in folder.glob('*')
        if path.suffix in ('.bin', '.pt', '.pth', '.gguf', '.h5', '.msgpack')
    )[:1])
    raise UserError(
        f'{folder} holds no safetensors file{other}; weights of other formats '
        'have to be saved as safetensors first (from_pretrained and '
        'save_pretrained of transformers do)'
    )
  return found


def indexed_files(index: pathlib.Path) -> list[pathlib.Path]:
  """The shards that an index names; UserError if it names none."""
  places = read_json(index).get('weight_map')
  names = list(places.values()) if isinstance(places, dict) else []
  if not names or not all(isinstance(name, str) for name in names):
    raise UserError(f'{index} has no "weight_map" of files; download it again')
  for name in names:
    if pathlib.PurePath(name).name != name:
      raise UserError(f'{index} names {name!r}, which is not a file of its folder; '
                      'download it again')
  return [index.parent / name for name in sorted(set(names))]


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
