// SPDX-License-Identifier: Apache-2.0

import { amount, between, niceAbove, percent } from './format';
import { isLimit, isRemoved, type Finding, type View } from './model';
import { Status, toneOf } from './status';
import { Swatch } from './versions';

// Objectives shows each limit, gates of the stage among them, with every version
// on one axis.
export function Objectives({ view }: { view: View }) {
  const all = (view.findings ?? []).filter((f) => isLimit(f) && !isRemoved(view, f.version));
  const questions = [...new Set(all.map((f) => f.question))];
  return (
    <section class="panel" aria-labelledby="objectives">
      <h2 id="objectives">Objectives{all.some((f) => f.role === 'gate') && ' and gates'}</h2>
      {questions.length === 0 && <p class="empty">The plan has no objectives.</p>}
      {questions.map((q) => <Objective key={q} question={q} rows={all.filter((f) => f.question === q)} all={all} view={view} />)}
    </section>
  );
}

// measured says what the numbers are when they are not what the limit is of: a
// latency objective counts the requests above it.
function measured(question: string, limit: number | undefined): string {
  const [, right] = question.split(' <= ');
  if (!right || right.endsWith('%')) return '';
  return `requests over ${right}, at most ${percent(limit, 2).replace(/\.?0+%/, '%')} of all`;
}

// domain is the axis of one objective. An interval that is still very wide
// runs off it, or the limit could not be seen.
function domain(rows: Finding[], least: boolean): [number, number] {
  const limit = rows[0]?.limit ?? 0;
  const unit = rows[0]?.unit;
  const values = rows.flatMap((f) => [f.estimate ?? limit, f.interval?.low ?? limit, f.interval?.high ?? limit]);
  const bottom = Math.min(0, ...values);
  if (unit && (least || bottom < 0)) return [bottom && -niceAbove(-bottom), niceAbove(1.2 * Math.max(1e-4, ...values))];
  if (least) {
    const reach = Math.min(Math.max(1 - Math.min(...values), 1.2 * (1 - limit)), Math.max(4 * (1 - limit), 1.2 * (1 - Math.min(limit, ...rows.map((f) => f.estimate ?? 1)))));
    return [Math.max(0, 1 - niceAbove(Math.max(reach, 1e-4))), 1];
  }
  const estimates = rows.map((f) => f.estimate ?? 0);
  const top = Math.min(Math.max(...values, 2 * limit), Math.max(4 * limit, 1.2 * Math.max(...estimates)));
  return [0, niceAbove(Math.max(top, 1e-4))];
}

// place is where a value stands on the axis, in percent of its width. The ends
// leave room for half a dot.
const place = (x: number, from: number, to: number): number => 2 + (96 * (x - from)) / (to - from);

function Objective({ question, rows, all, view }: { question: string; rows: Finding[]; all: Finding[]; view: View }) {
  const least = question.includes(' >= ');
  const limit = rows[0]?.limit;
  // Groups share an axis, so that they can be compared.
  const [from, to] = domain(all.filter((f) => f.metric === rows[0]?.metric && f.role === rows[0]?.role && f.limit === limit), least);
  const owner = rows[0]?.owner;
  const note = [rows[0]?.role === 'gate' ? 'gate' : '', rows[0]?.basis === 'pairs' ? 'paired' : '', rows[0]?.unit ? '' : measured(question, limit), owner ? `owner ${owner}` : ''].filter(Boolean).join('; ');
  const mark = limit === undefined ? undefined : place(limit, from, to);
  const unit = rows[0]?.unit;
  const write = (x: number): string => amount(x, unit && 'number').replace(/\.?0+%/, '%');
  return (
    <div class="objective">
      <p class="row"><b>{question}</b><span class="quiet">{note}</span></p>
      <table>
        <thead class="unseen">
          <tr><th scope="col">version</th><th scope="col">plot</th><th scope="col">estimate</th><th scope="col">interval</th><th scope="col">status</th></tr>
        </thead>
        <tbody>
          {rows.map((f) => (
            <tr key={f.version + f.role}>
              <th scope="row"><Swatch index={view.versions.findIndex((v) => v.name === f.version)} />{f.version}</th>
              <td class="wide"><Bullet f={f} from={from} to={to} least={least} /></td>
              <td class="n strong">{amount(f.estimate, unit)}</td>
              <td class="n interval">{between(f.interval, unit)}</td>
              <td class="s"><Status status={f.status} /></td>
            </tr>
          ))}
          <tr class="scale" aria-hidden="true">
            <td />
            <td class="wide">
              <svg class="axis" height="16">
                {!(mark! < 22) && <text class={mark! < 45 ? 'word' : undefined} x="2%" y="12" text-anchor="start">{write(from)}</text>}
                {!(mark! > 78) && <text class={mark! > 55 ? 'word' : undefined} x="98%" y="12" text-anchor="end">{write(to)}</text>}
                {limit !== undefined && <text x={`${mark}%`} y="12" text-anchor={mark! < 10 ? 'start' : mark! > 90 ? 'end' : 'middle'}><tspan class="word">limit </tspan>{write(limit)}</text>}
              </svg>
            </td>
            <td colSpan={3} />
          </tr>
        </tbody>
      </table>
    </div>
  );
}

function Bullet({ f, from, to, least }: { f: Finding; from: number; to: number; least: boolean }) {
  const raw = (x: number): number => place(x, from, to);
  const at = (x: number): string => `${Math.max(0, Math.min(100, raw(x)))}%`;
  const limit = f.limit ?? to;
  return (
    <svg class="plot small" height="24" aria-hidden="true">
      <rect class="forbidden" x={least ? 0 : at(limit)} width={least ? at(limit) : `${100 - raw(limit)}%`} y="0" height="24" />
      <line class="limit" x1={at(limit)} x2={at(limit)} y1="0" y2="24" />
      {f.interval && (
        <g class={`whisker ${toneOf(f.status)}`}>
          <line x1={at(f.interval.low)} x2={at(f.interval.high)} y1="12" y2="12" />
          {raw(f.interval.low) >= 0 && <line x1={at(f.interval.low)} x2={at(f.interval.low)} y1="7" y2="17" />}
          {raw(f.interval.high) <= 100 && <line x1={at(f.interval.high)} x2={at(f.interval.high)} y1="7" y2="17" />}
          {f.estimate !== undefined && <circle cx={at(f.estimate)} cy="12" r="4.5" />}
        </g>
      )}
    </svg>
  );
}
