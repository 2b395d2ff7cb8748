# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of docs/, drawn as SVG from what the code computes.

The site makes them when it is built; `python -m launch.drawings DIR` writes them.
"""

from collections.abc import Mapping, Sequence
import functools
import html
import math
import pathlib
import sys
from typing import Any

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import gin_macros
from flamingo_jax import html_page
from flamingo_jax import models
from flamingo_jax.data import interleaved
from flamingo_jax.data import media as media_reader
from flamingo_jax.decoding import prefill
from flamingo_jax.models.cross_attention import visible_latents
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.training import trainable
from flamingo_jax.typing import Tree

WIDTH = 760
_OF_MEDIA = ('#d9d9d9', '#6fa8dc', '#f6b26b', '#93c47d')  # 0 sees none
_FROZEN, _TRAINABLE = '#9fc5e8', '#e87fa5'
# The members whose weights figures count.
_COUNTED = (
    'flamingo_tiny', 'flamingo_smollm2', 'flamingo_3b', 'flamingo_9b',
    'flamingo_80b',
)


class Drawing:
  """Shapes of an SVG, from top to bottom."""

  def __init__(self, title: str):
    """Empty.

    Args:
      title: for those who cannot see it.
    """
    self._title = title
    self._shapes: list[str] = []

  def box(
      self, x: float, y: float, width: float, height: float, fill: str
  ) -> None:
    """A filled rectangle."""
    self._shapes.append(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="2" fill="{fill}"/>'
    )

  def text(
      self, x: float, y: float, text: str, size: float = 13,
      anchor: str = 'start', turned: bool = False, bold: bool = False,
  ) -> None:
    """A line of text, whose baseline begins at (x, y)."""
    turn = f' transform="rotate(-60 {x:.1f} {y:.1f})"' * turned
    weight = ' font-weight="bold"' * bold
    self._shapes.append(
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
        f'text-anchor="{anchor}"{turn}{weight}>{html.escape(text)}</text>'
    )

  def picture(self, x: float, y: float, size: float, pixels: np.ndarray) -> None:
    """uint8[h w 3], square."""
    self._shapes.append(
        f'<image x="{x:.1f}" y="{y:.1f}" width="{size}" height="{size}" '
        f'href="{html_page.photograph(pixels)}"/>'
    )

  def arrow(self, x: float, y: float, to_x: float, to_y: float) -> None:
    """A line with a head."""
    self._shapes.append(
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        'stroke="#555" stroke-width="1.5" marker-end="url(#head)"/>'
    )

  def render(self, height: float) -> str:
    """The SVG, on white, so that it is seen in the dark too."""
    shapes_ = '\n'.join(self._shapes)
    return f'''<svg xmlns="http://www.w3.org/2000/svg" \
viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" \
font-family="system-ui, sans-serif" fill="#222" role="img">
<title>{html.escape(self._title)}</title>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" \
markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>
<rect width="100%" height="100%" rx="6" fill="#fff"/>
{shapes_}
</svg>
'''


def files() -> dict[str, str]:
  """{name of a file of the site: SVG}."""
  return {
      'figures/document.svg': draw_document(),
      'figures/mask.svg': draw_mask(next_media=False),
      'figures/mask_next.svg': draw_mask(next_media=True),
      'figures/gradients.svg': draw_gradients(),
      'figures/frozen.svg': draw_frozen(),
      'figures/cache.svg': draw_cache(),
  }


def _page(next_media: bool = False) -> tuple[Any, list[str]]:
  """A page of the shapes world as tokens, and their names."""
  pages = shapes.ShapesDocuments(
      'shapes_m3w', 'validation', shapes.draw_document
  )
  vocabulary = shapes_vocabulary.shapes_vocabulary()
  document = interleaved.tokenize_document(
      pages[0].parts, vocabulary, next_media=next_media
  )
  return document, vocabulary.pieces(document.tokens)


def draw_document() -> str:
  """A page in reading order; a token has the colour of the picture it sees."""
  document, pieces = _page()
  drawing = Drawing('A page whose tokens have the colour of what they see')
  x, y, media = 16.0, 22.0, 0
  for i, (piece, index) in enumerate(zip(pieces, document.media_index)):
    if i in document.positions:  # a picture stands before its tag
      x, y = 16.0, y + 62 * (i > 0)
      pixels, _ = media_reader.load_frames(document.media[media], 1, 48, None)
      drawing.picture(x, y - 18, 48, pixels[0])
      x, media = x + 58, media + 1
    text = piece.replace('▁', ' ').strip()
    width = 8 * len(text) + 12
    if x + width > WIDTH - 12:
      x, y = 74.0, y + 28
    drawing.box(x, y - 16, width, 23, _OF_MEDIA[index])
    drawing.text(x + width / 2, y, text, 12.5, 'middle')
    x += width + 4
  return drawing.render(y + 44)


def draw_mask(next_media: bool) -> str:
  """What `visible_latents` gives for the page: latents over tokens."""
  document, pieces = _page(next_media)
  latents = models.variants.get('flamingo_tiny').resampler.latents
  media = len(document.media)
  mask = np.asarray(visible_latents(
      jnp.asarray(document.media_index[None]), media, latents
  ))[0]  # [L S]
  which = 'next' if next_media else 'last'
  drawing = Drawing(f'Each token sees the latents of the {which} picture alone')
  left, top, side = 92.0, 12.0, 14.6
  for row in range(mask.shape[1]):
    medium, latent = divmod(row, latents)
    y = top + row * side + medium * 6
    if not latent:
      pixels, _ = media_reader.load_frames(document.media[medium], 1, 48, None)
      drawing.picture(16, y + 4, 48, pixels[0])
    for column in range(len(mask)):
      drawing.box(
          left + column * side, y, side - 1.5, side - 1.5,
          _OF_MEDIA[medium + 1] if mask[column, row] else '#f3f3f3',
      )
  bottom = top + mask.shape[1] * side + media * 6
  for column, piece in enumerate(pieces):
    drawing.text(
        left + column * side + 10, bottom + 12, piece.replace('▁', ' ').strip(),
        10.5, 'end', turned=True,
    )
  return drawing.render(bottom + 76)


def draw_gradients() -> str:
  """The paper's mixture as configs/flamingo_3b.gin trains on it."""
  macros = gin_macros.read(['configs/flamingo_3b.gin'])
  sizes, datasets = macros['BATCH_SIZES'], macros['DATASETS']
  drawing = Drawing('A gradient of each data set, weighted and added')
  for x, text in ((16, 'data set'), (104, 'examples of one step'),
                  (338, 'its mean loss'), (468, 'its gradient'),
                  (574, 'times λ')):
    drawing.text(x, 24, text, 12)
  middle = 58 + 26 * (len(sizes) - 1)
  for row, (name, dataset) in enumerate(datasets.items()):
    y = 58 + 52 * row
    length = {'frames': 1} | dataset
    media = f'{length["media"]} pictures'
    if length['media'] == 1:
      media = '1 picture'
    if length['frames'] > 1:
      media = f'{length["frames"]} frames'
    for x, width, text, fill in (
        (16, 64, name, '#e4e4e4'),
        (104, 206, f'{sizes[name]} × {length["tokens"]} tokens, {media}',
         '#e4e4e4'),
        (338, 96, f'L({name})', _FROZEN),
        (468, 80, '∇ L', _TRAINABLE),
        (574, 62, f'{dataset["weight"]:g} ∇ L', _TRAINABLE),
    ):
      drawing.box(x, y - 20, width, 32, fill)
      drawing.text(x + width / 2, y, text, 12.5, 'middle')
    for x, to_x in ((81, 103), (311, 337), (435, 467), (549, 573)):
      drawing.arrow(x, y - 4, to_x, y - 4)
    drawing.arrow(637, y - 4, 667, middle - 4 + 5 * (row - 1.5))
  drawing.box(669, middle - 26, 75, 44, _TRAINABLE)
  drawing.text(706, middle - 7, 'sum:', 12.5, 'middle')
  drawing.text(706, middle + 9, 'one update', 12.5, 'middle')
  return drawing.render(58 + 52 * len(sizes) - 12)


@functools.cache
def shapes_of(name: str) -> Tree:
  """The parameters of a member of the zoo, of which nothing is allocated."""
  config = models.variants.get(name)
  size, shape = config.image_size, jax.ShapeDtypeStruct
  variables = jax.eval_shape(
      models.Flamingo(config).init, jax.random.key(0),
      shape((1, 4), jnp.int32), shape((1, 4), jnp.int32),
      shape((1, 1, 1, size, size, 3), jnp.uint8), shape((1, 1, 1), bool),
  )
  return nn.unbox(variables)['params']


def count(tree: Tree) -> int:
  """Numbers in a tree."""
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def parts_of(name: str) -> dict[str, tuple[int, str]]:
  """{part: (weights, colour)} of a member, as `trainable` splits them."""
  params, frozen = trainable.split_params(shapes_of(name))
  resampler = count(params.pop('resampler'))
  vision = count(frozen.pop('vision_encoder'))
  return {
      'vision encoder': (vision, _FROZEN),
      'language model': (count(frozen), '#6fa8dc'),
      'resampler': (resampler, _TRAINABLE),
      'gated blocks': (count(params), '#f4a6c0'),
  }


def draw_frozen() -> str:
  """Shares of frozen and trainable weights, counted."""
  drawing = Drawing('Weights of each part, frozen in blue, trainable in pink')
  left, width = 150.0, WIDTH - 170.0
  found = {name: parts_of(name) for name in _COUNTED}
  for i, (part, (_, fill)) in enumerate(found[_COUNTED[0]].items()):
    x = 16 + 150 * i
    state = 'frozen' if i < 2 else 'trainable'
    drawing.box(x, 14, 14, 14, fill)
    drawing.text(x + 20, 25, part, 12)
    drawing.text(x + 20, 40, state, 11)
  y = 62
  for name, parts in found.items():
    total, x = sum(n for n, _ in parts.values()), left
    drawing.text(16, y + 17, name.removeprefix('flamingo_'), 13, bold=True)
    drawing.text(16, y + 32, f'{_short(total)} in all', 11)
    for number, fill in parts.values():
      share = number / total * width
      drawing.box(x, y, share, 26, fill)
      if share > 44:
        drawing.text(x + share / 2, y + 17, _short(number), 12, 'middle')
      x += share
    learned = sum(n for n, _ in list(parts.values())[2:])
    drawing.text(
        left + width, y + 40,
        f'{_short(learned)} trainable, {learned / total:.0%}', 11, 'end',
    )
    y += 54
  return drawing.render(y)


def kept(name: str, shots: int, tokens: int) -> Mapping[str, int]:
  """Bytes of the keys and values of a prompt, as `read_prompts` returns them.

  Args:
    name: of a member of the zoo.
    shots: pictures before that of the query.
    tokens: of the whole prompt.
  """
  config, shape = models.variants.get(name), jax.ShapeDtypeStruct
  resampler = config.resampler
  media = shots + 1
  latents = shape(
      (1, media, resampler.latents, resampler.width), config.dtype
  )
  text = shape((1, tokens), jnp.int32)

  def read(params, text, length, latents):
    prompts = prefill.Prompts(text, length, media_index=text)
    _, cache = prefill.read_prompts(
        models.Flamingo(config), params, prompts, latents, 0
    )
    stacks = cache.stacks.values()
    return (
        [(stack.media.keys, stack.media.values) for stack in stacks
         if stack.media is not None],
        [(stack.layers.keys, stack.layers.values) for stack in stacks],
    )

  last, layers = jax.eval_shape(
      read, shapes_of(name), text, shape((1,), jnp.int32), latents
  )
  size = lambda tree: sum(
      leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)
  )
  return {
      'pixels': media * config.image_size**2 * 3,
      'latents': size(latents),
      'media': size(last) * media,
      'last': size(last),
      'text': size(layers),
  }


def draw_cache(
    name: str = 'flamingo_9b', shots: int = 32, tokens: int = 640
) -> str:
  """What is computed once of a prompt, and what is kept of it."""
  sizes = kept(name, shots, tokens)
  mib = lambda key: f'{sizes[key] / 2**20:.3g} MiB'
  drawing = Drawing('What decoding keeps of a prompt')
  drawing.text(
      16, 26, f'{name}: {shots} shots and a query, {tokens} tokens', 13,
      bold=True,
  )
  upper = (
      (f'{shots + 1} pictures', mib('pixels'), '#e4e4e4'),
      ('encoder and resampler', 'once per picture', _FROZEN),
      ('latents', mib('latents'), '#e4e4e4'),
      ('keys and values', f'of all: {mib("media")}', '#e4e4e4'),
      ('those of the last', f'kept: {mib("last")}', _TRAINABLE),
  )
  lower = (
      (f'{tokens} tokens', '', '#e4e4e4'),
      ('language model', 'once per token', _FROZEN),
      ('keys and values', f'kept: {mib("text")}', _TRAINABLE),
      ('each new token', 'reads both', '#e4e4e4'),
  )
  places = [16, 142, 328, 454, 606]
  for row, y in ((upper, 48), (lower, 128)):
    at = places if row is upper else [16, 142, 454, 606]
    for i, (x, (text, more, fill)) in enumerate(zip(at, row)):
      width = min(160, (*at[i + 1:], WIDTH + 10)[0] - x - 26)
      drawing.box(x, y, width, 46, fill)
      drawing.text(x + width / 2, y + 19, text, 12, 'middle')
      drawing.text(x + width / 2, y + 36, more, 11, 'middle')
      if i + 1 < len(at):
        drawing.arrow(x + width + 1, y + 23, at[i + 1] - 1, y + 23)
  drawing.arrow(675, 95, 675, 127)
  return drawing.render(190)


def _short(number: int) -> str:
  """1.4B, 435M, 742k."""
  for size, letter in ((1e9, 'B'), (1e6, 'M'), (1e3, 'k')):
    if number >= size:
      return f'{number / size:.3g}{letter}'
  return str(number)


def main(argv: Sequence[str]) -> None:
  """Writes all figures into a folder."""
  for name, drawn in files().items():
    path = pathlib.Path(argv[1], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drawn, encoding='utf-8')
    print(path)


if __name__ == '__main__':
  main(sys.argv)
