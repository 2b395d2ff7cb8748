# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OpenFlamingo and IDEFICS by their makers' code, for peers.py, which runs it.

In a Python with torch, transformers and for OpenFlamingo open_clip and
open_flamingo; of flamingo_jax nothing is imported. Weights are random, with all
gates half open, and written as the makers write theirs. Blocks and resampler are
the makers' classes at the sizes that are asked for.
"""

import json
import os
import pathlib
import sys
import time

import numpy as np
import torch
from torch.nn import functional
import transformers

NO_END = 10**6  # no token has this id: every run decodes as many tokens
GATES = ('attn_gate', 'ff_gate', 'alpha_cross_attn', 'alpha_dense')
ON_GPU = torch.cuda.is_available()
DEVICE, DTYPE = ('cuda', torch.bfloat16) if ON_GPU else ('cpu', torch.float32)
# CLIP's, which both processors have.
MEAN = 0.48145466, 0.4578275, 0.40821073
STD = 0.26862954, 0.26130258, 0.27577711


def write_tokenizer(folder, size, added=()):
  """Words w3, w4, ... behind the ends of texts, and what is added."""
  words = ['<s>', '<pad>', '</s>'] + [f'w{i}' for i in range(3, size['vocab'])]
  plain = {'single_word': False, 'lstrip': False, 'rstrip': False,
           'normalized': False, 'special': True}
  entries = [*enumerate(words[:3]), *enumerate(added, size['vocab'])]
  tokenizer = {
      'version': '1.0', 'pre_tokenizer': {'type': 'Whitespace'},
      'added_tokens': [{'id': i, 'content': x, **plain} for i, x in entries],
      'model': {'type': 'WordLevel', 'unk_token': '<pad>',
                'vocab': {word: i for i, word in enumerate(words)}},
  }
  settings = {'bos_token': '<s>', 'eos_token': '</s>', 'pad_token': '<pad>'}
  for name, told in (('', tokenizer), ('_config', settings)):
    (folder / f'tokenizer{name}.json').write_text(json.dumps(told))


class OpenFlamingo:
  """Around OPT, as open_flamingo builds it."""

  def __init__(self, size, folder):
    """Builds it, and writes two towers and what is trained."""
    import open_clip
    from open_flamingo.src import flamingo, flamingo_lm, helpers
    from open_flamingo.src import utils as open_flamingo_utils

    vision = {
        'image_size': size['image'], 'layers': size['v_layers'],
        'width': size['v_width'], 'patch_size': size['patch'],
        'head_width': size['v_width'] // size['v_heads'],
        'mlp_ratio': size['v_mlp'] / size['v_width'],
    }
    text = {'context_length': 8, 'vocab_size': 64, 'width': 64, 'heads': 2,
            'layers': 1}
    clip = open_clip.CLIP(
        size['v_width'], vision | {'output_tokens': True}, text
    )
    language_model = transformers.OPTForCausalLM(transformers.OPTConfig(
        vocab_size=size['vocab'], hidden_size=size['d'],
        word_embed_proj_dim=size['d'], num_hidden_layers=size['lm_layers'],
        ffn_dim=size['ffn'], num_attention_heads=size['heads'],
        max_position_embeddings=size['max_pos'], dropout=0.0,
        attention_dropout=0.0, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    ))
    self._write_towers(folder, clip, language_model, {
        'model_cfg': {'embed_dim': size['v_width'], 'vision_cfg': vision,
                      'text_cfg': text},
        'preprocess_cfg': {'mean': MEAN, 'std': STD},
    }, size)

    class Mixin(flamingo_lm.FlamingoLMMixin):  # transformers 5 leaves masks out

      def forward(self, input_ids, attention_mask=None, **options):
        return super().forward(input_ids, attention_mask, **options)

    open_flamingo_utils.extend_instance(language_model, Mixin)
    language_model.set_decoder_layers_attr_name('model.decoder.layers')
    language_model.resize_token_embeddings(
        size['vocab'] + size['added'], mean_resizing=False
    )
    end, image = size['vocab'], size['vocab'] + 1
    model = flamingo.Flamingo(
        clip, language_model, end, image, vis_dim=size['v_width'],
        cross_attn_every_n_layers=size['x_every'],
    )
    model.perceiver = helpers.PerceiverResampler(
        dim=size['v_width'], depth=size['r_depth'], heads=size['r_heads'],
        dim_head=size['r_dim_head'], num_latents=size['r_latents'],
    )
    blocks = language_model.gated_cross_attn_layers
    for i, block in enumerate(blocks):
      if block is not None:
        blocks[i] = helpers.GatedCrossAttentionBlock(
            dim=size['d'], dim_visual=size['v_width'], heads=size['x_heads'],
            dim_head=size['x_dim_head'],
        )
    language_model.init_flamingo_layers(False)
    # As its factory.py and, below, train_utils.py do unless told otherwise.
    model.requires_grad_(False)
    model.perceiver.requires_grad_(True)
    blocks.requires_grad_(True)
    language_model.get_input_embeddings().requires_grad_(True)
    self.model, self._known = model, size['vocab']
    open_gates(model)
    torch.save(
        {name: x.to(DTYPE) for name, x in model.state_dict().items()},
        folder / 'checkpoint.pt',
    )

  def _write_towers(self, folder, clip, language_model, config, size):
    """As the hub has them."""
    import safetensors.torch

    for name in ('vision', 'language_model'):
      (folder / name).mkdir()
    (folder / 'vision/open_clip_config.json').write_text(json.dumps(config))
    safetensors.torch.save_file(
        {name: x.to(DTYPE) for name, x in clip.state_dict().items()},
        folder / 'vision/open_clip_model.safetensors',
    )
    language_model.to(DTYPE).save_pretrained(folder / 'language_model')
    language_model.float()
    write_tokenizer(folder / 'language_model', size)

  def inputs(self, ids, index, pixels):
    """What a call takes, by name."""
    del index  # which it reads from the ids
    return {'vision_x': pixels[:, :, None], 'lang_x': ids,
            'attention_mask': torch.ones_like(ids)}

  def logits(self, inputs):
    """Of a call."""
    return self.model(**inputs).logits

  def mask_gradients(self):
    """Of the embedding, only the rows of added tokens are trained."""
    words = self.model.lang_encoder.get_input_embeddings().weight
    words.grad[:self._known] = 0

  def generate(self, inputs, options):
    """All tokens, those of the prompt in front."""
    return self.model.generate(**inputs, **options)


class Idefics:
  """As transformers has it."""

  def __init__(self, size, folder):
    """Builds it, and writes its folder."""
    self.model = transformers.IdeficsForVisionText2Text(
        transformers.IdeficsConfig(
            vocab_size=size['vocab'], additional_vocab_size=size['added'],
            hidden_size=size['d'], intermediate_size=size['gated_ffn'],
            num_hidden_layers=size['lm_layers'],
            num_attention_heads=size['heads'],
            max_position_embeddings=size['max_pos'],
            cross_layer_interval=size['x_every'], use_resampler=True,
            freeze_lm_head=True, freeze_text_layers=True,
            freeze_vision_layers=True, pad_token_id=1, bos_token_id=0,
            vision_config={
                'embed_dim': size['v_width'], 'image_size': size['image'],
                'intermediate_size': size['v_mlp'],
                'patch_size': size['patch'],
                'num_hidden_layers': size['v_layers'],
                'num_attention_heads': size['v_heads'],
            },
            perceiver_config={
                'resampler_n_latents': size['r_latents'],
                'resampler_depth': size['r_depth'],
                'resampler_n_heads': size['r_heads'],
                'resampler_head_dim': size['r_dim_head'],
            },
        )
    )
    open_gates(self.model)
    self._images = size['images']
    folder = folder / 'whole'
    self.model.to(DTYPE).save_pretrained(folder)
    write_tokenizer(folder, size, (
        '<fake_token_around_image>', '<image>', '<end_of_utterance>'
    ))
    (folder / 'preprocessor_config.json').write_text(json.dumps({
        'image_processor_type': 'IdeficsImageProcessor', 'image_mean': MEAN,
        'image_std': STD, 'image_size': size['image'], 'image_num_channels': 3,
    }))

  def inputs(self, ids, index, pixels):
    """What a call takes, by name."""
    images = torch.arange(1, pixels.shape[1] + 1, device=DEVICE)
    return {'input_ids': ids, 'pixel_values': pixels,
            'attention_mask': torch.ones_like(ids),
            'image_attention_mask': (index[..., None] == images).long()}

  def logits(self, inputs):
    """Of a call."""
    return self.model(**inputs, use_cache=False).logits

  def mask_gradients(self):
    """Nothing: what is added has arrays of its own."""

  def generate(self, inputs, options):
    """All tokens, those of the prompt in front."""
    return self.model.generate(**inputs, **options)


def open_gates(model):
  """So that text sees pictures, and they have gradients."""
  with torch.no_grad():
    for name, x in model.named_parameters():
      if name.endswith(GATES):
        x.fill_(0.5)


class Turns:
  """What is asked of a model; answers are seconds and what was found."""

  def __init__(self, maker, folder):
    self._maker, self._folder = maker, folder
    maker.model.to(DEVICE, DTYPE).eval()
    # As training/optimizer.py: the resampler does not decay. Nor does an embedding
    # of which rows are masked: these would fade.
    trained = {True: [], False: []}
    for name, x in maker.model.named_parameters():
      if x.requires_grad:
        fixed = 'perceiver' in name or name.endswith('embed_tokens.weight')
        trained[not fixed].append(x)
    self._trained = [*trained[True], *trained[False]]
    self._optimizer = torch.optim.AdamW([
        {'params': trained[True], 'weight_decay': 0.1},
        {'params': trained[False], 'weight_decay': 0.0},
    ], lr=1e-4)

  def read(self, file):
    """Inputs of a call, and the targets, from a file of arrays."""
    arrays = np.load(self._folder / file)
    at = lambda name: torch.tensor(arrays[name], device=DEVICE).long()
    pixels = torch.tensor(arrays['pixels'], device=DEVICE).float() / 255
    pixels = (pixels - torch.tensor(MEAN, device=DEVICE)) / torch.tensor(
        STD, device=DEVICE
    )
    pixels = pixels.permute(0, 1, 4, 2, 3).contiguous().to(DTYPE)
    inputs = self._maker.inputs(at('tokens'), at('media_index'), pixels)
    return inputs, at('targets') if 'targets' in arrays else None

  @torch.no_grad()
  def logits(self, file):
    """Writes those of a batch; answers where."""
    logits = self._maker.logits(self.read(file)[0]).float().cpu().numpy()
    np.save(self._folder / 'logits.npy', logits)
    return 'logits.npy'

  def train(self, file):
    """A step on a batch: its loss."""
    inputs, targets = self.read(file)

    def step():
      logits = self._maker.logits(inputs)
      loss = functional.cross_entropy(
          logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-100
      )
      loss.backward()
      self._maker.mask_gradients()
      torch.nn.utils.clip_grad_norm_(self._trained, 1.0)
      self._optimizer.step()
      self._optimizer.zero_grad(set_to_none=True)
      return loss.item()

    return timed(step)

  @torch.no_grad()
  def generate(self, file, new):
    """The likeliest `new` tokens behind prompts."""
    inputs, _ = self.read(file)
    options = {'max_new_tokens': new, 'do_sample': False,
               'eos_token_id': NO_END, 'pad_token_id': 1}
    seconds, found = timed(lambda: self._maker.generate(inputs, options))
    return seconds, found[:, -new:].tolist()


def timed(function):
  """((seconds, those of processors), result)."""
  wait = torch.cuda.synchronize if ON_GPU else lambda: None
  wait()
  start, spent = time.perf_counter(), time.process_time()
  result = function()
  wait()
  seconds = time.perf_counter() - start, time.process_time() - spent
  return seconds, result


def main():
  """Answers until there is nothing more to answer."""
  answers, sys.stdout = sys.stdout, sys.stderr  # some packages print
  maker, folder, threads, size = sys.argv[1:]
  torch.set_num_threads(int(threads))
  torch.manual_seed(0)
  transformers.logging.set_verbosity_error()
  folder = pathlib.Path(folder)
  makers = {'openflamingo': OpenFlamingo, 'idefics': Idefics}
  turns = Turns(makers[maker](json.loads(size), folder), folder)
  versions = {'torch': torch.__version__,
              'transformers': transformers.__version__}

  def answer(value):
    print(json.dumps(value), file=answers, flush=True)

  answer(versions | {'device': DEVICE, 'cores': os.cpu_count()})
  for line in sys.stdin:
    name, *arguments = json.loads(line)
    answer(getattr(turns, name)(*arguments))


if __name__ == '__main__':
  main()
