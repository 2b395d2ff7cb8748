# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what transformers makes of SmolLM2-135M-Instruct itself.

As record.py, with the model's folder, into smollm2.json: greedy tokens after five
prompts, the log-likelihood of a page, and checksums of 2,000 lines' ids. Last run
with transformers 5.23.0 and torch 2.13.0, in float32, of the folder that
launch/real_language.sh makes (runs/real_language/SmolLM2-135M). Its tokenizer takes
each digit by itself, as SmolLM2's does.
"""

import argparse
import json
import pathlib
import sys

import torch
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from texts import checksums, corpus, lines  # noqa: E402

PROMPTS = (
    'The capital of France is',
    'Once upon a time, in a village by the sea,',
    'def fibonacci(n):\n',
    'Water boils at 100 degrees Celsius because',
    '<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n',
)
NEW = 50


def main():
  """Writes the file."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('folder')
  folder = parser.parse_args().folder
  # By the folder's model type it would be another.
  tokenizer = transformers.PreTrainedTokenizerFast(
      tokenizer_file=f'{folder}/tokenizer.json'
  )
  model = transformers.AutoModelForCausalLM.from_pretrained(
      folder, dtype=torch.float32, attn_implementation='eager'
  ).eval()
  greedy = []
  with torch.inference_mode():
    for prompt in PROMPTS:
      ids = tokenizer(prompt, return_tensors='pt')['input_ids']
      out = model.generate(ids, max_new_tokens=NEW, do_sample=False)
      greedy.append(out[0, ids.shape[1] :].tolist())
      print(tokenizer.decode(greedy[-1]))
    page = '\n'.join(corpus()[:60:2])
    ids = tokenizer(page, return_tensors='pt')['input_ids'][:, :512]
    # In float32 it is 1.6e-4 nats off, which is more than we may be.
    logs = torch.log_softmax(model.double()(ids).logits[0], dim=-1)
    taken = logs[:-1].gather(1, ids[0, 1:, None]).sum().item()
  found = [tokenizer(text)['input_ids'] for text in lines(2000)]
  (HERE / 'smollm2.json').write_text(json.dumps({
      'prompts': PROMPTS, 'greedy': greedy, 'page': ids[0].tolist(),
      'log_likelihood': taken, 'checksums': checksums(found),
  }) + '\n')
  print(ids.shape, taken)


if __name__ == '__main__':
  main()
