// SPDX-License-Identifier: Apache-2.0

import { amount, between, count, duration, moment, none, percent } from './format';
import { nameOf, rewardUnit, type Arm, type View, type Wait } from './model';
import { Table } from './table';
import { Swatch } from './versions';

// Pattern shows what the stage's kind does, and what it waits for.
export function Pattern({ view }: { view: View }) {
  const { stage, bandit, mirror, warm, spent, iteration, actions } = view;
  const waits = warm?.waits ?? stage.waits ?? [];
  if (!waits.length && !bandit && !mirror && !spent && !stage.approval && !iteration && !actions) return null;
  return (
    <section class="panel" aria-labelledby="pattern">
      <h2 id="pattern">{warm ? `${warm.baseline} is kept warm, then: ${warm.then}` : `Stage ${stage.name} (${stage.kind})`}</h2>
      {bandit && <Arms view={view} />}
      {iteration && <Points view={view} />}
      {mirror && (
        <p>
          {percent(mirror.share, 0)} of the requests copied, {count(mirror.pairs)}{mirror.want ? ` of ${count(mirror.want)}` : ''} pairs
          {mirror.costCap ? `, cost ${(mirror.cost ?? 0).toFixed(2)} of at most ${mirror.costCap.toFixed(2)}` : ''}.
          {mirror.copies.map((c) => <span class="quiet" key={c.version}> {c.version}: {count(c.sent)} copies, {count(c.failed)} failed or too late.</span>)}
        </p>
      )}
      <ul class="waits">
        {waits.map((w) => <Waiting key={w.what} w={w} />)}
        {stage.approval && !warm && <Waiting w={{ what: `the approval of ${stage.approval.owner}`, done: stage.approval.given }} />}
      </ul>
      {stage.approval && !stage.approval.given && (
        <p class="note">{stage.approval.awaited ? 'Nothing else is missing.' : 'It can be given before the rest is had.'} <code>headgate approve {nameOf(view)} --reason …</code></p>
      )}
      {actions && (
        <ul class="actions">
          {actions.map((a) => (
            <li key={a.name + a.status}>
              <b class={a.status === 'failed' && !a.ignored ? 'over' : undefined}>{a.status}</b> {a.name} <span class="quiet">({a.kind}{a.ignored && ', ignored'}){a.why && ` ${a.why}`}</span>
            </li>
          ))}
        </ul>
      )}
      {spent && <Spent view={view} />}
    </section>
  );
}

// Points shows what the newest iteration of a strict experiment read.
function Points({ view }: { view: View }) {
  const { done, of, next, winner, recommended, failed, readings } = view.iteration!;
  const write = (x: number | null): string => (x === null ? 'no number' : String(Number(x.toPrecision(5))));
  return (
    <>
      <p>
        Iteration <b>{done}</b> of {of}{failed ? <b class="over"> failed: {failed}</b> : done > 0 && (winner ? <>, winner <b>{winner}</b></> : `, no winner: ${recommended} is recommended`)}
        {next && `, the next at ${moment(next, 0)}`}
      </p>
      {readings && (
        <Table
          label="Newest values" head={['metric', 'limit', ...view.versions.map((v) => v.name)]}
          rows={readings.map((r) => [
            <>{r.metric} {r.role && <span class="quiet">{r.role}</span>}</>, r.limit ?? none,
            ...r.values.map((x, i) => (r.satisfied?.[i] === false ? <b class="over">{write(x)}</b> : <>{write(x)}{r.satisfied?.[i] && <span class="quiet"> met</span>}</>)),
          ])}
        />
      )}
    </>
  );
}

function Waiting({ w }: { w: Wait }) {
  const { have = 0, want = 0 } = w;
  const write = (x: number): string => (w.unit === 'seconds' ? duration(x) : w.unit === 'probability' ? x.toFixed(2) : count(Math.floor(x)));
  return (
    <li class={w.done ? 'had' : undefined}>
      <span aria-hidden="true">{w.done ? '✓' : '○'}</span><span class="unseen">{w.done ? 'had: ' : 'awaited: '}</span>
      <span>{w.what}{w.owner && <span class="quiet"> ({w.owner})</span>}</span>
      <span class="quiet">{w.unit ? `${write(have)} of ${write(want)}` : w.until ? `until ${moment(w.until, 86400e3)}` : ''}</span>
      {w.unit && <span class="rail" aria-hidden="true"><span style={{ width: `${100 * Math.min(1, have / want)}%` }} /></span>}
    </li>
  );
}

// Arms shows what a bandit knows, by group where groups have their own shares.
function Arms({ view }: { view: View }) {
  const b = view.bandit!;
  const groups = [...new Set(b.arms.map((a) => a.slice ?? ''))];
  const next = b.next ? `, the next at ${moment(b.next, 0)}` : '';
  return (
    <>
      <p>{b.policy}, <b>{b.mode}</b>{b.why && ` (${b.why})`}, {b.updates} updates{next}</p>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="pattern">
        <table class="arms">
          <thead>
            <tr><th scope="col">arm</th><th scope="col" class="bar" /><th scope="col" class="n">share</th><th scope="col" class="n">P(best)</th><th scope="col" class="n">reward, 95%</th><th scope="col" class="n">units</th></tr>
          </thead>
          {groups.map((g) => (
            <tbody key={g}>
              {g && <tr><th scope="rowgroup" colSpan={6} class="group">{g}</th></tr>}
              {b.arms.filter((a) => (a.slice ?? '') === g).map((a) => <ArmRow key={a.version} a={a} unit={rewardUnit(view)} index={view.versions.findIndex((v) => v.name === a.version)} />)}
            </tbody>
          ))}
        </table>
      </div>
      <p class="note">Adaptively weighted; no error rate is claimed for P(best).</p>
    </>
  );
}

function ArmRow({ a, index, unit }: { a: Arm; index: number; unit?: string }) {
  return (
    <tr class={a.removed ? 'gone' : undefined}>
      <th scope="row"><Swatch index={index} />{a.version}</th>
      <td class="bar">
        <svg class="share" height="16" aria-hidden="true">
          <rect class="rail" x="0" y="4" width="100%" height="8" rx="3" />
          <rect class={`fill v${index}`} x="0" y="4" width={`${100 * a.share}%`} height="8" rx="3" />
        </svg>
      </td>
      <td class="n strong">{percent(a.share)}</td>
      <td class="n">{a.best === undefined ? none : a.best.toFixed(2)}</td>
      <td class="n">{a.reward ? <>{amount(a.reward.value, unit, 1)} <span class="quiet">{between(a.reward, unit, (x, u) => amount(x, u, 1))}</span></> : none}</td>
      <td class="n">{count(a.n)}</td>
    </tr>
  );
}

function Spent({ view }: { view: View }) {
  const { cost, units, elapsedSeconds, budget, over, stages } = view.spent!;
  const of = budget && [
    budget.cost && `cost ${budget.cost.toFixed(2)}`, budget.units && `${count(budget.units)} units`, budget.durationSeconds && duration(budget.durationSeconds),
  ].filter(Boolean).join(', ');
  return (
    <>
      {stages && <Costs stages={stages} now={view.stage.number - 1} />}
      <p class="small quiet">
        Spent: cost {(cost ?? 0).toFixed(2)}, {count(units ?? 0)} units on candidates, {duration(elapsedSeconds)}{of && `; the budget: ${of}, then ${budget!.onExceeded}`}.
        {over && <b class="over"> Exceeded in {over.join(', ')}.</b>}
      </p>
    </>
  );
}

const money = (x: number): string => (x > 0 && x < 0.1 ? x.toPrecision(2) : x.toFixed(2));

// Costs draws what each stage cost, and what it may yet.
function Costs({ stages, now }: { stages: NonNullable<NonNullable<View['spent']>['stages']>; now: number }) {
  const most = Math.max(...stages.map((s) => Math.max(s.cost, s.expected ?? 0))) || 1;
  const width = (x: number): string => `${(100 * x) / most}%`;
  return (
    <Table
      label="Cost" bar={1} head={['cost of stage', '', 'spent', 'expected in all']}
      rows={stages.map((s, i) => [
        <span aria-current={i === now ? 'step' : undefined}>{s.stage}</span>,
        <svg height="10" aria-hidden="true">
          <rect class="rail" width={width(s.expected ?? s.cost)} height="10" rx="3" />
          <rect class="fill v2" width={width(s.cost)} height="10" rx="3" />
        </svg>,
        <b>{money(s.cost)}</b>, s.expected === undefined ? none : money(s.expected),
      ])}
    />
  );
}

// Flips says what would make another decision.
export function Flips({ view }: { view: View }) {
  const { flips, flipsTogether } = view;
  if (!flips?.length) return null;
  const which = flips.length < 2 ? '' : flipsTogether ? ': all of it' : ': any one';
  return (
    <section class="panel" aria-labelledby="flips">
      <h2 id="flips">What would make it otherwise{which}</h2>
      <ul class="flips">{flips.map((f) => <li key={f.text}>{f.text}</li>)}</ul>
    </section>
  );
}
