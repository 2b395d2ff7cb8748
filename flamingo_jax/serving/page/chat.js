// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// A dialogue, with pictures in any turn.

import {request, sentence, stream} from './api.js';
import {announce, element, iconButton, icon, showProblem}
  from './elements.js';
import {explanation} from './explanation.js';
import {filesOf, mediumPart, readMedium} from './media.js';
import {fileButton, pictures, takeDrops} from './slot.js';
import {load, save} from './state.js';

const NAME = 'chat';
const MOST_TOKENS = 64;
const NOTHING = '(nothing)';
const PART = /^messages\[(\d+)\]\.content\[(\d+)\]/;

const get = (id) => document.getElementById(id);

function content({text, media}) {
  const parts = media.map(mediumPart);
  return text ? [...parts, {type: 'text', text}] : parts;
}

/** The view; there is one. */
export class Chat {
  #running = null; // an AbortController
  #messages; // {role, text, media}
  #media = []; // of the message that is being written

  constructor() {
    const saved = load(NAME);
    this.#messages = saved?.messages ?? [];
    this.#media = saved?.media ?? [];
    get('message').value = saved?.text ?? '';
    get('attach').replaceWith(...fileButton(
      {'class': 'icon-button', 'aria-label': 'Add pictures',
        'title': 'Add pictures'},
      true, (files) => this.#take(files), icon('clip'),
    ));
    takeDrops(get('chat'), (files) => {
      this.#take(files);
      return true;
    });
    get('message-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#running ? this.#running.abort() : this.#send();
    });
    get('message').addEventListener('input', () => this.#save());
    get('message').addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.#running ?? this.#send();
      }
    });
    get('new-chat').addEventListener('click', () => this.#restart());
    get('undo').addEventListener('click', () => this.#undo());
    get('chat-mask').addEventListener('toggle', () => this.#explain());
    this.#show();
  }

  /** Files of the clipboard go into the message. */
  paste(transfer) {
    const files = filesOf(transfer);
    this.#take(files);
    return files.length > 0;
  }

  async #take(files) {
    showProblem(get('message-problem'));
    for (const file of files) {
      try {
        this.#media.push(await readMedium(file));
      } catch (error) {
        showProblem(get('message-problem'), error.message);
      }
    }
    this.#showMedia();
    get('message').focus();
  }

  #save() {
    save(NAME, () => ({
      messages: this.#messages, media: this.#media, text: get('message').value,
    }));
  }

  #show() {
    get('log').replaceChildren(...this.#messages.map(shownMessage));
    this.#showMedia();
    this.#update();
  }

  #showMedia(broken = -1) {
    get('attached').replaceChildren(...this.#media.map((medium, i) => {
      const remove = iconButton('close', `Remove ${medium.name}`, () => {
        this.#media.splice(i, 1);
        showProblem(get('message-problem'));
        this.#showMedia();
        get('message').focus();
      });
      remove.classList.add('on-picture');
      return element(
        'li', {class: i === broken ? 'slot filled broken' : 'slot filled'},
        pictures(medium), remove,
      );
    }));
    this.#save();
  }

  #update() {
    const isEmpty = !this.#messages.length;
    get('chat-start').hidden = !isEmpty;
    get('new-chat').hidden = isEmpty;
    get('undo').hidden = isEmpty || this.#running !== null;
    get('chat-mask').hidden = isEmpty;
    get('chat-mask').open &&= !isEmpty;
    get('send').textContent = this.#running ? 'Stop' : 'Send';
    get('send').classList.toggle('stop', this.#running !== null);
    this.#explain();
    this.#save();
  }

  #restart() {
    this.#running?.abort();
    this.#running = null;
    this.#messages = [];
    this.#show();
    get('message').focus();
  }

  /** The last turn is to be written again. */
  #undo() {
    const index = this.#messages.findLastIndex(({role}) => role === 'user');
    const [{text, media}] = this.#messages.splice(index);
    get('message').value = text;
    this.#media = media;
    this.#show();
    get('message').focus();
    announce('Last turn undone.');
  }

  async #send() {
    const text = get('message').value.trim();
    if (!text && !this.#media.length) {
      return;
    }
    showProblem(get('message-problem'));
    const asked = {role: 'user', text, media: this.#media};
    const answer = {role: 'assistant', text: '', media: []};
    const before = this.#messages;
    const messages = [...before, asked];
    this.#messages = [...messages, answer];
    this.#media = [];
    get('message').value = '';
    this.#running = new AbortController();
    const running = this.#running;
    this.#show();
    const node = get('log').lastElementChild;
    node.setAttribute('aria-busy', 'true');
    node.scrollIntoView({block: 'nearest'});
    try {
      const said = node.querySelector('.said');
      await this.#answer(messages, answer, said, running);
      announce(`Answer: ${answer.text}`);
    } catch (error) {
      if (this.#messages.at(-1) !== answer) {
        return; // another chat has begun
      }
      if (!answer.text) {
        this.#messages = before;
        get('message').value = text;
        this.#media = asked.media;
        this.#show();
      }
      this.#tell(error, before.length);
    }
    this.#running = null;
    node.removeAttribute('aria-busy');
    this.#update();
  }

  async #answer(messages, answer, place, {signal}) {
    const body = {
      messages: messages.map((message) => (
        {role: message.role, content: content(message)}
      )),
      max_tokens: MOST_TOKENS,
      temperature: 0,
    };
    for await (const {choices: [choice]} of stream(
      'v1/chat/completions', body, signal,
    )) {
      answer.text += choice?.delta?.content ?? '';
      place.textContent = answer.text;
      place.scrollIntoView({block: 'nearest'});
    }
    answer.text = answer.text.trim();
    place.textContent = answer.text || NOTHING;
  }

  /** Shows a fault beside the message that is to be written again. */
  #tell(error, index) {
    const [, message, part] = PART.exec(error.about) ?? [];
    const broken = Number(message) === index ? Number(part) : -1;
    this.#showMedia(broken);
    const name = this.#media[broken]?.name ?? 'This message';
    showProblem(get('message-problem'), sentence(error, name));
    get('message').focus();
  }

  async #explain() {
    if (!get('chat-mask').open || this.#running) {
      return;
    }
    const media = this.#messages.flatMap((message) => message.media);
    const messages = this.#messages.map((message) => (
      {role: message.role, content: content(message)}
    ));
    try {
      const {tokens} = await request('v1/explain', {messages});
      get('chat-tokens').replaceChildren(explanation(tokens, media));
    } catch (error) {
      get('chat-tokens').replaceChildren(
        element('p', {class: 'problem'}, sentence(error)),
      );
    }
  }
}

function shownMessage({role, text, media}) {
  const who = role === 'user' ? 'You' : 'Flamingo';
  return element(
    'li', {class: `message ${role}`}, element('h2', {}, who),
    media.length ?
      element('div', {class: 'attachments'}, ...media.map(pictures)) : null,
    element('p', {class: 'said'}, text),
  );
}
