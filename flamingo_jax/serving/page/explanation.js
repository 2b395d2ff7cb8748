// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// The mask: which picture each token of a prompt sees.

import {element, hue, unseen} from './elements.js';

/** Pictures with their numbers, and the tokens in the colours of what they see.
 *
 * Args:
 *   tokens: [{text, medium}], medium a number from 1, 0 for none, or a list.
 *   media: what the prompt shows, in its order.
 */
export function explanation(tokens, media) {
  const runs = element('ol', {class: 'runs'}, ...runsOf(tokens).map(run));
  const chosen = new Set();
  const legend = element('div', {class: 'legend'}, ...media.map((medium, i) => {
    const number = i + 1;
    const button = element(
      'button', {
        'type': 'button', 'class': 'seen', '--hue': hue(number),
        'aria-pressed': 'false', 'title': medium.name,
      },
      medium.kind === 'features' ?
        element('span', {class: 'no-preview'}, medium.name) :
        element('img', {src: medium.frames[0], alt: ''}),
      element('b', {class: 'number'}, unseen('Picture '), String(number)),
    );
    button.addEventListener('click', () => {
      chosen.delete(number) || chosen.add(number);
      button.setAttribute('aria-pressed', String(chosen.has(number)));
      runs.classList.toggle('chosen', chosen.size > 0);
      for (const node of runs.children) {
        const sees = node.dataset.sees.split(' ').map(Number);
        node.classList.toggle('lit', sees.some((seen) => chosen.has(seen)));
      }
    });
    return button;
  }));
  return element('div', {class: 'explanation'}, legend, runs);
}

function runsOf(tokens) {
  const runs = [];
  for (const {text, medium} of tokens) {
    const sees = [medium].flat().filter((number) => number > 0).join(' ');
    if (runs.at(-1)?.sees !== sees) {
      runs.push({sees, texts: []});
    }
    runs.at(-1).texts.push(text);
  }
  return runs;
}

function run({sees, texts}) {
  const last = sees.split(' ').at(-1);
  const who = sees ?
    element(
      'b', {class: 'number'}, unseen('What sees picture '),
      sees.replaceAll(' ', '+'),
    ) :
    element('span', {class: 'number none'}, 'sees no picture');
  return element(
    'li', {
      'data-sees': sees, 'class': sees ? 'run' : 'run blind',
      '--hue': sees ? hue(Number(last)) : null,
    },
    who, unseen(': '),
    ...texts.map((text) => element('span', {class: 'token'}, shown(text))),
  );
}

// SentencePiece has marks in place of spaces.
function shown(text) {
  return text.replaceAll('▁', ' ').replaceAll('\n', '↵\n');
}
