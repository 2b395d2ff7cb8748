// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// Accuracy over shots, as a drawing and as numbers.

import {drawing, element, percent} from './elements.js';

const HEIGHT = 320;
const MARGIN = {top: 16, right: 68, bottom: 44, left: 48};
const BESIDE = 8; // pixels between points of one place
const Z = 1.96; // of an interval of 95 %

/** The interval of 95 % of `right` among `asked` (Wilson's). */
export function interval(right, asked) {
  const share = right / asked;
  const scale = 1 + Z * Z / asked;
  const middle = (share + Z * Z / (2 * asked)) / scale;
  const half = Z / scale *
    Math.sqrt(share * (1 - share) / asked + Z * Z / (4 * asked * asked));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** Draws curves of what is known so far.
 *
 * Args:
 *   width: pixels.
 *   shots: numbers, one place each.
 *   curves: [{name, kind, points: [{right, asked}] by place}].
 *   chance: accuracy of guessing.
 */
export function chart(width, shots, curves, chance) {
  const inner = width - MARGIN.left - MARGIN.right;
  const tall = HEIGHT - MARGIN.top - MARGIN.bottom;
  const x = (place) => MARGIN.left + 12 +
    (inner - 24) * place / (shots.length - 1);
  const y = (share) => MARGIN.top + tall * (1 - share);
  const right = width - MARGIN.right;
  return drawing(
    'svg', {
      'viewBox': `0 0 ${width} ${HEIGHT}`, 'height': HEIGHT, 'class': 'chart',
      'role': 'img', 'aria-label': 'Accuracy over the number of shots; the ' +
        'table below has the numbers.',
    },
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
      line(MARGIN.left, y(share), right, y(share), 'grid'),
      text(MARGIN.left - 8, y(share) + 4, percent(share), 'end'),
    ]),
    line(MARGIN.left, y(chance), right, y(chance), 'chance'),
    text(right + 6, y(chance) + 4, 'guessing', 'start'),
    ...shots.map((count, i) => text(x(i), HEIGHT - 22, count, 'middle')),
    text(MARGIN.left + inner / 2, HEIGHT - 4, 'shots', 'middle'),
    ...curves.map((curve, i) => (
      drawCurve(curve, (place) => x(place) + BESIDE * (i - 0.5), y)
    )),
  );
}

function drawCurve({kind, points}, x, y) {
  const known = points
      .map(({right, asked}, i) => ({i, right, asked}))
      .filter(({asked}) => asked);
  const path = known.map(({i, right, asked}) => `${x(i)},${y(right / asked)}`);
  return drawing(
    'g', {class: `curve ${kind}`},
    ...known.map(({i, right, asked}) => {
      const [low, high] = interval(right, asked);
      return line(x(i), y(low), x(i), y(high), 'interval');
    }),
    drawing('polyline', {points: path.join(' ')}),
    ...known.map(({i, right, asked}) => (kind === 'shuffled' ?
      drawing('rect', {
        x: x(i) - 4.5, y: y(right / asked) - 4.5, width: 9, height: 9,
      }) :
      drawing('circle', {cx: x(i), cy: y(right / asked), r: 5}))),
  );
}

function line(x1, y1, x2, y2, kind) {
  return drawing('line', {x1, y1, x2, y2, class: kind});
}

function text(x, y, said, anchor) {
  return drawing('text', {x, y, 'text-anchor': anchor}, String(said));
}

/** The numbers. */
export function table(shots, curves) {
  const cell = ({right, asked}) => {
    if (!asked) {
      return element('td', {}, '–');
    }
    const [low, high] = interval(right, asked);
    return element(
      'td', {}, element('b', {}, percent(right / asked)),
      element(
        'span', {class: 'quiet'},
        ` ${Math.round(100 * low)} to ${Math.round(100 * high)}`,
      ),
    );
  };
  const head = (said) => element('th', {scope: 'col'}, said);
  return element(
    'table', {},
    element('thead', {}, element(
      'tr', {}, head('Shots'), ...curves.map(({name}) => head(name)),
    )),
    element('tbody', {}, ...shots.map((count, i) => element(
      'tr', {}, element('th', {scope: 'row'}, String(count)),
      ...curves.map(({points}) => cell(points[i])),
    ))),
  );
}
