// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// Parts of the page. Every text becomes a text node: nothing here reads HTML.

const SVG = 'http://www.w3.org/2000/svg';

// Of 24 x 24 lines, drawn with the colour of the text around them.
const ICONS = {
  clip: 'M20 11.5 12 19.5a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.7 ' +
      '17.2a1.7 1.7 0 0 1-2.4-2.4L14.5 7.6',
  close: 'M6 6l12 12M18 6 6 18',
  down: 'M12 5v14M6 13l6 6 6-6',
  picture: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01',
  up: 'M12 19V5M6 11l6-6 6 6',
};

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) {
      continue;
    } else if (name === 'on') {
      for (const [event, handler] of Object.entries(value)) {
        node.addEventListener(event, handler);
      }
    } else if (name.startsWith('--')) {
      node.style.setProperty(name, value);
    } else {
      node.setAttribute(name, value === true ? '' : value);
    }
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** An element with attributes, {on: {event: handler}}, --variables, content. */
export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same of SVG. */
export function drawing(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** One of ICONS; what it means has to stand beside it. */
export function icon(name) {
  return drawing(
    'svg', {'viewBox': '0 0 24 24', 'class': 'icon', 'aria-hidden': 'true'},
    drawing('path', {d: ICONS[name]}),
  );
}

/** A button that shows an icon and says its name. */
export function iconButton(name, label, handler) {
  return element('button', {
    'type': 'button', 'class': 'icon-button', 'aria-label': label,
    'title': label, 'on': {click: handler},
  }, icon(name));
}

/** Text for screen readers alone. */
export function unseen(text) {
  return element('span', {class: 'unseen'}, text);
}

/** Has screen readers say something that has changed elsewhere. */
export function announce(text) {
  document.getElementById('announcement').textContent = text;
}

/** A place for what is wrong with what stands beside it. */
export function problemPlace() {
  return element('p', {class: 'problem', role: 'alert', hidden: true});
}

/** Shows a sentence in a place made for it, or clears that. */
export function showProblem(place, message = '') {
  place.textContent = message;
  place.hidden = !message;
}

/** Of the i-th picture, from 1: neighbours are far apart. */
export function hue(number) {
  return Math.round(255 + 137.5 * (number - 1)) % 360;
}

/** 0.973 as '97 %'; neither 0 nor 100 for what is not. */
export function percent(share) {
  const rounded = Math.round(100 * share);
  if (rounded === 100 && share < 1) {
    return '> 99 %';
  }
  return rounded === 0 && share > 0 ? '< 1 %' : `${rounded} %`;
}
