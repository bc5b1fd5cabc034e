// SPDX-License-Identifier: Apache-2.0

import { count, niceAbove, percent, points } from './format';
import { isObjective, type Finding, type View } from './model';
import { certainty, Status, toneOf } from './status';

// reachOf is half the axis that holds every comparison, in the metric's unit.
function reachOf(rows: Finding[]): number {
  const all = rows.flatMap((f) => [f.interval?.low ?? 0, f.interval?.high ?? 0, 1.2 * (f.limit ?? 0)]);
  return niceAbove(Math.max(...all.map(Math.abs)) || 0.1);
}

// Comparisons draws differences to the baseline on one axis, with zero and the
// smallest effect that matters.
export function Comparisons({ view }: { view: View }) {
  const rows = (view.findings ?? []).filter((f) => !isObjective(f));
  const baseline = view.versions[0]?.name ?? 'the baseline';
  const reach = reachOf(rows);
  if (view.versions.length < 2) return null;
  return (
    <section class="panel" aria-labelledby="comparisons">
      <h2 id="comparisons">Difference to {baseline}</h2>
      {rows.length === 0 && <p class="empty">Nothing is compared: the plan has no reward and no guardrail.</p>}
      {rows.map((f) => <Comparison key={f.version + f.role + f.metric} f={f} reach={reach} />)}
      {rows.length > 0 && <Axis reach={reach} margins={rows.some((f) => f.limit)} />}
    </section>
  );
}

const at = (x: number, reach: number): string => `${50 + 50 * Math.max(-1, Math.min(1, x / reach))}%`;

function Comparison({ f, reach }: { f: Finding; reach: number }) {
  const text = f.interval
    ? `${points(f.estimate)} points, ${percent(f.level, 3).replace(/\.?0+%/, '%')} interval ${points(f.interval.low)} to ${points(f.interval.high)}`
    : 'no matured outcomes yet';
  return (
    <div class="finding">
      <p class="row"><b>{f.version}: {f.question}</b><Status status={f.status} /></p>
      <Whisker f={f} reach={reach} label={`${f.metric} of ${f.version}: ${text}`} />
      <p class="row numbers"><span>{text}</span><span class="quiet">{certainty(f.guarantee)}, {count(f.n)} {f.basis}</span></p>
    </div>
  );
}

function Whisker({ f, reach, label }: { f: Finding; reach: number; label: string }) {
  const margin = Math.abs(f.limit ?? 0);
  const tone = toneOf(f.status);
  return (
    <svg class="plot" height="44" role="img" aria-label={label}>
      {margin > 0 && (
        <>
          <rect class="band" x={at(-margin, reach)} width={`${(100 * margin) / reach}%`} y="0" height="44" />
          <line class="margin" x1={at(-margin, reach)} x2={at(-margin, reach)} y1="0" y2="44" />
          <line class="margin" x1={at(margin, reach)} x2={at(margin, reach)} y1="0" y2="44" />
        </>
      )}
      <line class="zero" x1="50%" x2="50%" y1="0" y2="44" />
      {f.interval && (
        <g class={`whisker ${tone}`}>
          <line x1={at(f.interval.low, reach)} x2={at(f.interval.high, reach)} y1="22" y2="22" />
          <line x1={at(f.interval.low, reach)} x2={at(f.interval.low, reach)} y1="14" y2="30" />
          <line x1={at(f.interval.high, reach)} x2={at(f.interval.high, reach)} y1="14" y2="30" />
          {f.estimate !== undefined && <circle cx={at(f.estimate, reach)} cy="22" r="6" />}
        </g>
      )}
    </svg>
  );
}

function Axis({ reach, margins }: { reach: number; margins: boolean }) {
  const digits = reach < 0.04 ? 1 : 0;
  return (
    <>
      <svg class="axis" height="20" aria-hidden="true">
        <line x1="0" x2="100%" y1="0.5" y2="0.5" />
        {[-1, -0.5, 0, 0.5, 1].map((k) => (
          <g key={k}>
            <line x1={`${50 + 50 * k}%`} x2={`${50 + 50 * k}%`} y1="0" y2="5" />
            <text x={`${50 + 50 * k}%`} y="17" text-anchor={k === -1 ? 'start' : k === 1 ? 'end' : 'middle'}>
              {points(k * reach, digits)}{k === 1 ? ' points' : ''}
            </text>
          </g>
        ))}
      </svg>
      <p class="note">Line: zero, no difference.{margins && ' Shaded: smaller than the effect that matters.'}</p>
    </>
  );
}
