// SPDX-License-Identifier: Apache-2.0

import { between, change, count, niceAbove, percent, points } from './format';
import { isLimit, isRemoved, type Finding, type View } from './model';
import { certainty, Status, toneOf } from './status';
import { Swatch } from './versions';

// reachOf is half the axis that holds every comparison, in the metric's unit.
function reachOf(rows: Finding[]): number {
  const all = rows.flatMap((f) => [f.interval?.low ?? 0, f.interval?.high ?? 0, 1.2 * (f.limit ?? 0)]);
  return niceAbove(Math.max(...all.map(Math.abs)) || 0.1);
}

// Comparisons draws differences to the baseline on one axis, with zero and the
// smallest effect that matters; groups stand under the whole that they are of.
export function Comparisons({ view }: { view: View }) {
  const rows = (view.findings ?? []).filter((f) => !isLimit(f) && !isRemoved(view, f.version));
  const whole = rows.filter((f) => !f.slice);
  const baseline = view.versions[0]?.name ?? 'the baseline';
  if (view.versions.length < 2) return null;
  const of = (f: Finding) => (g: Finding) => g.version === f.version && g.role === f.role && g.metric === f.metric;
  const lone = rows.filter((g) => g.slice && !whole.some((f) => of(f)(g)));
  // What is not in points has an axis of its own.
  const axisOf = (f: Finding): string => (f.unit ? f.metric : '');
  const axes = [...new Set(rows.map(axisOf))];
  return (
    <section class="panel" aria-labelledby="comparisons">
      <h2 id="comparisons">Difference to {baseline}</h2>
      {rows.length === 0 && <p class="empty">Nothing is compared: no reward or guardrail was judged.</p>}
      {axes.map((axis) => {
        const its = rows.filter((f) => axisOf(f) === axis);
        const reach = reachOf(its);
        return (
          <div key={axis}>
            {[...whole, ...lone].filter((f) => axisOf(f) === axis).map((f) => (
              <div key={f.version + f.role + f.metric + f.slice}>
                <Comparison f={f} reach={reach} index={view.versions.findIndex((v) => v.name === f.version)} />
                {!f.slice && its.filter((g) => g.slice && of(f)(g)).map((g) => <Group key={g.slice} f={g} reach={reach} />)}
              </div>
            ))}
            <Axis reach={reach} unit={its[0]?.unit} margins={its.some((f) => f.limit)} />
          </div>
        );
      })}
    </section>
  );
}

const at = (x: number, reach: number): string => `${50 + 50 * Math.max(-1, Math.min(1, x / reach))}%`;

function textOf(f: Finding): string {
  if (f.hidden) return 'hidden until the horizon';
  if (!f.interval) return 'no matured outcomes yet';
  return `${change(f.estimate, f.unit)}${f.unit ? '' : ' points'}, ${percent(f.level, 3).replace(/\.?0+%/, '%')} interval ${between(f.interval, f.unit, change)}`;
}

function Comparison({ f, reach, index }: { f: Finding; reach: number; index: number }) {
  const text = textOf(f);
  const need = f.need ? `, about ${count(f.need)} more are needed` : '';
  return (
    <div class="finding">
      <p class="row"><b><Swatch index={index} />{f.version}: {f.question}</b><Status status={f.status} /></p>
      {!f.hidden && <Whisker f={f} reach={reach} height={44} label={`${f.metric} of ${f.version}: ${text}`} />}
      <p class="row numbers">
        <span>{text}</span>
        <span class="quiet">{certainty(f.guarantee)}, {count(f.n)} {f.basis}{need}{f.owner && `; owner ${f.owner}`}</span>
      </p>
    </div>
  );
}

// Group is one group of a segment, in a line.
function Group({ f, reach }: { f: Finding; reach: number }) {
  const text = textOf(f);
  return (
    <div class="slice">
      <p class="row"><span>{f.question}</span><Status status={f.status} /></p>
      {!f.hidden && <Whisker f={f} reach={reach} height={24} label={`${f.metric} of ${f.version} in ${f.slice}: ${text}`} />}
      <p class="row numbers"><span>{text}</span><span class="quiet">{count(f.n)} {f.basis}</span></p>
    </div>
  );
}

function Whisker({ f, reach, height, label }: { f: Finding; reach: number; height: number; label: string }) {
  const margin = Math.abs(f.limit ?? 0);
  const tone = toneOf(f.status);
  const mid = height / 2;
  const end = height / 5.5;
  return (
    <svg class="plot" height={height} role="img" aria-label={label}>
      {margin > 0 && (
        <>
          <rect class="band" x={at(-margin, reach)} width={`${(100 * margin) / reach}%`} y="0" height={height} />
          <line class="margin" x1={at(-margin, reach)} x2={at(-margin, reach)} y1="0" y2={height} />
          <line class="margin" x1={at(margin, reach)} x2={at(margin, reach)} y1="0" y2={height} />
        </>
      )}
      <line class="zero" x1="50%" x2="50%" y1="0" y2={height} />
      {f.interval && (
        <g class={`whisker ${tone}`}>
          <line x1={at(f.interval.low, reach)} x2={at(f.interval.high, reach)} y1={mid} y2={mid} />
          <line x1={at(f.interval.low, reach)} x2={at(f.interval.low, reach)} y1={mid - end} y2={mid + end} />
          <line x1={at(f.interval.high, reach)} x2={at(f.interval.high, reach)} y1={mid - end} y2={mid + end} />
          {f.estimate !== undefined && <circle cx={at(f.estimate, reach)} cy={mid} r={height > 30 ? 6 : 4.5} />}
        </g>
      )}
    </svg>
  );
}

function Axis({ reach, unit, margins }: { reach: number; unit?: string; margins: boolean }) {
  const digits = reach < 0.04 ? 1 : 0;
  return (
    <>
      <svg class="axis" height="20" aria-hidden="true">
        <line x1="0" x2="100%" y1="0.5" y2="0.5" />
        {[-1, -0.5, 0, 0.5, 1].map((k) => (
          <g key={k}>
            <line x1={`${50 + 50 * k}%`} x2={`${50 + 50 * k}%`} y1="0" y2="5" />
            <text x={`${50 + 50 * k}%`} y="17" text-anchor={k === -1 ? 'start' : k === 1 ? 'end' : 'middle'}>
              {unit ? change(k * reach, unit) : points(k * reach, digits) + (k === 1 ? ' points' : '')}
            </text>
          </g>
        ))}
      </svg>
      <p class="note">Line: zero, no difference.{margins && ' Shaded: smaller than the effect that matters.'}</p>
    </>
  );
}
