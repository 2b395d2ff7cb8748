// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// A place for one medium, and how files get into places.

import {element, hue, icon, iconButton, problemPlace, showProblem}
  from './elements.js';
import {filesOf, readMedium} from './media.js';

export const ACCEPTED = 'image/*,video/*,.npy';

/** Hands on files that are dropped on a node, unless a place inside took them.
 *
 * `accept` gets the files and returns whether it takes them.
 */
export function takeDrops(node, accept) {
  node.addEventListener('dragover', (event) => {
    event.preventDefault();
    node.classList.add('over');
  });
  node.addEventListener('dragleave', (event) => {
    if (!node.contains(event.relatedTarget)) {
      node.classList.remove('over');
    }
  });
  node.addEventListener('drop', (event) => {
    node.classList.remove('over');
    const files = filesOf(event.dataTransfer);
    event.preventDefault();
    if (files.length && accept(files)) {
      event.stopPropagation();
    }
  });
}

/** A button that opens the browser's choice of files; with its input. */
export function fileButton(properties, multiple, handler, ...children) {
  const input = element('input', {
    type: 'file', accept: ACCEPTED, multiple, hidden: true, tabindex: '-1',
  });
  input.addEventListener('change', () => {
    handler([...input.files]);
    input.value = ''; // the same file may be chosen again
  });
  const button = element('button', {
    type: 'button', ...properties, on: {click: () => input.click()},
  }, ...children);
  return [button, input];
}

/** The frames of a medium, with what it is for who can't see it. */
export function pictures({kind, name, frames}) {
  const told = () => element('span', {class: 'no-preview'}, name);
  if (kind === 'features') {
    return element('span', {class: 'still'}, told());
  }
  const said = kind === 'video' ? `${name}, ${frames.length} frames` : name;
  return element(
    'span', {class: kind === 'video' ? 'film' : 'still'},
    ...frames.map((frame, i) => {
      const image = element('img', {src: frame, alt: i ? '' : said});
      image.addEventListener('error', () => {
        image.replaceWith(told());
      });
      return image;
    }),
  );
}

/** Shows one medium; a click, a drop or `take` puts another one there. */
export class Slot {
  #changed;
  #label;
  #frame;
  #remove;
  #medium = null;

  /** `changed` is called after another medium, or none, is there. */
  constructor(changed) {
    this.#changed = changed;
    const [frame, input] = fileButton({class: 'frame'}, false, ([file]) =>
      this.take(file));
    this.#frame = frame;
    this.#remove = iconButton('close', '', () => {
      this.#set(null);
      this.#frame.focus();
    });
    this.#remove.classList.add('on-picture');
    this.problem = problemPlace();
    this.element = element('div', {class: 'slot'}, frame, input, this.#remove);
    takeDrops(this.element, (files) => {
      if (files.length > 1) {
        return false; // they become shots
      }
      this.take(files[0]);
      return true;
    });
    this.show(null);
  }

  get medium() {
    return this.#medium;
  }

  /** Reads a file into the place; what is wrong with it is told beside. */
  async take(file) {
    showProblem(this.problem);
    this.element.setAttribute('aria-busy', 'true');
    try {
      this.#set(await readMedium(file));
    } catch (error) {
      showProblem(this.problem, error.message);
    }
    this.element.removeAttribute('aria-busy');
  }

  #set(medium) {
    this.show(medium);
    this.#changed();
  }

  /** Shows a medium, or none, that `changed` need not hear of. */
  show(medium) {
    this.#medium = medium;
    showProblem(this.problem);
    this.#frame.replaceChildren(
      medium ? pictures(medium) : icon('picture'),
      ...(medium ? [] : [element('span', {}, 'Picture')]),
    );
    this.element.classList.toggle('filled', medium !== null);
    this.#remove.hidden = medium === null;
    this.#say();
  }

  /** What the place is for, such as 'shot 2'; its number among pictures. */
  place(label, number) {
    this.#label = label;
    this.element.style.setProperty('--hue', hue(number));
    this.element.dataset.number = number;
    this.#say();
  }

  #say() {
    const verb = this.#medium ? 'Replace the' : 'Add a';
    const name = this.#medium ? `: ${this.#medium.name}` : '';
    this.#frame.setAttribute(
      'aria-label', `${verb} picture of ${this.#label}${name}`,
    );
    this.#remove.setAttribute('aria-label', `Remove picture of ${this.#label}`);
    this.#remove.title = 'Remove picture';
  }
}
