// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// What survives a reload, and ends with the tab: sessionStorage.

const DELAY = 250; // milliseconds; typing saves once
const waiting = new Map();
const listeners = [];

/** What was saved under a name, or null. */
export function load(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

/** Calls with true or false: whether all that there is is kept. */
export function onSaved(listener) {
  listeners.push(listener);
}

/** Saves what `value` returns, shortly after the last call for the name. */
export function save(name, value) {
  clearTimeout(waiting.get(name)?.timer);
  const timer = setTimeout(() => write(name), DELAY);
  waiting.set(name, {timer, value});
}

function write(name) {
  const {value} = waiting.get(name);
  waiting.delete(name);
  let fits = true;
  try {
    sessionStorage.setItem(name, JSON.stringify(value()));
  } catch { // about 5 MB are left to a page
    sessionStorage.removeItem(name);
    fits = false;
  }
  listeners.forEach((listener) => listener(name, fits));
}

addEventListener('pagehide', () => [...waiting.keys()].forEach(write));
