// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// Requests to the server that the page came from.

import {load, save} from './state.js';

const TOKEN = 'token'; // the name it is saved under
let token = load(TOKEN);
let ask = null; // whether one was wrong -> promise of a token
let asked = null; // its promise, which all requests that wait for it share

// Of a part, as sentences of the server begin with it.
const PART = /^(prompt|messages)\[\d+\](\.content\[\d+\])?/;

/** A sentence of the server. */
export class ServerError extends Error {
  /** What it is about, such as 'prompt[2]' or 'max_tokens'; or ''. */
  about;
  /** Seconds until it is worth another try; null if it is not. */
  wait;

  constructor(message, param = null, wait = null) {
    super(message);
    this.wait = wait;
    this.about = PART.exec(message)?.[0] ?? param ?? '';
  }
}

/** How the page asks for the token of a protected server. */
export function onUnauthorized(asks) {
  ask = asks;
}

/** Whether requests carry a token. */
export function hasToken() {
  return token !== null;
}

/** Requests carry none from now on. */
export function forgetToken() {
  token = null;
  save(TOKEN, () => token);
}

async function problemOf(response) {
  let message = `The server answered with status ${response.status}.`;
  let param = null;
  try {
    const {error} = await response.json();
    message = error.message;
    param = error.param ?? null;
  } catch {} // no JSON of the server: something stands between
  const seconds = response.headers.get('Retry-After');
  if (seconds !== null) {
    message += ` (in ${seconds} s)`;
  }
  return new ServerError(message, param, seconds);
}

async function send(path, body, signal) {
  const used = token;
  const headers = used === null ? {} : {Authorization: `Bearer ${used}`};
  let options = {headers, signal};
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    options = {...options, method: 'POST', body: JSON.stringify(body)};
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    throw new ServerError('The server does not answer. Is it running?');
  }
  if (response.ok) {
    return response;
  }
  if (response.status !== 401) {
    throw await problemOf(response);
  }
  if (used === token) { // else another request was given one meanwhile
    asked ??= ask(used !== null);
    token = await asked;
    asked = null;
    save(TOKEN, () => token);
  }
  return send(path, body, signal);
}

/** What the server answers, as JSON; posts if there is a body. */
export async function request(path, body, signal) {
  return (await send(path, body, signal)).json();
}

/** The events of an answer that is streamed, each parsed, as they come. */
export async function* stream(path, body, signal) {
  const response = await send(path, {...body, stream: true}, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const {value, done} = await reader.read();
    text += done ? '\n\n' : value;
    const events = text.split(/\r?\n\r?\n/);
    text = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: ?/, '');
      if (!event.startsWith('data:') || data === '[DONE]') {
        continue;
      }
      const parsed = JSON.parse(data);
      if (parsed.error) {
        throw new ServerError(parsed.error.message, parsed.error.param);
      }
      yield parsed;
    }
    if (done) {
      return;
    }
  }
}

/** The sentence of a failure; '' of what was stopped.
 *
 * `name` is what a part is called on the page, in place of its number.
 */
export function sentence(error, name) {
  if (error.name === 'AbortError') {
    return '';
  }
  const {message} = error;
  return name && PART.test(message) ? message.replace(PART, () => name) :
    message[0].toUpperCase() + message.slice(1);
}
