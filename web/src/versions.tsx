// SPDX-License-Identifier: Apache-2.0

import { amount, between, clock, count, latency, percent } from './format';
import { isDone, rewardUnit, type Version, type View } from './model';

// Swatch marks a version's colour, which it keeps everywhere.
export const Swatch = ({ index }: { index: number }) => <span class={`swatch v${index}`} aria-hidden="true" />;

// Versions is the table of what each version was given and what it did: the
// share asked for and, beside it, the share seen.
export function Versions({ view }: { view: View }) {
  const done = isDone(view);
  return (
    <section class="panel" aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="versions">
        <table class="versions">
          <thead>
            <tr>
              <th scope="col">version</th>
              <th scope="col" class="bar"><span class="legend">bar: asked, line: seen</span></th>
              <th scope="col" class="n">share asked</th>
              <th scope="col" class="n">{done ? 'seen before' : 'seen'}</th>
              <th scope="col" class="n">units</th>
              <th scope="col" class="n">requests</th>
              <th scope="col" class="n">errors</th>
              <th scope="col" class="n">p50</th>
              <th scope="col" class="n">p95</th>
              <th scope="col" class="n">p99</th>
              <th scope="col" class="n">reward</th>
              <th scope="col" class="n">95%, one look</th>
            </tr>
          </thead>
          <tbody>
            {view.versions.map((v, i) => <Row key={v.name} v={v} index={i} done={done} unit={rewardUnit(view)} />)}
          </tbody>
        </table>
      </div>
      {view.versions.map((v, i) => <Remarks key={v.name} v={v} index={i} />)}
    </section>
  );
}

// Remarks say what became of a version, and what it is made of.
function Remarks({ v, index }: { v: Version; index: number }) {
  const parts = v.parts?.map((p) => `${p.name} ${p.value}`).join(', ');
  if (!v.removed && !parts) return null;
  return (
    <p class="remark">
      <Swatch index={index} /><b>{v.name}</b>{' '}
      {v.removed && <>was removed at {clock(v.removed.at)}: {v.removed.why} <span class="quiet code">{v.removed.code}</span> </>}
      {parts && <span class="quiet">is made of {parts}{v.differs && `; differs in ${v.differs.join(', ')}`}</span>}
    </p>
  );
}

function Row({ v, index, done, unit }: { v: Version; index: number; done: boolean; unit?: string }) {
  const seen = done ? undefined : v.seen;
  return (
    <tr class={v.removed && 'gone'}>
      <th scope="row"><Swatch index={index} />{v.name} <span class="role">{v.removed ? 'removed' : v.role}</span></th>
      <td class="bar">
        <svg class="share" height="22" aria-hidden="true">
          <rect class="rail" x="0" y="6" width="100%" height="10" rx="3" />
          <rect class={`fill v${index}`} x="0" y="6" width={`${100 * v.share}%`} height="10" rx="3" />
          {seen !== undefined && <line class="seen" x1={`${100 * seen}%`} x2={`${100 * seen}%`} y1="1" y2="21"><title>seen</title></line>}
        </svg>
      </td>
      <td class="n strong">{percent(v.share)}</td>
      <td class="n">{percent(v.seen)}</td>
      <td class="n">{count(v.units)}</td>
      <td class="n">{count(v.requests)}</td>
      <td class="n">{percent(v.errorRate, 2)}</td>
      <td class="n">{latency(v.p50Seconds)}</td>
      <td class="n">{latency(v.p95Seconds)}</td>
      <td class="n">{latency(v.p99Seconds)}</td>
      <td class="n strong">{amount(v.reward?.value, unit)}</td>
      <td class="n quiet">{between(v.reward, unit)}</td>
    </tr>
  );
}
