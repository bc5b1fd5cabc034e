// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from 'preact';
import { amount, between, count, duration, none, percent } from './format';
import type { Agreement, Labels, Predicted, View } from './model';
import { Table } from './table';
import { Swatch } from './versions';

const other = '(other)';

// strength names a kappa, on the scale of Landis and Koch (1977).
function strength(kappa: number): string {
  const words = ['slight', 'fair', 'moderate', 'substantial'];
  return kappa < 0 ? 'less than by chance' : `${words[Math.max(0, Math.ceil(5 * kappa - 1e-9) - 1)] ?? 'almost perfect'} agreement`;
}

// Agreements are which classes versions gave to the same requests.
export function Agreements({ view }: { view: View }) {
  if (!view.agreements?.length) return null;
  const baseline = view.versions[0]!.name;
  return (
    <section class="panel" aria-labelledby="agreement">
      <h2 id="agreement">Agreement on the same requests</h2>
      {view.agreements.map((a) => <Matrix key={a.version + a.metric} a={a} baseline={baseline} index={view.versions.findIndex((v) => v.name === a.version)} />)}
    </section>
  );
}

function Matrix({ a, baseline, index }: { a: Agreement; baseline: string; index: number }) {
  const rows = a.counts.map((r) => r.reduce((x, y) => x + y, 0));
  const many = a.classes.length > 5;
  return (
    <div class="agreement">
      <p class="row">
        <b><Swatch index={index} />{a.version} and {baseline}: {a.metric}</b>
        <span>{a.same === undefined ? none : <><b>{percent(a.same)}</b> of {count(a.pairs - (a.lost ?? 0))} pairs the same</>}{a.kappa !== undefined && `, kappa ${a.kappa.toFixed(2)}: ${strength(a.kappa)}`}</span>
      </p>
      <div class="scroll" tabIndex={0} role="region" aria-label="Agreement">
        <table class={`matrix ${many ? 'many' : ''}`}>
          <thead>
            <tr>
              <th scope="col">{baseline} ↓ {a.version} →</th>
              {a.classes.map((c) => <th scope="col" class="n" key={c} title={c}>{c}</th>)}
              <th scope="col" class="n">pairs</th>
            </tr>
          </thead>
          <tbody>
            {a.counts.map((row, i) => (
              <tr key={a.classes[i]}>
                <th scope="row" title={a.classes[i]}>{a.classes[i]}</th>
                {row.map((n, j) => {
                  const share = n / (rows[i] || 1);
                  const same = i === j && a.classes[i] !== other;
                  return (
                    <td key={j} class={`n ${same ? 'same' : ''}`} style={{ '--w': `${n && 8 + 40 * share}%` }} title={`${count(n)}: ${a.classes[i]} → ${a.classes[j]}`}>
                      {n > 0 ? percent(share, many ? 0 : 1) : quiet('·')}
                      {!many && n > 0 && <span class="of">{count(n)}</span>}
                    </td>
                  );
                })}
                <td class="n quiet">{count(rows[i]!)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">Shares are of a row. Framed: the same class.{a.lost ? ` ${count(a.lost)} pairs with rarer classes are not in the table.` : ''}</p>
    </div>
  );
}

// Answers is what the answers of each version say, and how far the truth of
// them is known.
export function Answers({ view }: { view: View }) {
  const p = view.predictions;
  if (!p) return null;
  const any = p.versions.some((v) => v.n || v.scores || v.numbers || v.tokens);
  return (
    <section class="panel" aria-labelledby="answers">
      <h2 id="answers">What the answers say</h2>
      {!any && <p class="empty">No prediction was read yet.</p>}
      {p.versions.some((v) => v.classes) && <Classes versions={p.versions} />}
      {p.versions.some((v) => v.scores) && <Scores versions={p.versions} />}
      {any && <Numbers versions={p.versions} />}
      {p.drifts && <Drifts view={view} />}
      {p.labels && <LabelTable labels={p.labels} view={view} />}
      <Digests versions={p.versions} />
    </section>
  );
}

const versionHeads = (versions: Predicted[]) => versions.map((v, i) => <><Swatch index={i} />{v.version}</>);
const quiet = (x: ComponentChildren) => <span class="quiet">{x}</span>;
// of names a metric of a version.
const of = (view: View, x: { version: string; metric: string }) => <><Swatch index={view.versions.findIndex((v) => v.name === x.version)} />{x.version} {x.metric}</>;

function Classes({ versions }: { versions: Predicted[] }) {
  const names = [...new Set(versions.flatMap((v) => v.classes?.map((c) => c.class) ?? []))].sort((a, b) => +(a === other) - +(b === other));
  const share = (v: Predicted, name: string) => v.classes?.find((c) => c.class === name)?.share;
  // A class that is not listed is rare, or among the others.
  const write = (v: Predicted, name: string) => percent(share(v, name) ?? (share(v, other) || !v.classes ? undefined : 0));
  const most = Math.max(...versions.flatMap((v) => v.classes?.map((c) => c.share) ?? [0])) || 1;
  return (
    <Table
      label="Classes" bar={1} head={['class', '', ...versionHeads(versions)]}
      rows={[
        ...names.map((name) => [
          <span class="cut" title={name}>{name}</span>,
          <svg height={8 * versions.length} aria-hidden="true">
            {versions.map((v, i) => <rect key={i} class={`fill v${i}`} y={8 * i} width={`${(100 * (share(v, name) ?? 0)) / most}%`} height="7" rx="2" />)}
          </svg>,
          ...versions.map((v) => write(v, name)),
        ]),
        [quiet('predictions'), '', ...versions.map((v) => quiet(count(v.n ?? 0)))],
      ]}
    />
  );
}

// Scores draws quantiles on one axis: 5 to 95 %, the middle half, the median.
function Scores({ versions }: { versions: Predicted[] }) {
  const scored = versions.flatMap((v, i) => (v.scores ? [{ ...v.scores, i, name: v.version }] : []));
  const low = Math.min(...scored.map((s) => s.p5));
  const wide = Math.max(...scored.map((s) => s.p95)) - low || 1;
  const at = (x: number): number => 2 + (96 * (x - low)) / wide;
  return (
    <Table
      label="Scores" bar={1} head={['scores', <span class="legend">5 to 95%, middle half, median</span>, '5%', 'median', '95%']}
      rows={scored.map((s) => [
        <><Swatch index={s.i} />{s.name}</>,
        <svg class={`box v${s.i}`} height="18" aria-hidden="true">
          <line x1={`${at(s.p5)}%`} x2={`${at(s.p95)}%`} y1="9" y2="9" />
          <rect x={`${at(s.p25)}%`} width={`${at(s.p75) - at(s.p25)}%`} y="3" height="12" rx="2" />
          <line class="median" x1={`${at(s.p50)}%`} x2={`${at(s.p50)}%`} y1="1" y2="17" />
        </svg>,
        ...[s.p5, s.p50, s.p95].map((x) => amount(x, 'number')),
      ])}
    />
  );
}

function Numbers({ versions }: { versions: Predicted[] }) {
  const names = [...new Set(versions.flatMap((v) => v.numbers?.map((n) => n.metric) ?? []))];
  const rows = names.map((name) => [
    name,
    ...versions.map((v) => {
      const x = v.numbers?.find((n) => n.metric === name);
      return <span title={x && `${between(x, x.unit)}, 95% at one look, of ${count(x.n)}`}>{amount(x?.value, x?.unit)}</span>;
    }),
  ]);
  if (versions.some((v) => v.tokens)) rows.push(['tokens in all', ...versions.map((v) => <>{count(Math.round(v.tokens ?? 0))}</>)]);
  return rows.length ? <Table label="Numbers" head={['in answers', ...versionHeads(versions)]} rows={rows} /> : null;
}

function Drifts({ view }: { view: View }) {
  return (
    <Table
      label="Drift" head={[`drift from ${view.versions[0]!.name}`, 'of', 'value', 'interval']}
      rows={view.predictions!.drifts!.map((d) => [
        of(view, d), quiet(`${d.of}, ${d.by.toUpperCase()}`),
        <b title={`${count(d.n)} predictions, ${count(d.nBaseline)} of the baseline`}>{amount(d.value, 'number')}</b>, quiet(between(d.interval, 'number')),
      ])}
    />
  );
}

// LabelTable says how good predictions were, of those whose truth is known.
function LabelTable({ labels, view }: { labels: Labels[]; view: View }) {
  const through = labels.find((l) => l.through)?.through;
  return (
    <>
      <Table
        label="Labels" head={['truth that came late', 'value', '95%, one look', 'matured', 'labelled']}
        rows={labels.map((l) => [
          of(view, l), <b>{amount(l.value?.value, l.unit)}</b>, quiet(between(l.value, l.unit)), count(l.matured),
          <><span class={(l.joined ?? 1) < (l.floor ?? 0) ? 'over' : ''}>{percent(l.joined)}</span>{l.floor && quiet(` of ${percent(l.floor, 0)} wanted`)}</>,
        ])}
      />
      {through && <p class="note">Known of predictions up to {duration((Date.parse(view.at) - Date.parse(through)) / 1000)} ago.</p>}
    </>
  );
}

// Digests are what versions say that they are made of.
function Digests({ versions }: { versions: Predicted[] }) {
  return (
    <>
      {versions.map((v, i) => v.digests?.map((d) => (
        <p class="remark" key={v.version + d.header}>
          <Swatch index={i} /><b>{v.version}</b> says of itself: {d.header} {d.values.map((x) => <span key={x.value}><code>{x.value}</code> {quiet(`(${count(x.n)}) `)}</span>)}
          {d.absent && quiet(`none (${count(d.absent)}) `)}
          {d.mixed && <span class="status warn">! a mix</span>}
        </p>
      )))}
    </>
  );
}
