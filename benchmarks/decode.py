# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Speed of decoding after prefill, with one image and with many.

  python -m benchmarks.decode --variant=flamingo_small --images=1 --images=32

prints JSON. New tokens see the latents of the last image only, so tokens per
second must not depend on how many images a prompt has ('ratio', most images
over fewest, near 1). All prompts have the length of the longest, so that images
are all that differs. The measurements take turns and the fastest of each counts,
for a machine's speed drifts. Weights are random.
"""

import argparse
import functools
import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.random_params import random_params
from flamingo_jax import decoding
from flamingo_jax.models import Flamingo, FlamingoConfig, variants

NEVER = -1  # no token has this id: every run decodes as many tokens


def make_prompts(
    config: FlamingoConfig, images: int, length: int, batch: int
) -> tuple[decoding.Prompts, jax.Array, jax.Array]:
  """(text, pixels, mask): `images` images spread evenly over the text."""
  rng = np.random.default_rng(0)
  index = np.arange(length) * images // length + 1
  pixels = rng.integers(
      0, 256, (batch, images, 1, config.image_size, config.image_size, 3),
      np.uint8,
  )
  tokens = rng.integers(0, config.decoder.vocab, (batch, length))
  prompts = decoding.Prompts(
      tokens=jnp.array(tokens, jnp.int32),
      lengths=jnp.full(batch, length, jnp.int32),
      media_index=jnp.broadcast_to(
          jnp.array(index, jnp.int32), (batch, length)
      ),
  )
  return prompts, jnp.array(pixels), jnp.ones((batch, images, 1), bool)


def timed(function, *args) -> tuple[float, Any]:
  """(seconds, result) of a call, waiting for the device."""
  start = time.perf_counter()
  result = jax.block_until_ready(function(*args))
  return time.perf_counter() - start, result


def measure(options: argparse.Namespace) -> dict[str, Any]:
  """All measurements, taking turns `options.repeats` times."""
  config = variants.get(options.variant)
  model = Flamingo(config)
  params = random_params(config)
  length = options.tokens_per_image * max(options.images)
  encode = jax.jit(functools.partial(decoding.encode_media, model))
  read = jax.jit(functools.partial(
      decoding.read_prompts, model, max_new_tokens=options.new_tokens
  ))
  decode = jax.jit(functools.partial(
      decoding.greedy, model, room=options.new_tokens,
      max_new_tokens=options.new_tokens, stop=NEVER,
  ))
  runs = {}
  for images in options.images:
    prompts, pixels, mask = make_prompts(
        config, images, length, options.batch
    )
    latents = encode(params, pixels, mask)  # compiles
    logits, cache = read(params, prompts, latents)
    jax.block_until_ready(decode(params, logits, cache))
    runs[images] = dict(
        inputs=(prompts, pixels, mask), encode=[], prefill=[], decode=[],
        cache_bytes=sum(x.nbytes for x in jax.tree.leaves(cache)),
    )
  for _ in range(options.repeats):
    for run in runs.values():
      prompts, pixels, mask = run['inputs']
      seconds, latents = timed(encode, params, pixels, mask)
      run['encode'].append(seconds)
      seconds, state = timed(read, params, prompts, latents)
      run['prefill'].append(seconds)
      run['decode'].append(timed(decode, params, *state)[0])
  return summarize(options, runs)


def summarize(
    options: argparse.Namespace, runs: dict[int, dict[str, Any]]
) -> dict[str, Any]:
  """The fastest of the repeats, for JSON."""
  # The first token comes out of prefill.
  tokens = options.batch * (options.new_tokens - 1)
  speeds = {n: tokens / min(run['decode']) for n, run in runs.items()}
  device = jax.devices()[0]
  return {
      'variant': options.variant,
      'prompt_tokens': options.tokens_per_image * max(options.images),
      'batch': options.batch,
      'new_tokens': options.new_tokens,
      'repeats': options.repeats,
      'runs': [
          {
              'images': images,
              'tokens_per_second': round(speeds[images], 2),
              'encode_media_seconds': round(min(run['encode']), 4),
              'prefill_seconds': round(min(run['prefill']), 4),
              'cache_bytes': run['cache_bytes'],
          }
          for images, run in runs.items()
      ],
      'ratio': round(speeds[max(runs)] / speeds[min(runs)], 4),
      'hardware': f'{len(jax.devices())} x {device.device_kind} '
                  f'({device.platform})',
      'jax': jax.__version__,
  }


def main() -> None:
  """Parses the flags and prints the measurements."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--variant', default='flamingo_small')
  parser.add_argument('--images', type=int, action='append')
  parser.add_argument('--tokens_per_image', type=int, default=16)
  parser.add_argument('--batch', type=int, default=1)
  parser.add_argument('--new_tokens', type=int, default=64)
  parser.add_argument('--repeats', type=int, default=15)
  options = parser.parse_args()
  options.images = options.images or [1, 32]
  print(json.dumps(measure(options), indent=2))


if __name__ == '__main__':
  main()
