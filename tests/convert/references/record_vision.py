# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what the reference implementations of vision encoders compute.

As record.py, into vision_encoders.json (config.json and shapes) and
vision_encoders.npz (features of patches behind the last norm). Last run with
transformers 5.23.0, open_clip_torch 3.3.0 and torch 2.13.0.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import open_clip
from safetensors.numpy import load_file, save_file
import torch
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from reference_weights import values  # noqa: E402

SIZES = {
    'hidden_size': 16, 'intermediate_size': 24, 'num_hidden_layers': 3,
    'num_attention_heads': 4, 'image_size': 12, 'patch_size': 4,
}
TEXT = {
    'hidden_size': 8, 'intermediate_size': 8, 'num_hidden_layers': 1,
    'num_attention_heads': 1, 'vocab_size': 9, 'max_position_embeddings': 5,
    'bos_token_id': 7, 'eos_token_id': 8,
}
DINO = {
    'hidden_size': 16, 'mlp_ratio': 2, 'num_hidden_layers': 3,
    'num_attention_heads': 4, 'image_size': 20, 'patch_size': 4,
}
IMAGENET = {
    'image_mean': [0.485, 0.456, 0.406], 'image_std': [0.229, 0.224, 0.225],
}
# Class of the configuration, its options, those of the image processor.
CASES = {
    'clip': ('CLIPConfig', {
        'vision_config': SIZES, 'text_config': TEXT, 'projection_dim': 6,
    }, 'CLIP', {'size': 12}),
    'clip_gelu': ('CLIPVisionConfig', SIZES | {
        'hidden_act': 'gelu', 'layer_norm_eps': 1e-2,
    }, 'CLIP', {'size': 12}),
    'siglip': ('SiglipConfig', {
        'vision_config': SIZES, 'text_config': TEXT,
    }, 'Siglip', {'size': {'height': 12, 'width': 12}}),
    # 14 pixels are 3 patches of 4, and what is left over is cut off.
    'siglip2': ('SiglipVisionConfig', SIZES | {
        'image_size': 14, 'intermediate_size': 43,
    }, 'Siglip', {'size': {'height': 14, 'width': 14}}),
    'dinov2': ('Dinov2Config', DINO, 'Bit', IMAGENET | {'size': 20}),
    # Its places, 5 x 5, become 3 x 3; its layers are gated.
    'dinov2_giant': ('Dinov2Config', DINO | {
        'use_swiglu_ffn': True,
    }, 'Bit', IMAGENET | {'size': 12}),
    # And 5 x 5 become 3 x 3 and 7 x 7, in another way.
    'dinov2_registers': ('Dinov2WithRegistersConfig', DINO | {
        'num_register_tokens': 2,
    }, 'Bit', IMAGENET | {'size': 12}),
    'dinov2_registers_larger': ('Dinov2WithRegistersConfig', DINO | {
        'num_register_tokens': 2,
    }, 'Bit', IMAGENET | {'size': 28}),
}


def pictures(size):
  """uint8[2 h w 3], of all brightnesses."""
  rng = np.random.default_rng(size)
  return rng.integers(0, 256, (2, size, size, 3), np.uint8)


def patches(model, pixels):
  """Features of patches behind the last norm."""
  model = getattr(model, 'vision_model', model)
  x = model(pixels).last_hidden_state
  skipped = 0
  if model.config.model_type.startswith('clip'):
    x, skipped = model.post_layernorm(x), 1  # it normalises its class token alone
  elif model.config.model_type.startswith('dinov2'):
    skipped = 1 + getattr(model.config, 'num_register_tokens', 0)
  return x[:, skipped:]


def record(config, options, processor, how):
  """(config, what the processor says, shapes, features) of one model."""
  config = getattr(transformers, config)(**options)
  processor = getattr(transformers, f'{processor}ImageProcessor')(
      **how, **({'crop_size': how['size']} if processor != 'Siglip' else {})
  )
  with tempfile.TemporaryDirectory() as folder:
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    read = lambda name: json.loads(pathlib.Path(folder, name).read_text())
    saved = read('config.json'), read('preprocessor_config.json')
    path = f'{folder}/model.safetensors'
    shapes = {name: x.shape for name, x in load_file(path).items()}
    save_file(
        {name: values(name, shape) for name, shape in shapes.items()}, path,
        metadata={'format': 'pt'},
    )
    model = transformers.AutoModel.from_pretrained(
        folder, attn_implementation='eager'
    ).eval()
  size = how['size'] if isinstance(how['size'], int) else how['size']['height']
  pixels = processor(list(pictures(size)), return_tensors='pt')['pixel_values']
  with torch.no_grad():
    return *saved, shapes, patches(model, pixels).numpy()


def record_open_clip():
  """As record, of a model that open_clip has written."""
  vision = {'layers': 3, 'width': 16, 'head_width': 4, 'mlp_ratio': 2.0,
            'patch_size': 4, 'image_size': 12}
  text = {'context_length': 5, 'vocab_size': 9, 'width': 8, 'heads': 1,
          'layers': 1}
  config = {'embed_dim': 6, 'quick_gelu': True, 'vision_cfg': vision,
            'text_cfg': text}
  model = open_clip.CLIP(
      6, vision | {'output_tokens': True}, text, quick_gelu=True
  ).eval()
  shapes = {name: tuple(x.shape) for name, x in model.state_dict().items()}
  model.load_state_dict({
      name: torch.tensor(values(name, shape)) for name, shape in shapes.items()
  })
  mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
  pixels = (pictures(12) / np.float32(255) - np.array(mean)) / np.array(std)
  pixels = torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32)
  with torch.no_grad():
    _, found = model.visual(pixels)
  config = {
      'model_cfg': config, 'preprocess_cfg': {'mean': mean, 'std': std}
  }
  return config, None, shapes, found.numpy()


def main():
  """Writes both files."""
  told, features = {}, {}
  for name, case in (*CASES.items(), ('open_clip', None)):
    config, processor, shapes, features[name] = (
        record(*case) if case else record_open_clip()
    )
    told[name] = {
        'config': config, 'processor': processor, 'tensors': shapes
    }
    print(name, features[name].shape, features[name].std())
  (HERE / 'vision_encoders.json').write_text(json.dumps(told) + '\n')
  np.savez_compressed(HERE / 'vision_encoders.npz', **features)


if __name__ == '__main__':
  main()
