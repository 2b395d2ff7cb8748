# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading gin files and --gin.NAME=value, strictly."""

import ast
from collections.abc import Callable, Sequence
import os
from typing import Any

import gin
import jax

from flamingo_jax import gin_macros
from flamingo_jax import gin_search
from flamingo_jax import own_code
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.pipeline import DatasetConfig
from flamingo_jax.data.storage import sentence, write_atomically
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir.model_json import write_model_json
from flamingo_jax.training.trained_model import TrainedModel

_REQUIRED = '%gin.REQUIRED'


def parse(
    gin_files: Sequence[str], bindings: Sequence[str], complete: bool = True
) -> list[str]:
  """Parses files in order, then bindings, which override them.

  Args:
    gin_files: of the current folder or of the package, as `gin_search` finds
      them and their includes.
    bindings: 'NAME=value'. A value that is not a gin literal is a string, so
      shells need no second pair of quotes.
    complete: all macros that have to be set must be.

  Returns:
    The macros that have to be set and are not.

  Raises:
    UserError: a missing file, a name that nothing knows (with the closest one
      that is known), a macro that has to be set and is not.
  """
  paths = [gin_search.find(name) for name in gin_files]
  gin_search.look_beside(paths)
  for module in gin_macros.imported(paths):
    one_sentence(lambda: own_code.find_here(module))
  for path in paths:
    one_sentence(lambda: gin.parse_config_file(os.fspath(path)))
  known = set(_macros())
  for binding in bindings:
    name, value = gin_macros.split(binding, known)
    one_sentence(lambda: gin.parse_config(f'{name} = {_literal(value)}'))
  missing = [k for k, v in _macros().items() if str(v) == _REQUIRED]
  if missing and complete:
    options = ' '.join(f'--gin.{name}=...' for name in sorted(missing))
    raise UserError(f'{", ".join(sorted(missing))} must be set: add {options}')
  return missing


def one_sentence(call: Callable[[], Any]) -> Any:
  """Calls; errors of gin and of what gin calls become one line.

  Raises:
    UserError: gin's own, or one that was raised inside, without the lines that
      gin adds to it.
  """
  try:
    return call()
  except UserError as error:
    text = str(error).split('\n  In ')[0]
    raise UserError(text) from error
  except (OSError, UnicodeError) as error:
    raise UserError(sentence(error)) from error
  except (SyntaxError, NameError, AttributeError, ImportError) as error:
    raise UserError(_as_line(error)) from error
  except (TypeError, ValueError, RuntimeError) as error:
    if 'configurable' not in str(error).lower().split('\n')[0]:
      raise
    raise UserError(_as_line(error)) from error


def summarize_config(
    model_dir: str,
    summary_writer: Any,
    step: int,
    model: TrainedModel,
    dataset_cfg: DatasetConfig,
) -> None:
  """Writes what the run is, for people and for whoever loads its weights.

  Args:
    model_dir: gets config.gin, model.json and vocabulary.model.
    summary_writer: of TensorBoard; gets the text of config.gin.
    step: at which the run stands.
    model: what is trained.
    dataset_cfg: of the training data.
  """
  write_config(model_dir, summary_writer, step)
  if jax.process_index() == 0:
    lengths = dataset_cfg.task_feature_lengths.values()
    write_model_json(
        model_dir,
        model.config,
        model.vocabulary,
        max_media=max(task.get('media', 0) for task in lengths),
        frames=max(task.get('frames', 1) for task in lengths),
    )


def write_config(model_dir: str, summary_writer: Any, step: int) -> None:
  """Writes config.gin, and the same text to TensorBoard if that is wanted.

  Args:
    model_dir: a folder, which is made if need be.
    summary_writer: None for programs that write no metrics over time.
    step: under which TensorBoard shows it.
  """
  text = gin.config_str()
  if jax.process_index() == 0:
    as_folder(model_dir).mkdir(parents=True, exist_ok=True)
    write_atomically(as_folder(model_dir) / 'config.gin', text)
  if summary_writer is not None:
    summary_writer.write_texts(step, {'config': gin.markdown(text)})


def _macros() -> dict[str, Any]:
  """{name: value} of everything bound as NAME = value."""
  return {
      scope: arguments['value']
      for (scope, selector), arguments in gin.config._CONFIG.items()
      if selector == 'gin.macro' and 'value' in arguments
  }


def _literal(value: str) -> str:
  """`value` as gin reads it; anything else is quoted."""
  value = value.strip()
  if value.startswith(('@', '%')):
    return value
  try:
    ast.literal_eval(value)
  except (ValueError, SyntaxError):
    return repr(value)
  return value


def _as_line(error: Exception) -> str:
  return 'gin: ' + ' '.join(str(error).split())
