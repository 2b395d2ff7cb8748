// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// Few-shot prompts: shots, a query, its answer.

import {request, sentence, stream} from './api.js';
import {bars} from './candidates.js';
import {announce, element, percent, showProblem} from './elements.js';
import {explanation} from './explanation.js';
import {filesOf, mediumOf, mediumPart} from './media.js';
import {Shots} from './shots.js';
import {fileButton, Slot, takeDrops} from './slot.js';
import {load, save} from './state.js';

const NAME = 'prompt'; // of what is saved
const EXAMPLE_SHOTS = 4;
const EXAMPLES = 1000;
const INPUTS = ['query', 'candidates', 'length', 'temperature', 'space'];

const PART = /^prompt\[(\d+)\]/;
// Where to tell what is wrong with other fields of a request.
const PROBLEMS = {
  candidates: 'candidates-problem',
  max_tokens: 'options-problem',
  temperature: 'options-problem',
};

const get = (id) => document.getElementById(id);

/** The view; there is one. */
export class Prompt {
  #running = null; // an AbortController
  #parts = []; // of the last request: {part, shown, medium}, shown a place
  #candidates = []; // of the last answer, {text, probability}

  constructor() {
    this.view = get('prompt');
    this.shots = new Shots(get('shots'), () => this.#changed());
    this.query = new Slot(() => this.#changed());
    get('query-picture').replaceWith(this.query.element);
    get('query-problems').append(this.query.problem);
    get('add-files').append(...fileButton(
      {class: 'plain', id: 'choose-files'}, true,
      (files) => this.shots.take(files), 'choose files',
    ));
    takeDrops(this.view, (files) => {
      this.shots.take(files);
      return true;
    });
    get('add-shot').addEventListener('click', () => this.shots.add());
    get('shuffle').addEventListener('click', () => this.#shuffle());
    get('restore').addEventListener('click', () => this.#restore());
    get('clear').addEventListener('click', () => this.#clear());
    for (const button of this.view.querySelectorAll('.example')) {
      button.addEventListener('click', () => this.#example());
    }
    get('ask-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#running ? this.#running.abort() : this.ask();
    });
    for (const id of INPUTS) {
      get(id).addEventListener('input', () => this.#changed());
    }
    this.view.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        get('ask-form').requestSubmit();
      }
    });
    get('options').addEventListener('invalid', () => {
      get('options').open = true;
    }, true);
    this.#show(load(NAME) ?? {});
  }

  /** Files of the clipboard: into the empty place at hand, or a new shot. */
  paste(transfer) {
    const files = filesOf(transfer);
    const at = document.activeElement;
    const shot = this.shots.all.find(({element}) => element.contains(at));
    const isQuery = get('query-card').contains(at);
    const slot = shot?.slot ?? (isQuery ? this.query : null);
    if (files.length === 1 && slot?.medium === null) {
      slot.take(files[0]);
    } else if (files.length) {
      this.shots.take(files);
    }
    return files.length > 0;
  }

  /** Shows an episode of the server: {content, candidates}. */
  open({content, candidates}, title) {
    const shots = [];
    let query = null;
    for (const part of content) {
      if (part.type === 'text') {
        shots.at(-1).text = part.text.trim();
        query = null;
      } else {
        query = mediumOf(part, `${title}, picture ${shots.length + 1}`);
        shots.push({medium: query, text: ''});
      }
    }
    if (query) {
      shots.pop();
    }
    this.#forget();
    this.#show({
      shots, medium: query,
      candidates: candidates.map((text) => text.trim()).join('\n'),
    });
    this.#changed();
    get('ask').focus({preventScroll: true});
  }

  toJSON() {
    return {
      shots: this.shots, medium: this.query.medium, query: get('query').value,
      candidates: get('candidates').value, length: get('length').value,
      temperature: get('temperature').value, space: get('space').checked,
    };
  }

  #show({shots = [], medium = null, query = '', candidates = '', length,
    temperature, space}) {
    this.query.show(medium);
    get('query').value = query;
    get('candidates').value = candidates;
    get('length').value = length ?? get('length').value;
    get('temperature').value = temperature ?? get('temperature').value;
    get('space').checked = space ?? get('space').checked;
    this.shots.replace(shots);
  }

  #changed() {
    const {pictures, all, isShuffled} = this.shots;
    this.query.place('the query', pictures + 1);
    const isEmpty = !all.length && !this.query.medium;
    get('start').hidden = !get('result').hidden;
    get('show-me').hidden = !isEmpty;
    get('shuffle').hidden = all.length < 2;
    get('restore').hidden = !isShuffled;
    get('shuffled').hidden = !isShuffled;
    get('clear').hidden = isEmpty;
    get('stale').hidden = get('result').hidden || this.#running !== null;
    save(NAME, () => this);
  }

  #clear() {
    this.#running?.abort();
    this.#forget();
    this.#show({});
    this.#changed();
    get('add-shot').focus();
  }

  #forget() {
    get('result').hidden = true;
    this.#candidates = [];
    this.#clearProblems();
  }

  async #example() {
    showProblem(get('prompt-problem'));
    const seed = Math.floor(Math.random() * EXAMPLES);
    try {
      const path = `v1/episode?seed=${seed}&shots=${EXAMPLE_SHOTS}&shuffled=0`;
      this.open(await request(path), `Episode ${seed}`);
      await this.ask();
    } catch (error) {
      showProblem(get('prompt-problem'), sentence(error));
    }
  }

  #shuffle() {
    if (!this.shots.shuffle()) {
      announce('All labels are the same: shuffling changes nothing.');
      return;
    }
    announce('Labels shuffled.');
    this.#compare();
  }

  #restore() {
    this.shots.restore();
    get('shuffle').focus();
    announce('Each shot has its own label again.');
    this.#compare();
  }

  /** Asks again, beside what the candidates were before. */
  #compare() {
    if (this.#candidates.length || this.#running) {
      this.ask(new Map(
        this.#candidates.map(({text, probability}) => [text, probability]),
      ));
    }
  }

  /** Asks for an answer, probabilities of candidates and the mask. */
  async ask(before = null) {
    this.#running?.abort();
    this.#clearProblems();
    this.#parts = this.#collect();
    const prompt = this.#parts.map(({part}) => part);
    if (!prompt.length) {
      showProblem(
        get('query-problem'), 'Give the query a picture or a text first.',
      );
      get('query').focus();
      return;
    }
    const running = new AbortController();
    this.#running = running;
    this.#begin();
    if (get('result').getBoundingClientRect().top > innerHeight) { // a phone
      get('result').scrollIntoView({block: 'start'});
    }
    const {signal} = running;
    const results = await Promise.allSettled([
      this.#answer(prompt, signal, before),
      this.#explain(prompt, signal),
    ]);
    if (this.#running !== running) {
      return; // asked again meanwhile
    }
    this.#end(results);
  }

  /** What the prompt is made of, and where on the page each part of it is. */
  #collect() {
    const found = [];
    const space = get('space').checked ? ' ' : '';
    const add = (slot, text, shown) => {
      if (slot.medium) {
        const part = mediumPart(slot.medium);
        found.push({part, shown: slot.problem, medium: slot.medium});
      }
      if (text.trim()) {
        const part = {type: 'text', text: space ? space + text.trim() : text};
        found.push({part, shown});
      }
    };
    for (const {slot, input, problem} of this.shots.all) {
      add(slot, input.value, problem);
    }
    add(this.query, get('query').value, get('query-problem'));
    return found;
  }

  #begin() {
    get('result').hidden = false;
    get('start').hidden = true;
    get('result').setAttribute('aria-busy', 'true');
    get('stale').hidden = true;
    get('answer').textContent = '';
    get('answer-note').textContent = 'The model is reading the prompt …';
    get('ask').textContent = 'Stop';
    get('ask').classList.add('stop');
  }

  #end(results) {
    this.#running = null;
    get('result').removeAttribute('aria-busy');
    get('ask').textContent = 'Ask';
    get('ask').classList.remove('stop');
    const told = new Set();
    const failed = results[0].reason;
    for (const {reason} of results) {
      if (reason && !told.has(reason.message)) {
        told.add(reason.message); // both requests tell of one fault
        this.#tell(reason);
      }
    }
    const [best] = [...this.#candidates].sort(
      (a, b) => b.probability - a.probability,
    );
    const likeliest = best ?
      ` Likeliest candidate: ${best.text}, ${percent(best.probability)}.` : '';
    if (!told.size) {
      announce(`Answer: ${get('answer').textContent}.${likeliest}`);
    } else if (failed && sentence(failed) && !get('answer').textContent) {
      get('result').hidden = true;
      get('start').hidden = false;
    }
  }

  /** Shows a fault beside what caused it. */
  #tell(error) {
    const part = this.#parts[PART.exec(error.about)?.[1]];
    const said = sentence(error, part && (part.medium?.name ?? 'This text'));
    if (!said) {
      get('answer-note').textContent = 'Stopped.';
      return;
    }
    const place = part?.shown ??
      get(PROBLEMS[error.about] ?? 'prompt-problem');
    get('options').open ||= place === get('options-problem');
    showProblem(place, said);
    place.scrollIntoView({block: 'nearest'});
  }

  #clearProblems() {
    this.shots.clearProblems();
    showProblem(this.query.problem);
    for (const id of [
      'prompt-problem', 'query-problem', ...Object.values(PROBLEMS),
    ]) {
      showProblem(get(id));
    }
  }

  async #answer(prompt, signal, before) {
    const given = this.#given(prompt);
    get('bars').hidden = !given.length;
    this.#candidates = [];
    const body = {
      prompt, candidates: given, max_tokens: get('length').valueAsNumber,
      temperature: get('temperature').valueAsNumber,
    };
    let text = '';
    for await (const event of stream('v1/completions', body, signal)) {
      get('answer-note').textContent = '';
      if (event.candidates) {
        this.#showCandidates(event.candidates, before);
      }
      const [choice] = event.choices;
      text += choice?.text ?? '';
      get('answer').textContent = text.trimStart();
      if (choice?.finish_reason === 'length') {
        get('answer-note').textContent =
          `Cut off after ${body.max_tokens} tokens.`;
      }
    }
    if (!text.trim()) {
      get('answer-note').textContent = 'The model has nothing to add.';
    }
  }

  /** The candidates, each once. */
  #given(prompt) {
    // Without a text in front of them they stand behind a picture.
    const behindPicture = prompt.at(-1).type !== 'text';
    const space = get('space').checked && behindPicture ? ' ' : '';
    const texts = get('candidates').value.split('\n')
        .map((text) => text.trim()).filter((text) => text);
    return [...new Set(texts)].map((text) => space + text);
  }

  #showCandidates(candidates, before) {
    this.#candidates = candidates;
    get('bars').replaceChildren(
      element('h3', {}, 'Candidates'), bars(candidates, before),
    );
  }

  async #explain(prompt, signal) {
    const media = this.#parts.flatMap(({medium}) => medium ?? []);
    const {tokens} = await request('v1/explain', {prompt}, signal);
    get('mask').replaceChildren(explanation(tokens, media));
  }
}
