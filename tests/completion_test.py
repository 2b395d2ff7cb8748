# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo completion`: what bash makes of what is typed."""

import subprocess

import pytest

from flamingo_jax import cli
from tests import command_examples

# Asks as bash does, with the cursor behind the last word.
ASK = """
source flamingo.bash
complete -p flamingo >&2
while read -r -a COMP_WORDS; do
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _shtab_flamingo && echo "${COMPREPLY[@]}"
done
"""


def test_bash_completes_commands_flags_and_files(tmp_path, capsys):
  assert cli.main(command_examples.arguments('completion')[:2]) == 0
  (tmp_path / 'flamingo.bash').write_text(capsys.readouterr().out)
  (tmp_path / 'pairs.jsonl').touch()
  asked = {
      'gene': 'generate', 'prepare img': 'img2dataset', 'generate --ima':
      '--image', 'train --data pai': 'pairs.jsonl', 'check pai': 'pairs.jsonl',
      'completion z': 'zsh', 'vocabulary t': 'train',
  }
  lines = ''.join(f'flamingo {words}\n' for words in asked)
  shell = subprocess.run(
      ['bash', '--norc', '-c', ASK], cwd=tmp_path, input=lines, text=True,
      capture_output=True, check=True,
  )
  assert shell.stdout.splitlines() == list(asked.values())
  # Elsewhere, as behind `--data=`, bash takes names of files.
  assert '-o default' in shell.stderr


def test_zsh_is_told_all_commands(capsys):
  assert cli.main(command_examples.arguments('completion', 1)[:2]) == 0
  script = capsys.readouterr().out
  assert script.startswith('#compdef flamingo')
  for name in command_examples.all_examples():
    assert name.split()[-1] in script


def test_another_shell_is_told(capsys):
  with pytest.raises(SystemExit):
    cli.main(['completion', 'cmd'])
  assert "'cmd'" in capsys.readouterr().err
