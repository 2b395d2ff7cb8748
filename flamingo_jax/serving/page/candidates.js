// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// Candidates as bars of probability.

import {element, percent} from './elements.js';

/** The bars, in the order that candidates were given in.
 *
 * Args:
 *   candidates: [{text, probability}].
 *   before: probabilities by text that the same candidates had before, or null.
 */
export function bars(candidates, before) {
  const best = Math.max(...candidates.map(({probability}) => probability));
  const kind = before?.size ? 'bars compared' : 'bars';
  return element('ol', {class: kind}, ...candidates.map(
    ({text, probability}) => bar(
      text.trim(), probability, probability === best, before?.get(text),
    ),
  ));
}

function bar(text, probability, isBest, was) {
  const filled = element('span', {'class': 'bar', '--share': was ?? 0});
  const row = element(
    'li', {class: isBest ? 'best' : ''},
    element('span', {class: 'candidate'}, text),
    element(
      'span', {'class': 'track', 'aria-hidden': 'true'}, filled,
      was === undefined ? null :
        element('span', {'class': 'was', '--share': was}),
    ),
    element(
      'span', {class: 'amount'}, element('b', {}, percent(probability)),
      was === undefined ? null : element('span', {}, ` was ${percent(was)}`),
    ),
  );
  // Drawn once where it was, it then moves.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    filled.style.setProperty('--share', probability);
  }));
  return row;
}
