// SPDX-License-Identifier: Apache-2.0

import { clock, moment } from './format';
import type { Decision, View } from './model';

const glyphs: Record<string, string> = { start: '●', advance: '▲', hold: '▬', rollback: '▼', promote: '★', stop: '■', pause: '‖', resume: '▶', retry: '↻', remove: '✕', shift: '⇄', approve: '✓', learn: '◐' };
const tones: Record<string, string> = { rollback: 'bad', remove: 'bad', promote: 'good' };

// sharesOf reads "95%/5%" as fractions, in the order of the versions.
const sharesOf = (text: string): number[] => text.split('/').map((s) => Number.parseFloat(s) / 100 || 0);

// Decisions shows what was done and why, newest first, under the shares that
// it led to.
export function Decisions({ view }: { view: View }) {
  return (
    <section class="panel" aria-labelledby="decisions">
      <h2 id="decisions">Decisions</h2>
      {view.versions.length > 1 && <Strip view={view} />}
      <ol class={`decisions ${view.versions.length > 3 ? 'many' : ''}`} reversed>
        {[...view.decisions].reverse().map((d) => <Line key={d.at + d.code} d={d} />)}
      </ol>
    </section>
  );
}

function Line({ d }: { d: Decision }) {
  return (
    <li class="decision">
      <time dateTime={d.at}>{clock(d.at)}</time>
      <span class={`act ${tones[d.act] ?? 'going'}`}><span aria-hidden="true">{glyphs[d.act] ?? '◆'}</span> {d.act}</span>
      <span class="shift">{d.from === d.to ? d.to : `${d.from} → ${d.to}`}</span>
      <span class="why">{d.reasons.join('; ')} <span class="quiet code">{d.code}</span>
        {d.groups && <span class="groups">{d.groups.map((g) => `${g.slice} ${g.shares}`).join(' · ')}</span>}
      </span>
    </li>
  );
}

const top = 16;
const height = 72;

// Strip draws the share that each candidate was given over time.
function Strip({ view }: { view: View }) {
  const ds = view.decisions;
  const start = Date.parse(ds[0]?.at ?? view.at);
  const end = Math.max(Date.parse(view.at), Date.parse(ds[ds.length - 1]?.at ?? view.at), start + 1000);
  // A margin at both sides keeps the glyphs of the first and the last whole.
  const x = (at: string): number => 2 + (96 * (Date.parse(at) - start)) / (end - start);
  const y = (share: number): number => top + (height - top) * (1 - share);
  const label = ds.map((d) => `${clock(d.at)} ${d.act} to ${d.to}`).join(', ');
  const candidates = view.versions.slice(1).map((_, i) => i + 1);
  return (
    <svg class="strip" height={height + 18} role="img" aria-label={`Share of the candidates over time: ${label}`}>
      <line class="grid" x1="2%" x2="98%" y1={y(1)} y2={y(1)} />
      <line class="grid" x1="2%" x2="98%" y1={y(0.5)} y2={y(0.5)} />
      <line class="base" x1="2%" x2="98%" y1={y(0)} y2={y(0)} />
      {ds.map((d) => <line class="rule" key={d.at} x1={`${x(d.at)}%`} x2={`${x(d.at)}%`} y1={top} y2={height} />)}
      {candidates.flatMap((v) =>
        ds.map((d, i) => {
          const next = ds[i + 1];
          const share = sharesOf(d.to)[v] ?? 0;
          const before = sharesOf(d.from)[v] ?? 0;
          const from = `${x(d.at)}%`;
          const until = next ? `${x(next.at)}%` : '98%';
          return (
            <g class={`step v${v}`} key={`${v} ${d.at}`}>
              <line x1={from} x2={from} y1={y(before)} y2={y(share)} />
              <line x1={from} x2={until} y1={y(share)} y2={y(share)} />
            </g>
          );
        }),
      )}
      {ds.map((d) => <text class={`glyph ${tones[d.act] ?? 'going'}`} key={d.at} x={`${x(d.at)}%`} y="11" text-anchor="middle">{glyphs[d.act] ?? '◆'}</text>)}
      <text class="tick" x="2%" y={height + 15}>{moment(start, end - start)}</text>
      <text class="tick" x="98%" y={height + 15} text-anchor="end">{moment(end, end - start)}</text>
      <text class="tick" x="50%" y={height + 15} text-anchor="middle">share of {view.versions.slice(1).map((v) => v.name).join(', ')}, 0 to 100%</text>
    </svg>
  );
}
