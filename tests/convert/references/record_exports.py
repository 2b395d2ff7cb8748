# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what their makers' code computes of models that we have trained.

  .venv/bin/python -m tests.convert.stepped_runs FOLDER
  refs/bin/python tests/convert/references/record_exports.py FOLDER

The first writes exports, the second has transformers and OpenFlamingo load them
and writes exports.npz, the logits of the prompts of record_idefics.py and
record_flamingos.py. Last run with what these two were run with.
"""

import pathlib
import sys

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
import record_flamingos  # noqa: E402
import record_idefics  # noqa: E402


def idefics(folder, name):
  """Of a folder that transformers reads, tokenizer and processor too."""
  options, more = record_idefics.CASES[name]
  model = transformers.IdeficsForVisionText2Text.from_pretrained(folder).eval()
  images = record_idefics.image_processing_pil_idefics.IdeficsImageProcessorPil
  processor = transformers.IdeficsProcessor(
      images.from_pretrained(folder),
      transformers.AutoTokenizer.from_pretrained(folder),
  )
  processor.tokenizer.padding_side = 'right'
  inputs = record_idefics.read_prompts(
      processor, (more or ['</s>'])[0], options['vision_config']['image_size']
  )
  return model(**inputs).logits, inputs['attention_mask'].bool()


def open_flamingo(folder, name):
  """Of a checkpoint, loaded as the maker's README says."""
  _, _, _, words, _, first = record_flamingos.CASES[name]
  model, _, _ = record_flamingos.build(name)
  state = torch.load(folder / 'checkpoint.pt', weights_only=True)
  missed, unknown = model.load_state_dict(state, strict=False)
  assert not unknown, unknown
  parts = ('perceiver.', 'gated_cross_attn_layer.', 'embed_tokens', 'wte')
  assert not [x for x in missed if any(part in x for part in parts)]
  ids, mask, pixels = record_flamingos.batch(words, first)
  return model(pixels, ids, attention_mask=mask.long()).logits, mask


def main():
  """Writes the file."""
  root, found = pathlib.Path(sys.argv[1]), {}
  for folder in sorted(root.iterdir()):
    record = idefics if folder.name in record_idefics.CASES else open_flamingo
    with torch.no_grad():
      logits, mask = record(folder / 'export', folder.name)
    found[folder.name] = logits.numpy() * mask[..., None].numpy()
    print(folder.name, logits.std().item())
  np.savez_compressed(HERE / 'exports.npz', **found)


if __name__ == '__main__':
  main()
