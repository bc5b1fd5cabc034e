// SPDX-License-Identifier: Apache-2.0

import { withTick, type Tick, type View } from './model';

// Mode is how the page hears of the experiment.
export type Mode = 'connecting' | 'live' | 'polling' | 'lost' | 'ended';

export interface State {
  view?: View;
  mode: Mode;
  // skew is this clock minus the server's, in milliseconds.
  skew: number;
}

const pollEvery = 5000;
const reopenAfter = 20000;

// connect keeps the newest state and hands it on. It listens to events; while
// they do not come it asks every few seconds, and goes on listening.
export function connect(show: (s: State) => void): void {
  let state: State = { mode: 'connecting', skew: 0 };
  let polling = 0;
  let stream: EventSource;

  const set = (change: Partial<State>) => show((state = { ...state, ...change }));

  const heard = (change: Partial<State>) => {
    clearTimeout(polling);
    polling = 0;
    set({ mode: 'live', ...change });
  };

  const poll = async () => {
    try {
      const answer = await fetch('v1/experiment', { cache: 'no-store', signal: AbortSignal.timeout(pollEvery) });
      if (!answer.ok) throw new Error(answer.statusText);
      const view = (await answer.json()) as View;
      // The Date header has whole seconds, on average half a second ago.
      const date = Date.parse(answer.headers.get('Date') ?? '');
      const skew = Number.isNaN(date) ? 0 : Date.now() - date - 500;
      const newer = !state.view || view.plan !== state.view.plan || view.at >= state.view.at;
      const mode = polling && state.mode !== 'live' && state.mode !== 'connecting' ? 'polling' : state.mode;
      set({ skew: Math.abs(skew) < 1500 ? 0 : skew, mode, ...(newer ? { view } : {}) });
    } catch {
      if (polling) set({ mode: state.mode === 'ended' ? 'ended' : 'lost' });
    }
  };

  const fallBack = () => {
    if (polling) return;
    const again = async () => {
      if (state.mode === 'connecting') set({ mode: 'polling' });
      await poll();
      if (polling) polling = setTimeout(again, pollEvery);
    };
    polling = setTimeout(again, 0);
  };

  const open = () => {
    stream = new EventSource('v1/experiment/events');
    stream.addEventListener('view', (e) => heard({ view: JSON.parse(e.data) as View }));
    stream.addEventListener('tick', (e) => {
      if (state.view) heard({ view: withTick(state.view, JSON.parse(e.data) as Tick) });
    });
    stream.addEventListener('end', () => set({ mode: 'ended' }));
    stream.onopen = () => {
      if (state.view && state.mode !== 'live') heard({});
    };
    stream.onerror = () => {
      if (state.mode === 'live') set({ mode: 'lost' });
      fallBack();
      // Closed for good, as after a refusal: the browser does not try again.
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, reopenAfter);
    };
  };

  void poll();
  open();
  // A proxy may hold events back without closing the stream.
  setTimeout(() => {
    if (state.mode === 'connecting') fallBack();
  }, pollEvery);
}
