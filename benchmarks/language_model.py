# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Speed of a converted language model, beside transformers' on the same CPU.

  python -m benchmarks.language_model FOLDER --tower=TOWER --python=refs/bin/python

prints JSON. FOLDER is as the hub has it, TOWER what `flamingo convert` made of
it, refs an environment with torch and transformers. Both read prompts of the same
tokens and take the likeliest token NEW times, in float32 on THREADS cores (ours on
all that the process may use), compiled beforehand. They take turns, and the
fastest of each counts; 'ratio' is ours over theirs, tokens a second, and
'cpu_ratio' per second of processors, which tells more where others compute too
(with --threads=1 under `taskset -c 0`). 'same' is how many of the tokens are.
"""

import argparse
import functools
import json
from typing import Any

import jax
import numpy as np

from benchmarks.turns import OtherSide, timed
import flamingo_jax as fj
from flamingo_jax import decoding
from flamingo_jax.predictor import programs

NEVER = -1  # no token has this id: every run decodes as many tokens
THEIRS = '''
import json, sys, time
import torch, transformers
folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
model = transformers.AutoModelForCausalLM.from_pretrained(
    folder, dtype=torch.float32).eval()
model.generation_config.eos_token_id = None
print(json.dumps({'transformers': transformers.__version__,
                  'torch': torch.__version__}), flush=True)
for line in sys.stdin:
  rows, new = json.loads(line)
  ids = torch.tensor(rows)
  with torch.inference_mode():
    start, spent = time.perf_counter(), time.process_time()
    out = model.generate(ids, attention_mask=torch.ones_like(ids),
                         max_new_tokens=new, do_sample=False, pad_token_id=0)
    seconds = time.perf_counter() - start, time.process_time() - spent
  print(json.dumps([seconds, out[:, len(rows[0]):].tolist()]), flush=True)
'''


# (seconds, those of processors), tokens.
Run = tuple[tuple[float, float], np.ndarray]


class Ours:
  """The tower, by the program that answers with it."""

  def __init__(self, tower: str, new: int):
    loaded = fj.load(tower)
    self._params = loaded.params
    module = fj.models.LanguageModel(loaded.config)
    self._decode = jax.jit(functools.partial(
        programs.greedy, module, room=new, stop=NEVER
    ))

  def __call__(self, rows: np.ndarray, new: int) -> Run:
    """Reads prompts and decodes."""
    prompts = decoding.Prompts(
        rows, np.full(len(rows), rows.shape[1], np.int32), np.zeros_like(rows)
    )
    latents = np.zeros((len(rows), 1, 1, 1), np.float32)
    return timed(lambda: np.asarray(self._decode(
        self._params, (None, np.int32(new)), (prompts, latents)
    ).tokens))


def measure(options: argparse.Namespace) -> dict[str, Any]:
  """All batch sizes, both sides taking turns."""
  ours = Ours(options.tower, options.new)
  transformers = OtherSide(
      [options.python, '-c', THEIRS, options.folder, str(options.threads)]
  )

  def theirs(rows: np.ndarray, new: int) -> Run:
    seconds, tokens = transformers([rows.tolist(), new])
    return seconds, np.array(tokens)

  rng = np.random.default_rng(0)
  runs = []
  for batch in options.batch:
    rows = rng.integers(100, 5000, (batch, options.prompt)).astype(np.int32)
    _, tokens = ours(rows, options.new)  # compiles
    _, their_tokens = theirs(rows, options.new)
    seconds = [
        [side(rows, options.new)[0] for side in (ours, theirs)]
        for _ in range(options.repeats)
    ]
    fastest = np.min(seconds, axis=0)  # [side, (all, of processors)]
    speeds = batch * options.new / fastest[:, 0]
    runs.append({
        'batch': batch,
        'tokens_per_second': round(float(speeds[0]), 1),
        'transformers_tokens_per_second': round(float(speeds[1]), 1),
        'ratio': round(float(speeds[0] / speeds[1]), 2),
        'ratios': [round(b[0] / a[0], 2) for a, b in seconds],
        'cpu_ratio': round(float(fastest[1, 1] / fastest[0, 1]), 2),
        'same': float(np.mean(tokens == their_tokens)),
    })
  transformers.close()
  device = jax.devices()[0]
  return {
      'prompt_tokens': options.prompt, 'new_tokens': options.new,
      'threads': options.threads, 'runs': runs,
      'hardware': f'{len(jax.devices())} x {device.device_kind}',
      'jax': jax.__version__, **transformers.told,
  }


def main() -> None:
  """Parses the flags and prints the measurements."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('folder')
  parser.add_argument('--tower', required=True)
  parser.add_argument('--python', required=True)
  parser.add_argument('--threads', type=int, default=2)
  parser.add_argument('--batch', type=int, nargs='*', default=[1, 8])
  parser.add_argument('--prompt', type=int, default=32)
  parser.add_argument('--new', type=int, default=64)
  parser.add_argument('--repeats', type=int, default=5)
  print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == '__main__':
  main()
