// SPDX-License-Identifier: Apache-2.0

import { withTick, type Tick, type View } from './model';

// Mode is how the page hears of the experiment.
export type Mode = 'connecting' | 'live' | 'polling' | 'lost' | 'ended';

export interface State {
  view?: View;
  // list has all experiments where none is named and there is not one alone.
  list?: View[];
  mode: Mode;
  // skew is this clock minus the server's, in milliseconds.
  skew: number;
}

export const named = new URLSearchParams(location.search).get('name');
const query = named ? `?name=${encodeURIComponent(named)}` : '';
export const viewAddress = `v1/experiment${query}`;

const pollEvery = 5000;
const reopenAfter = 20000;

async function get<T>(address: string): Promise<{ body: T; skew: number }> {
  const answer = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(pollEvery) });
  if (!answer.ok) throw new Error(answer.statusText);
  // The Date header has whole seconds, on average half a second ago; less than
  // that is no skew.
  const date = Date.parse(answer.headers.get('Date') ?? '');
  const skew = Date.now() - date - 500;
  return { body: (await answer.json()) as T, skew: Math.abs(skew) > 1500 ? skew : 0 };
}

// connect finds out which experiment is meant and keeps its newest state, or
// that of all, and hands it on.
export function connect(show: (s: State) => void): void {
  let state: State = { mode: 'connecting', skew: 0 };
  const set = (change: Partial<State>): State => {
    show((state = { ...state, ...change }));
    return state;
  };
  const begin = async () => {
    try {
      if (named) return follow({ ...state }, set);
      const { body, skew } = await get<{ items: View[] | null }>('v1/experiments');
      const list = body.items ?? [];
      if (list.length === 1) return follow(set({ view: list[0], skew, list: undefined }), set);
      set({ mode: 'polling', list, skew });
    } catch {
      set({ mode: 'lost' });
    }
    setTimeout(begin, pollEvery);
  };
  void begin();
}

// follow listens to the events of one experiment. While they do not come it
// asks every few seconds, and goes on listening.
function follow(state: State, tell: (change: Partial<State>) => State): void {
  let polling = 0;
  const set = (change: Partial<State>) => (state = tell(change));

  const heard = (change: Partial<State>) => {
    clearTimeout(polling);
    polling = 0;
    set({ mode: 'live', ...change });
  };

  const poll = async () => {
    try {
      const { body: view, skew } = await get<View>(viewAddress);
      // An event may have overtaken this answer.
      const newer = !state.view || view.plan !== state.view.plan || Date.parse(view.at) >= Date.parse(state.view.at);
      set({ skew, ...(polling ? { mode: 'polling' } : {}), ...(newer ? { view } : {}) });
    } catch {
      if (polling && state.mode !== 'ended') set({ mode: 'lost' });
    }
  };

  const fallBack = () => {
    if (polling) return;
    const again = async () => {
      await poll();
      if (polling) polling = setTimeout(again, pollEvery);
    };
    polling = setTimeout(again, 0);
  };

  const open = () => {
    const stream = new EventSource(`v1/experiment/events${query}`);
    stream.addEventListener('view', (e) => heard({ view: JSON.parse(e.data) as View }));
    stream.addEventListener('tick', (e) => {
      if (state.view) heard({ view: withTick(state.view, JSON.parse(e.data) as Tick) });
    });
    stream.addEventListener('end', () => set({ mode: 'ended' }));
    stream.onerror = () => {
      if (state.mode === 'live') set({ mode: 'lost' });
      fallBack();
      // Closed for good, as after a refusal: the browser does not try again.
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, reopenAfter);
    };
  };

  open();
  if (!state.view) void poll();
  // A proxy may hold events back without closing the stream.
  setTimeout(() => {
    if (state.mode === 'connecting') fallBack();
  }, pollEvery);
}
