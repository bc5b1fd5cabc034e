// SPDX-License-Identifier: Apache-2.0

import { named, viewAddress, type State } from './connection';
import { clock, duration } from './format';
import { isDone, nameOf, type View } from './model';
import { Agreements, Answers } from './answers';
import { Comparisons } from './comparisons';
import { Decisions } from './decisions';
import { List } from './list';
import { Flips, Pattern } from './pattern';
import { Health, Notices, Verdict } from './verdict';
import { Objectives } from './objectives';
import { Versions } from './versions';

// Data older than this says nothing of the present.
const unknownAfter = 30;

interface Freshness {
  // age of what is shown, in seconds.
  age: number;
  final: boolean;
  // old says that the verdict is not known any more.
  old: boolean;
}

function freshness(view: View, now: number): Freshness {
  const age = Math.max(0, (now - Date.parse(view.at)) / 1000);
  const final = isDone(view);
  return { age, final, old: !final && age > unknownAfter };
}

// Page is all that is shown of one state at one time.
export function Page({ state, now }: { state: State; now: number }) {
  const view = state.view;
  if (state.list) return <List views={state.list} lost={state.mode === 'lost'} />;
  if (!view) return <Waiting state={state} />;
  const fresh = freshness(view, now);
  const name = nameOf(view);
  const head = view.verdict.sentence.split('  ')[0];
  const evidence = view.health.ok ? '' : 'untrusted';
  document.title = `${head} · ${name} · Headgate`;
  return (
    <>
      <header>
        <span class="brand">{named ? <a href="./">Headgate</a> : 'Headgate'}</span>
        <h1>{name}</h1>
        <span class="plan" title={`plan ${view.plan}`}>plan {view.plan.slice(0, 8)}</span>
        <Connection state={state} fresh={fresh} />
      </header>
      <main class={fresh.old ? 'old' : undefined}>
        <Verdict view={view} />
        <Notices notices={view.notices} />
        <Health health={view.health} />
        <div class="results">
          <div class={evidence}><Versions view={view} /></div>
          <div class="columns">
            <div class={`stack ${evidence}`}>
              <Comparisons view={view} />
              <Objectives view={view} />
              <Agreements view={view} />
            </div>
            <div class="stack">
              <Pattern view={view} />
              <Flips view={view} />
              <Decisions view={view} />
              {view.predictions && <div class={evidence}><Answers view={view} /></div>}
            </div>
          </div>
        </div>
      </main>
      <Lost state={state} view={view} fresh={fresh} />
      <footer>
        Read-only. Times are of this browser. <a href={viewAddress}>JSON</a> · <a href="metrics">metrics</a> · <a href="LICENSES.txt">licenses</a>
      </footer>
    </>
  );
}

function Waiting({ state }: { state: State }) {
  const text = state.mode === 'lost' ? 'Headgate does not answer. Is it running? Trying again every few seconds.' : 'Waiting for the first view…';
  return <p class="plain" role="status">{text}</p>;
}

const modes: Record<State['mode'], string> = {
  connecting: 'connecting',
  live: 'live',
  polling: 'polling every 5 s',
  lost: 'connection lost',
  ended: 'Headgate has stopped',
};

function Connection({ state, fresh }: { state: State; fresh: Freshness }) {
  const age = fresh.age < 1.5 ? 'last update just now' : `last update ${duration(fresh.age)} ago`;
  return (
    <span class={`connection ${state.mode}`} id="connection">
      <span class="mode">{fresh.final && state.mode === 'live' ? 'finished' : modes[state.mode]}</span>
      <span class="age">{fresh.final ? 'these results are final' : age}</span>
    </span>
  );
}

// Lost says what the numbers are worth when no new ones come.
function Lost({ state, view, fresh }: { state: State; view: View; fresh: Freshness }) {
  let text = '';
  if (state.mode === 'ended' && !fresh.final) {
    text = `Headgate has stopped. This is the last it said, at ${clock(view.at)}; started again, the run goes on where it was.`;
  } else if (state.mode === 'lost') {
    text = `The connection is lost. This is the state of ${clock(view.at)}; trying again every few seconds.`;
  }
  if (fresh.old) {
    text += ` What is shown is ${duration(fresh.age)} old, so the verdict is not known now.`;
  }
  if (!text) return null;
  return <p class={`banner float ${fresh.old || state.mode === 'lost' ? 'warn' : 'info'}`} id="lost" role="alert">{text.trim()}</p>;
}
