// SPDX-License-Identifier: Apache-2.0

import { percent } from './format';
import { isDone, nameOf, type View } from './model';

// What wants attention comes first.
const urgency = (v: View): number => (v.health.ok ? (isDone(v) ? 2 : 1) : 0);

// List shows all experiments where several run, each with its verdict.
export function List({ views, lost }: { views: View[]; lost: boolean }) {
  document.title = `${views.length} experiments · Headgate`;
  const rows = [...views].sort((a, b) => urgency(a) - urgency(b) || nameOf(a).localeCompare(nameOf(b)));
  return (
    <>
      <header>
        <span class="brand">Headgate</span>
        <h1>{views.length} experiments</h1>
        <span class={`connection ${lost ? 'lost' : 'polling'}`}><span class="mode">{lost ? 'connection lost' : 'asked every 5 s'}</span></span>
      </header>
      <main>
        <section class="panel scroll" aria-label="Experiments" tabIndex={0}>
          <table class="list">
            <thead>
              <tr><th scope="col">experiment</th><th scope="col">verdict</th><th scope="col">stage</th><th scope="col" class="n">candidates</th><th scope="col">evidence</th></tr>
            </thead>
            <tbody>
              {rows.map((v) => (
                <tr key={nameOf(v)}>
                  <th scope="row"><a href={`?name=${encodeURIComponent(nameOf(v))}`}>{nameOf(v)}</a></th>
                  <td class="sentences">{v.verdict.sentence}{v.notices?.map((n) => <p class="note" key={n.text}>{n.text}</p>)}</td>
                  <td>{v.stage.name}</td>
                  <td class="n">{percent(v.versions.slice(1).reduce((sum, x) => sum + x.share, 0), 0)}</td>
                  <td><span class={`status ${v.health.ok ? 'good' : 'warn'}`}>{v.health.ok ? 'ok' : 'not to be trusted'}</span></td>
                </tr>
              ))}
            </tbody>
          </table>
          {rows.length === 0 && <p class="empty">No experiment runs here.</p>}
        </section>
      </main>
    </>
  );
}
