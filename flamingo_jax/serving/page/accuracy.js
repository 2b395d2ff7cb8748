// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// Learning in context, measured: accuracy over shots, with shuffled labels
// beside it.

import {request, sentence} from './api.js';
import {chart, table} from './chart.js';
import {announce, element, showProblem} from './elements.js';
import {load, save} from './state.js';

const NAME = 'accuracy';
const SHOTS = [0, 1, 2, 4, 8, 16];
const AT_ONCE = 8; // requests
const SHOW_EVERY = 900; // milliseconds, for an episode to be looked at
const CURVES = [
  {name: 'Right labels', kind: 'right'},
  {name: 'Shuffled labels', kind: 'shuffled'},
];

const get = (id) => document.getElementById(id);
const none = () => SHOTS.map(() => ({right: 0, asked: 0}));

/** The view; there is one. */
export class Accuracy {
  #running = null; // an AbortController
  #counts; // right and asked, by curve and place
  #chance = 0.5;
  #shown = 0; // when the last episode was
  #open;

  /** `open` shows an episode as a prompt. */
  constructor(open) {
    this.#open = open;
    this.#counts = load(NAME) ?? CURVES.map(none);
    get('run-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#running ? this.#running.abort() : this.#run();
    });
    new ResizeObserver(() => this.#draw()).observe(get('chart'));
    this.#draw();
  }

  #draw() {
    const width = get('chart').clientWidth;
    if (!width) {
      return; // another view is shown
    }
    const curves = CURVES.map((curve, i) => (
      {...curve, points: this.#counts[i]}
    ));
    get('chart').replaceChildren(chart(width, SHOTS, curves, this.#chance));
    get('numbers').replaceChildren(table(SHOTS, curves));
  }

  async #run() {
    const episodes = Number(get('episodes').value);
    const running = new AbortController();
    this.#running = running;
    this.#counts = CURVES.map(none);
    showProblem(get('run-problem'));
    const questions = ask(episodes);
    const total = episodes * SHOTS.length * CURVES.length;
    get('progress').max = total;
    get('progress').value = 0;
    this.#show(total);
    const work = async () => {
      for (const question of questions) {
        await this.#question(question, running.signal);
        get('progress').value += 1;
        this.#show(total);
      }
    };
    try {
      await Promise.all(Array.from({length: AT_ONCE}, work));
      announce('All episodes have been answered; the table has the numbers.');
    } catch (error) {
      running.abort(); // the others
      showProblem(get('run-problem'), sentence(error));
    }
    this.#running = null;
    this.#show(total);
    save(NAME, () => this.#counts);
  }

  #show(total) {
    const done = get('progress').value;
    const isRunning = this.#running !== null;
    get('progress').hidden = !isRunning;
    get('done').textContent = `${done} of ${total} episodes`;
    get('run').textContent = isRunning ? 'Stop' : 'Run';
    get('run').classList.toggle('stop', isRunning);
    get('chart').setAttribute('aria-busy', String(isRunning));
    this.#draw();
  }

  async #question({seed, place, curve}, signal) {
    const shots = SHOTS[place];
    const path = `v1/episode?seed=${seed}&shots=${shots}&shuffled=${curve}`;
    const episode = await patiently(() => request(path, undefined, signal));
    const {content, candidates, answer} = episode;
    const body = {prompt: content, candidates, max_tokens: 0};
    const scored = await patiently(
      () => request('v1/completions', body, signal),
    );
    const best = scored.candidates.reduce((one, other) => (
      other.probability > one.probability ? other : one
    ));
    const count = this.#counts[curve][place];
    count.asked += 1;
    count.right += best.text === answer;
    this.#chance = 1 / candidates.length;
    if (shots && performance.now() - this.#shown > SHOW_EVERY) {
      this.#shown = performance.now();
      this.#showEpisode(episode, best.text, `Episode ${seed}`, curve);
    }
  }

  #showEpisode(episode, said, title, curve) {
    const figures = [];
    for (const part of episode.content) {
      if (part.type === 'text') {
        figures.at(-1).append(element('figcaption', {}, part.text.trim()));
      } else {
        const image = element('img', {src: part.image_url.url, alt: ''});
        figures.push(element('figure', {}, image));
      }
    }
    const isRight = said === episode.answer;
    figures.at(-1).classList.add('asked');
    figures.at(-1).append(element(
      'figcaption', {class: isRight ? 'right' : 'wrong'},
      `${isRight ? '✓' : '✗'} ${said.trim()}`,
    ));
    const button = element('button', {
      type: 'button', class: 'plain',
      on: {click: () => this.#open(episode, title)},
    }, 'Open it');
    const answer = episode.answer.trim();
    get('episode').replaceChildren(
      element(
        'p', {}, `${title}, ${CURVES[curve].name.toLowerCase()}: the model `,
        `says “${said.trim()}”, right is “${answer}”. `, button,
      ),
      element('div', {class: 'figures'}, ...figures),
    );
  }
}

/** Asks again while the server has too much to do. */
async function patiently(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!error.wait) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000 * error.wait));
    }
  }
}

/** All questions; those of a seed in a row, so that points come together. */
function* ask(episodes) {
  for (let seed = 0; seed < episodes; seed++) {
    for (let place = 0; place < SHOTS.length; place++) {
      for (let curve = 0; curve < CURVES.length; curve++) {
        yield {seed, place, curve};
      }
    }
  }
}
