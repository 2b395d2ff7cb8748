# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shows what a run of flamingo_tiny learned: MODEL_DIR/report/index.html."""

from collections.abc import Mapping, Sequence
import json
import pathlib
import sys
from typing import Any

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

from absl import logging
import numpy as np

from flamingo_jax import errors
from flamingo_jax import html_page
from flamingo_jax import predictor
from flamingo_jax import shipped
from flamingo_jax.evaluation import gallery
from flamingo_jax.evaluation import plots
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import shots_table
from flamingo_jax.evaluation.report import BESIDE
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_bind

EPISODES = 6
SHOTS = 4
CAPTIONS = 3
_BIND = 'shapes_bind_2way', '', 'top1'
Curves = Mapping[str, Mapping[int, plots.Point]]


def read_curves(path: pathlib.Path, prefix: str) -> Curves:
  """The values over steps of every metric that starts with the prefix."""
  curves: dict[str, dict[int, plots.Point]] = {}
  for line in path.read_text(encoding='utf-8').splitlines():
    row = json.loads(line)
    for name, value in row.items():
      if name.startswith(prefix):
        curves.setdefault(name, {})[row['step']] = value, None, None
  return curves


def plot(curves: Curves, label: str) -> str:
  """Curves over the steps, as the source of an <img>."""
  panel = plots.Panel(
      '', 'step', label, dict(sorted(curves.items())), spaces_evenly=False
  )
  return html_page.data_uri(plots.draw([panel]), 'png')


def answer_episodes(model: predictor.Predictor) -> list[gallery.Example]:
  """Episodes that the evaluation scores, with the likeliest word of each."""
  episodes = shapes_bind.ShapesEpisodes(2, SHOTS, 'validation')
  examples = []
  for episode in (episodes[i] for i in range(EPISODES)):
    prompt = prompts.join(episode.supports, episode.query)
    scores = model.score(prompt, list(episode.query.candidates))
    word = episode.query.candidates[int(np.argmax(scores))]
    examples.append(gallery.Example(
        episode.query, episode.supports, word.strip(' .'),
        'right' if word in episode.query.answers else 'wrong',
    ))
  return examples


def caption(model: predictor.Predictor) -> list[gallery.Example]:
  """What the model says of pictures that were not trained on."""
  pairs = shapes.ShapesDocuments('shapes_pairs', 'validation', shapes.draw_pair)
  images, truths = zip(*(pairs[i].parts for i in range(CAPTIONS)))
  answers = model.generate([[image] for image in images])
  return [
      gallery.Example(
          prompts.Sample((image,), '', (truth,), f'{pairs.task}:{i}', i), (),
          answer, 'right' if answer.strip() == truth else 'wrong',
      )
      for i, (image, truth, answer) in enumerate(zip(images, truths, answers))
  ]


def read_scores(path: pathlib.Path) -> shots_table.Curves:
  """The scores of a results.json."""
  record = json.loads(path.read_text(encoding='utf-8'))
  return shots_table.read_curves(record['scores'])


def render(
    ours: shots_table.Curves, shipped_: shots_table.Curves, **parts: Any
) -> str:
  """The page, which needs no other file.

  Args:
    ours: scores of the run.
    shipped_: and of the shipped model.
    **parts: what else the template `quickstart.html` shows.
  """
  shots = sorted({n for points in ours.values() for n in points})
  rows, last = [], ''
  for (task, control, metric), points in ours.items():
    other = shipped_.get((task, control, metric), {})
    cells = [(_percent(points.get(n)), _percent(other.get(n))) for n in shots]
    name = '' if task == last else task.replace('_', ' ')
    rows.append((name, control.replace('_', ' '), cells))
    last = task
  shown = {control for _, control, _ in ours}
  return html_page.render(
      'quickstart.html', title='A tiny Flamingo', shots=shots, rows=rows,
      legend={
          name.replace('_', ' '): meaning for name, meaning in BESIDE.items()
          if name in shown
      }, verdict=verdict(ours), **parts,
  )


def _percent(point: Sequence[float] | None) -> str:
  if point is None:
    return ''
  score, low, high = point
  within = '' if low is None else f' ±{(high - low) / 2:.0f}'
  return f'{score:.0f}{within}'


def verdict(ours: shots_table.Curves) -> str:
  """'0 shots: 50 %, 2 shots: 81 %.'"""
  return ', '.join(
      f'{shots} shots: {point[0]:.0f} %'
      for shots, point in ours[_BIND].items()
  ) + '.'


def main(model_dir: pathlib.Path) -> int:
  """Writes the report; 1 when a loss has not fallen."""
  ours = read_scores(model_dir / 'eval' / 'results.json')
  theirs = read_scores(pathlib.Path(shipped.shipped_weights(), 'results.json'))
  metrics = model_dir / 'metrics.jsonl'
  losses = read_curves(metrics, 'loss/')
  shots_plot = (model_dir / 'eval' / 'shots.png').read_bytes()
  model = predictor.load(model_dir)
  page = render(
      ours, theirs, shots_plot=html_page.data_uri(shots_plot, 'png'),
      episodes=list(map(gallery.shown, answer_episodes(model))),
      captions=list(map(gallery.shown, caption(model))),
      losses=plot(
          losses | read_curves(metrics, 'eval/loss/'), 'nats per token'
      ),
      gates=plot(read_curves(metrics, 'gate/'), 'tanh(gate)'),
  )
  path = model_dir / 'report' / 'index.html'
  path.parent.mkdir(exist_ok=True)
  path.write_text(page, encoding='utf-8')
  print(f'\naccuracy on episodes of two words: {verdict(ours)}')
  print(f'report: {path}')
  has_fallen = True
  for name, points in sorted(losses.items()):
    points = list(points.items())
    (first, (start, *_)), (last, (end, *_)) = points[0], points[-1]
    has_fallen &= end < start
    print(f'{name:<20} {start:6.3f} at step {first}, {end:6.3f} at step {last}')
  return 0 if has_fallen else 1


if __name__ == '__main__':
  logging.set_verbosity(logging.ERROR)
  sys.exit(errors.status_of(lambda: main(pathlib.Path(sys.argv[1]))))
