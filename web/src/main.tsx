// SPDX-License-Identifier: Apache-2.0

import { render } from 'preact';
import { connect, type State } from './connection';
import { Page } from './page';

const root = document.getElementById('app')!;
let state: State = { mode: 'connecting', skew: 0 };

const draw = () => render(<Page state={state} now={Date.now() - state.skew} />, root);

connect((s) => {
  state = s;
  draw();
});
// The age of what is shown goes on when nothing comes.
setInterval(draw, 1000);
