// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// The page: its views, the model's name, the token.

import {Accuracy} from './accuracy.js';
import {forgetToken, hasToken, onUnauthorized, request, sentence}
  from './api.js';
import {Chat} from './chat.js';
import {showProblem} from './elements.js';
import {setSampling} from './media.js';
import {Prompt} from './prompt.js';
import {onSaved} from './state.js';

const VIEWS = ['prompt', 'chat', 'accuracy'];
const get = (id) => document.getElementById(id);

function view() {
  const name = location.hash.slice(2); // '#/chat'
  return VIEWS.includes(name) ? name : VIEWS[0];
}

function showView() {
  for (const name of VIEWS) {
    const isShown = name === view();
    get(name).hidden = !isShown;
    const link = document.querySelector(`nav a[href="#/${name}"]`);
    isShown ? link.setAttribute('aria-current', 'page') :
      link.removeAttribute('aria-current');
  }
}

/** A promise of what is typed. */
function askForToken(wasWrong) {
  get('token-form').hidden = false;
  const message = wasWrong ? "This is not the server's token." : '';
  showProblem(get('token-problem'), message);
  get('token').focus();
  return new Promise((resolve) => {
    get('token-form').addEventListener('submit', (event) => {
      event.preventDefault();
      get('token-form').hidden = true;
      resolve(get('token').value.trim());
      get('token').value = '';
      get('forget-token').hidden = false;
    }, {once: true});
  });
}

async function showModel() {
  try {
    const {data: [model]} = await request('v1/models');
    setSampling(model);
    get('model').textContent = model.id;
  } catch (error) {
    showProblem(get('page-problem'), sentence(error));
  }
}

onUnauthorized(askForToken);
const unsaved = new Set();
onSaved((name, fits) => {
  fits ? unsaved.delete(name) : unsaved.add(name);
  get('unsaved').hidden = !unsaved.size;
});
const prompt = new Prompt();
const chat = new Chat();
new Accuracy((episode, title) => {
  location.hash = '#/prompt';
  showView();
  prompt.open(episode, title);
  prompt.ask();
});

get('forget-token').hidden = !hasToken();
get('forget-token').addEventListener('click', () => {
  forgetToken();
  location.reload();
});
addEventListener('hashchange', showView);
get('skip').addEventListener('click', (event) => {
  event.preventDefault(); // the address names the view
  get('main').focus();
});
addEventListener('paste', (event) => {
  const open = {prompt, chat}[view()];
  if (open?.paste(event.clipboardData)) {
    event.preventDefault();
  }
});
// A file that is dropped elsewhere would be opened in place of the page.
for (const event of ['dragover', 'drop']) {
  addEventListener(event, (dropped) => dropped.preventDefault());
}
showView();
showModel();
