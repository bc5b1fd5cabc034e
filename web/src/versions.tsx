// SPDX-License-Identifier: Apache-2.0

import { count, latency, none, percent } from './format';
import type { View } from './model';

// Swatch marks a version's colour, which it keeps everywhere.
export const Swatch = ({ index }: { index: number }) => <span class={`swatch v${index}`} aria-hidden="true" />;

// Traffic shows what was asked for and, beside it, what was seen.
export function Traffic({ view }: { view: View }) {
  return (
    <section class="panel" aria-labelledby="traffic">
      <h2 id="traffic">Traffic</h2>
      <table class="shares">
        <thead>
          <tr><th scope="col">version</th><th scope="col" class="wide"><span class="unseen">share as a bar</span></th><th scope="col" class="n">asked</th><th scope="col" class="n">seen</th></tr>
        </thead>
        <tbody>
          {view.versions.map((v, i) => (
            <tr key={v.name}>
              <th scope="row"><Swatch index={i} />{v.name} <span class="role">{v.role}</span></th>
              <td class="wide">
                <svg class="share" height="22" aria-hidden="true">
                  <rect class="rail" x="0" y="6" width="100%" height="10" rx="3" />
                  <rect class={`fill v${i}`} x="0" y="6" width={`${100 * v.share}%`} height="10" rx="3" />
                  {v.seen !== undefined && <line class="seen" x1={`${100 * v.seen}%`} x2={`${100 * v.seen}%`} y1="1" y2="21" />}
                </svg>
              </td>
              <td class="n strong">{percent(v.share)}</td>
              <td class="n">{percent(v.seen)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="note">Bar: share asked for. Line across it: share seen, by units exposed in this phase.</p>
    </section>
  );
}

// Versions is the table of what each version did.
export function Versions({ view }: { view: View }) {
  return (
    <section class="panel whole" aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="versions">
        <table>
          <thead>
            <tr>
              <th scope="col">version</th>
              <th scope="col" class="n">units</th>
              <th scope="col" class="n">requests</th>
              <th scope="col" class="n">errors</th>
              <th scope="col" class="n">p50</th>
              <th scope="col" class="n">p95</th>
              <th scope="col" class="n">p99</th>
              <th scope="col" class="n">reward</th>
              <th scope="col" class="n">95% interval, one look</th>
            </tr>
          </thead>
          <tbody>
            {view.versions.map((v, i) => (
              <tr key={v.name}>
                <th scope="row"><Swatch index={i} />{v.name} <span class="role">{v.role}</span></th>
                <td class="n">{count(v.units)}</td>
                <td class="n">{count(v.requests)}</td>
                <td class="n">{percent(v.errorRate, 2)}</td>
                <td class="n">{latency(v.p50Seconds)}</td>
                <td class="n">{latency(v.p95Seconds)}</td>
                <td class="n">{latency(v.p99Seconds)}</td>
                <td class="n strong">{percent(v.reward?.value, 2)}</td>
                <td class="n">{v.reward ? `${percent(v.reward.low, 2)} to ${percent(v.reward.high, 2)}` : none}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
