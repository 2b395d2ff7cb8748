# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shows what a run on the shapes learned: losses, gates, three captions."""

from collections.abc import Mapping, Sequence
import json
import pathlib
import sys

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

from absl import logging
import matplotlib

matplotlib.use('agg')  # draws into files, needs no display
from matplotlib import pyplot as plt
import numpy as np

from flamingo_jax import errors
from flamingo_jax import predictor
from flamingo_jax.data import media
from tasks import shapes

PICTURES = 3
Curves = Mapping[str, Sequence[tuple[int, float]]]


def read_curves(path: pathlib.Path, prefix: str) -> Curves:
  """The (step, value) points of every metric that starts with the prefix."""
  curves: dict[str, list[tuple[int, float]]] = {}
  for line in path.read_text(encoding='utf-8').splitlines():
    row = json.loads(line)
    for name, value in row.items():
      if name.startswith(prefix):
        curves.setdefault(name, []).append((row['step'], value))
  return curves


def plot(curves: Curves, label: str, path: pathlib.Path) -> None:
  """Draws curves over the steps into a PNG file."""
  figure, axes = plt.subplots(figsize=(7, 4), layout='constrained')
  for name, points in sorted(curves.items()):
    axes.plot(*zip(*points), label=name)
  axes.set(xlabel='step', ylabel=label)
  axes.spines[['top', 'right']].set_visible(False)
  axes.legend(frameon=False, fontsize='small')
  figure.savefig(path, dpi=150)
  plt.close(figure)


def plot_captions(
    pictures: Sequence[np.ndarray], captions: Sequence[str], path: pathlib.Path
) -> None:
  """Draws pictures side by side, each over its caption."""
  figure, row = plt.subplots(
      1, len(pictures), figsize=(3 * len(pictures), 3.6), layout='constrained')
  for axes, picture, caption in zip(row, pictures, captions):
    axes.imshow(picture)
    axes.set_axis_off()
    axes.set_title(caption, fontsize='small', y=-0.04, va='top', wrap=True)
  figure.savefig(path, dpi=150)
  plt.close(figure)


def main(model_dir: pathlib.Path) -> int:
  """Prints the report, writes the plots; 1 when a loss has not fallen."""
  metrics = model_dir / 'metrics.jsonl'
  losses = read_curves(metrics, 'loss/')
  print('\nlosses, nats per token')
  for name, points in sorted(losses.items()):
    (first, start), (last, end) = points[0], points[-1]
    print(f'  {name:<20} {start:6.3f} at step {first}, {end:6.3f} at step {last}')
  plot(losses | read_curves(metrics, 'eval/loss/'), 'nats per token',
       model_dir / 'losses.png')
  plot(read_curves(metrics, 'gate/'), 'tanh(gate)', model_dir / 'gates.png')

  pairs = shapes.ShapesDocuments('shapes_pairs', 'validation', shapes.draw_pair)
  images, truths = zip(*(pairs[i].parts for i in range(PICTURES)))
  answers = predictor.load(model_dir).generate([[image] for image in images])
  print('\npictures that were not trained on')
  for answer, truth in zip(answers, truths):
    print(f'  it says   {answer}\n  it shows  {truth}')
  pictures = [media.load_frames(image, 1, 256, None)[0][0] for image in images]
  plot_captions(pictures, answers, model_dir / 'captions.png')
  print(f'\nplots in {model_dir}: losses.png, gates.png, captions.png')
  return 0 if all(c[-1][1] < c[0][1] for c in losses.values()) else 1


if __name__ == '__main__':
  logging.set_verbosity(logging.ERROR)
  try:
    sys.exit(main(pathlib.Path(sys.argv[1])))
  except errors.UserError as e:
    print(f'error: {e}', file=sys.stderr)
    sys.exit(2)
