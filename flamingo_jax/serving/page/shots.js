// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// The shots of a prompt: pairs of a picture and a text, in their order.

import {announce, element, iconButton, problemPlace, showProblem}
  from './elements.js';
import {Slot} from './slot.js';

const DRAWS = 20; // of orders of texts, until one differs

class Shot {
  own = null; // its own text while texts are shuffled

  constructor(list, {medium = null, text = '', own = null}) {
    this.own = own;
    this.slot = new Slot(list.changed);
    this.slot.show(medium);
    this.input = element('textarea', {
      rows: 2, placeholder: 'Its text', on: {input: () => list.edited()},
    });
    this.input.value = text;
    this.problem = problemPlace();
    this.up = iconButton('up', '', () => list.move(this, -1));
    this.down = iconButton('down', '', () => list.move(this, 1));
    this.remove = iconButton('close', '', () => list.remove(this));
    this.grip = element('span', {
      class: 'grip', title: 'Drag to another place',
      on: {pointerdown: (event) => list.drag(this, event)},
    });
    this.element = element(
      'li', {class: 'card shot'}, this.grip, this.slot.element, this.input,
      element('div', {class: 'moves'}, this.up, this.down, this.remove),
      this.slot.problem, this.problem,
    );
  }

  place(index, last, number) {
    const name = `shot ${index + 1}`;
    this.slot.place(name, number);
    this.input.setAttribute('aria-label', `Text of ${name}`);
    for (const [button, what, off] of [
      [this.up, `Move ${name} up`, index === 0],
      [this.down, `Move ${name} down`, index === last],
      [this.remove, `Remove ${name}`, false],
    ]) {
      button.setAttribute('aria-label', what);
      button.title = what;
      // Not disabled: the focus stays where it is.
      button.setAttribute('aria-disabled', String(off));
    }
  }
}

/** The list; its order is that of the elements on the page. */
export class Shots {
  #shots = new Map(); // of elements
  #changed;

  /** `changed` is called after each change. */
  constructor(list, changed) {
    this.list = list;
    this.#changed = changed;
  }

  changed = () => {
    this.#place();
    this.#changed();
  };

  get all() {
    return [...this.list.children].map((node) => this.#shots.get(node));
  }

  /** How many pictures the shots have. */
  get pictures() {
    return this.all.filter(({slot}) => slot.medium).length;
  }

  /** Whether texts stand at other shots than their own. */
  get isShuffled() {
    return this.all.some(({own}) => own !== null);
  }

  /** What `replace` takes. */
  toJSON() {
    return this.all.map(({slot, input, own}) => (
      {medium: slot.medium, text: input.value, own}
    ));
  }

  /** Other shots than before. */
  replace(shots) {
    this.#shots.clear();
    this.list.replaceChildren();
    shots.forEach((shot) => this.#append(shot));
    this.changed();
  }

  #append(content) {
    const shot = new Shot(this, content);
    this.#shots.set(shot.element, shot);
    this.list.append(shot.element);
    return shot;
  }

  /** One more without a picture, to be written in. */
  add() {
    const shot = this.#append({});
    this.changed();
    shot.input.focus();
  }

  /** One more for each file. */
  take(files) {
    const shots = files.map(() => this.#append({}));
    this.changed();
    shots.forEach((shot, i) => shot.slot.take(files[i]));
    shots[0].input.focus();
  }

  remove(shot) {
    const {all} = this;
    const index = all.indexOf(shot);
    shot.element.remove();
    this.#shots.delete(shot.element);
    const next = all[index + 1] ?? all[index - 1];
    (next?.remove ?? document.getElementById('add-shot')).focus();
    announce(`Shot ${index + 1} removed.`);
    this.changed();
  }

  /** By -1 or 1; its neighbour moves, so that the focus stays. */
  move(shot, by) {
    const node = shot.element;
    if (by < 0 && node.previousElementSibling) {
      node.after(node.previousElementSibling);
    } else if (by > 0 && node.nextElementSibling) {
      node.before(node.nextElementSibling);
    } else {
      return;
    }
    const {all} = this;
    announce(`Moved to ${all.indexOf(shot) + 1} of ${all.length}.`);
    this.changed();
  }

  /** Moves a shot along with the pointer, until that is lifted. */
  drag(shot, event) {
    const node = shot.element;
    const middle = (other) => {
      const {top, height} = other.getBoundingClientRect();
      return top + height / 2;
    };
    const follow = ({clientY}) => {
      const {previousElementSibling: before, nextElementSibling: after} = node;
      if (before && clientY < middle(before)) {
        node.after(before);
      } else if (after && clientY > middle(after)) {
        node.before(after);
      }
    };
    const end = () => {
      shot.grip.removeEventListener('pointermove', follow);
      node.classList.remove('moving');
      this.changed();
    };
    event.preventDefault();
    shot.grip.setPointerCapture(event.pointerId);
    node.classList.add('moving');
    shot.grip.addEventListener('pointermove', follow);
    shot.grip.addEventListener('lostpointercapture', end, {once: true});
  }

  /** A text was written: those that are there now are the own ones. */
  edited() {
    this.all.forEach((shot) => {
      shot.own = null;
    });
    this.changed();
  }

  /** Deals the texts out anew; false if no other order can be told. */
  shuffle() {
    const {all} = this;
    const texts = all.map(({input}) => input.value);
    const own = all.map((shot) => shot.own ?? shot.input.value);
    for (let draw = 0; draw < DRAWS; draw++) {
      const dealt = permute(texts);
      if (dealt.some((text, i) => text !== texts[i])) {
        all.forEach((shot, i) => {
          shot.own = own[i];
          shot.input.value = dealt[i];
        });
        this.changed();
        return true;
      }
    }
    return false;
  }

  /** Gives each shot its own text again. */
  restore() {
    for (const shot of this.all) {
      shot.input.value = shot.own ?? shot.input.value;
      shot.own = null;
    }
    this.changed();
  }

  /** Forgets what was wrong. */
  clearProblems() {
    for (const shot of this.all) {
      showProblem(shot.slot.problem);
      showProblem(shot.problem);
    }
  }

  #place() {
    const {all} = this;
    let number = 0;
    all.forEach((shot, i) => {
      number += shot.slot.medium !== null;
      shot.place(i, all.length - 1, number);
    });
  }
}

function permute(items) {
  const left = [...items];
  return items.map(() =>
    left.splice(Math.floor(Math.random() * left.length), 1)[0]);
}
