# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what PEFT computes of low-rank updates that we have exported.

  .venv/bin/python -m tests.convert.adapted_runs FOLDER
  refs/bin/python tests/convert/references/record_peft.py FOLDER

refs as for record.py, with peft. Writes peft.npz, logits of the tokens of
language_models.json. Last run with peft 0.21.2, transformers 5.23.0 and torch
2.13.0.
"""

import json
import pathlib
import sys

import numpy as np
import peft
from safetensors import safe_open
import torch
import transformers

HERE = pathlib.Path(__file__).parent


def main():
  """Writes the file."""
  told = json.loads((HERE / 'language_models.json').read_text())
  tokens, found = torch.tensor(told['tokens']), {}
  mask = torch.arange(tokens.shape[1]) < torch.tensor(told['lengths'])[:, None]
  for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    base = transformers.AutoModelForCausalLM.from_pretrained(
        folder / 'hub', dtype=torch.float32, attn_implementation='eager'
    ).eval()
    with torch.no_grad():
      before = base(tokens, attention_mask=mask.long()).logits
    model = peft.PeftModel.from_pretrained(base, folder / 'export').eval()
    # All of the file is in the model, and all updates of the model in the file.
    with safe_open(folder / 'export' / 'adapter_model.safetensors', 'pt') as file:
      names = set(file.keys())
    assert names == set(peft.get_peft_model_state_dict(model)), folder
    with torch.no_grad():
      after = model(tokens, attention_mask=mask.long()).logits
    found[folder.name] = (after * mask[..., None]).numpy()
    print(folder.name, len(names), (after - before).abs().max().item())
  np.savez_compressed(HERE / 'peft.npz', **found)


if __name__ == '__main__':
  main()
