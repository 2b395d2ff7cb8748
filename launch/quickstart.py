# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shows what a run of flamingo_tiny learned: MODEL_DIR/report/index.html."""

import base64
from collections.abc import Mapping, Sequence
import html
import io
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
from flamingo_jax import shipped
from flamingo_jax.evaluation import gallery
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import shots_table
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_bind

EPISODES = 6
SHOTS = 4
CAPTIONS = 3
_BIND = 'shapes_bind_2way', '', 'top1'
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


def plot(curves: Curves, label: str) -> str:
  """Draws curves over the steps; an SVG."""
  figure, axes = plt.subplots(figsize=(7, 4), layout='constrained')
  for name, points in sorted(curves.items()):
    axes.plot(*zip(*points), label=name)
  axes.set(xlabel='step', ylabel=label)
  axes.spines[['top', 'right']].set_visible(False)
  axes.legend(frameon=False, fontsize='small')
  text = io.StringIO()
  figure.savefig(text, format='svg')
  plt.close(figure)
  return text.getvalue()[text.getvalue().index('<svg'):]


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


def table(ours: shots_table.Curves, shipped_: shots_table.Curves) -> str:
  """A row per task and control of both models, as HTML."""
  shots = sorted({n for points in ours.values() for n in points})
  head = ''.join(f'<th>{n} shots</th>' for n in shots)
  rows = []
  for (task, control, metric), points in ours.items():
    other = shipped_.get((task, control, metric), {})
    cells = ''.join(
        f'<td>{_percent(points.get(n))} <i>{_percent(other.get(n))}</i></td>'
        for n in shots
    )
    name = html.escape(task.replace('_', ' '))
    control = html.escape(control.replace('_', ' '))
    rows.append(f'<tr><th>{name}<td>{control}</td>{cells}</tr>')
  return (
      f'<table><tr><th>task<th>control{head}</tr>{"".join(rows)}</table>'
  )


def _percent(point: Sequence[float] | None) -> str:
  if point is None:
    return ''
  score, low, high = point
  within = '' if low is None else f' ±{(high - low) / 2:.0f}'
  return f'{score:.0f}{within}'


_CSS = '''
table { border-collapse: collapse; font-size: 14px; }
td, th { padding: 0.15em 0.6em; text-align: left; border-top: 1px solid #ddd; }
i { color: #888; }
svg, img.plot { max-width: 100%; height: auto; }
'''


def render(
    model_dir: pathlib.Path,
    model: predictor.Predictor,
    ours: shots_table.Curves,
) -> str:
  """The page; it needs no other file."""
  metrics = model_dir / 'metrics.jsonl'
  losses = read_curves(metrics, 'loss/') | read_curves(metrics, 'eval/loss/')
  theirs = read_scores(pathlib.Path(shipped.shipped_weights(), 'results.json'))
  shots_plot = (model_dir / 'eval' / 'shots.png').read_bytes()
  articles = lambda found: '\n'.join(map(gallery.article, found))
  return f'''<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>flamingo_tiny</title>
<style>{gallery.CSS}{_CSS}</style>
<h1>A tiny Flamingo</h1>
<p>In an episode two made-up words stand for two values of one attribute, and
only the shots tell which: without any, half of the answers are right by chance,
and a model that learns in context gets better with shots.
{html.escape(verdict(ours))}</p>
<h2>Accuracy over shots, in percent</h2>
<p>± is half a 95 % interval. Behind each score, in grey, that of the shipped model.
Shuffled labels and blank pictures have to be at chance: 50, with four words 25.</p>
{table(ours, theirs)}
<p><img class="plot" alt="accuracy over shots"
src="data:image/png;base64,{base64.b64encode(shots_plot).decode()}"></p>
<h2>Episodes</h2>
{articles(answer_episodes(model))}
<h2>Captions of pictures that were not trained on</h2>
{articles(caption(model))}
<h2>Losses, in nats per token</h2>
{plot(losses, 'nats per token')}
<h2>Gates: how much each block adds to the language model</h2>
{plot(read_curves(metrics, 'gate/'), 'tanh(gate)')}
</html>
'''


def verdict(ours: shots_table.Curves) -> str:
  """'0 shots: 50 %, 2 shots: 81 %.'"""
  return ', '.join(
      f'{shots} shots: {point[0]:.0f} %'
      for shots, point in ours[_BIND].items()
  ) + '.'


def main(model_dir: pathlib.Path) -> int:
  """Writes the report; 1 when a loss has not fallen."""
  ours = read_scores(model_dir / 'eval' / 'results.json')
  page = render(model_dir, predictor.load(model_dir), ours)
  path = model_dir / 'report' / 'index.html'
  path.parent.mkdir(exist_ok=True)
  path.write_text(page, encoding='utf-8')
  print(f'\naccuracy on episodes of two words: {verdict(ours)}')
  print(f'report: {path}')
  losses = read_curves(model_dir / 'metrics.jsonl', 'loss/')
  for name, points in sorted(losses.items()):
    (first, start), (last, end) = points[0], points[-1]
    print(f'{name:<20} {start:6.3f} at step {first}, {end:6.3f} at step {last}')
  return 0 if all(c[-1][1] < c[0][1] for c in losses.values()) else 1


if __name__ == '__main__':
  logging.set_verbosity(logging.ERROR)
  try:
    sys.exit(main(pathlib.Path(sys.argv[1])))
  except errors.UserError as e:
    print(f'error: {e}', file=sys.stderr)
    sys.exit(2)
