# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The two pictures of README, of the model that comes with the package.

  python launch/figures.py [FOLDER]   writes few_shot.png and shots.png

few_shot.png shows one episode of the evaluation twice, as it is and with its two
words swapped, and the model's answers. shots.png has the scores of
docs/model_card.md.
"""

from collections.abc import Sequence
import dataclasses
import json
import pathlib
import sys

import numpy as np

from flamingo_jax import predictor
from flamingo_jax import shipped
from flamingo_jax.evaluation import plots
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import shots_table
from flamingo_jax.tasks import shapes_bind

_EPISODE = 1  # of the validation split
_SHOTS = 4
_BARS = 1.5  # pictures wide
_GREEN, _GREY = '#1a7f5a', '#c4c9cf'
# Of docs/model_card.md, (task, control): name.
_CURVES = {
    ('shapes_bind_2way', ''): 'two new words',
    ('shapes_bind_4way', ''): 'four new words',
    ('digits_bind_2way', 'held_out_digits'): 'digits it was never trained on',
    ('shapes_bind_2way', 'shuffled'): 'two words, labels shuffled',
    ('shapes_bind_2way', 'blank'): 'two words, pictures blank',
}
_CONTROLS = ('two words, labels shuffled', 'two words, pictures blank')


def swapped(episode: prompts.Episode) -> prompts.Episode:
  """An episode with its two words swapped."""
  first, second = episode.query.candidates
  other = {first: second, second: first}
  swap = lambda sample: dataclasses.replace(
      sample, answers=tuple(other[answer] for answer in sample.answers)
  )
  return prompts.Episode(
      tuple(map(swap, episode.supports)), swap(episode.query)
  )


def probabilities(
    model: predictor.Predictor, episode: prompts.Episode
) -> np.ndarray:
  """Of the two words, by the model."""
  scores = model.score(
      prompts.join(episode.supports, episode.query),
      list(episode.query.candidates),
  )
  shares = np.exp(scores - scores.max())
  return shares / shares.sum()


def draw_episodes(
    episodes: Sequence[prompts.Episode], answers: Sequence[np.ndarray]
) -> 'matplotlib.figure.Figure':
  """Two rows: the shots, the query, and how likely each word is."""
  import matplotlib.figure

  columns = _SHOTS + 2
  figure = matplotlib.figure.Figure(
      figsize=(1.55 * columns + 0.9, 1.95 * len(episodes)),
      layout='constrained', dpi=110,
  )
  axes = figure.subplots(
      len(episodes), columns, squeeze=False,
      width_ratios=[1] * (_SHOTS + 1) + [_BARS],
  )
  for row, episode, shares in zip(axes, episodes, answers):
    for place, (panel, sample) in enumerate(
        zip(row, (*episode.supports, episode.query))
    ):
      is_query = place == _SHOTS
      panel.imshow(sample.media[0].data, interpolation='nearest')
      panel.set(xticks=[], yticks=[])
      panel.set_xlabel(
          '?' if is_query else sample.answers[0].strip(' .'), fontsize=14,
          fontweight='bold' if is_query else 'normal',
      )
      if is_query:
        panel.spines[:].set(color=_GREEN, linewidth=3)
    _bars(row[-1], [w.strip(' .') for w in episode.query.candidates], shares)
  for row, name in zip(axes, ('as it is', 'words swapped')):
    row[0].set_ylabel(name, fontsize=11)
  axes[0, 0].set_title('examples in the prompt', loc='left', fontsize=11)
  axes[0, _SHOTS].set_title('query', fontsize=11)
  axes[0, -1].set_title("the model's answer", fontsize=11)
  return figure


def _bars(
    panel: 'matplotlib.axes.Axes', words: Sequence[str], shares: np.ndarray
) -> None:
  """How likely each word is, the likelier one in colour."""
  best = int(np.argmax(shares))
  panel.barh(
      words, shares, height=0.5,
      color=[_GREEN if i == best else _GREY for i in range(len(words))],
  )
  for i, share in enumerate(shares):
    panel.text(share + 0.04, i, f'{share:.1%}', fontsize=11, va='center')
  panel.set(xlim=(0, 1.5), ylim=(-0.7, len(words) - 0.3), xticks=[])
  panel.set_box_aspect(1 / _BARS)
  panel.tick_params(axis='y', labelsize=13, length=0)
  panel.spines[['top', 'right', 'bottom']].set_visible(False)


def draw_scores() -> bytes:
  """Accuracy over shots, as `flamingo eval` measured it."""
  record = json.loads(
      pathlib.Path(shipped.shipped_weights(), 'results.json').read_text()
  )
  curves = shots_table.read_curves(record['scores'])
  return plots.draw([plots.Panel(
      '', 'examples in the prompt', '% right',
      {name: curves[task, control, 'top1']
       for (task, control), name in _CURVES.items()},
      dashed=_CONTROLS,
  )])


def main(folder: pathlib.Path) -> None:
  """Writes both pictures."""
  model = predictor.load()
  episode = shapes_bind.ShapesEpisodes(2, _SHOTS, 'validation')[_EPISODE]
  shown = [episode, swapped(episode)]
  folder.mkdir(parents=True, exist_ok=True)
  draw_episodes(
      shown, [probabilities(model, each) for each in shown]
  ).savefig(folder / 'few_shot.png')
  (folder / 'shots.png').write_bytes(draw_scores())


if __name__ == '__main__':
  main(pathlib.Path(*(sys.argv[1:] or ['docs/images'])))
