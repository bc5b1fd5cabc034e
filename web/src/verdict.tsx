// SPDX-License-Identifier: Apache-2.0

import { count, duration, evidence, percent } from './format';
import type { Health as HealthModel, Notice, View } from './model';

// Green and red are for what is certain.
function tone(v: View): string {
  if (!v.health.ok || v.notices?.some((n) => n.kind === 'override') || v.stage.approval?.awaited) return 'warn';
  switch (v.verdict.outcome) {
    case 'promoted':
    case 'objectives-met':
      return 'good';
    case 'rolled-back':
    case 'objectives-violated':
      return 'bad';
    case undefined:
    case '':
      return v.condition === 'paused' ? 'warn' : 'going';
    default:
      return 'neutral';
  }
}

// Verdict opens the page: the sentence of every other face, to the letter.
export function Verdict({ view }: { view: View }) {
  const { sentence } = view.verdict;
  const cut = sentence.indexOf('  ');
  const head = cut < 0 ? '' : sentence.slice(0, cut);
  const rest = cut < 0 ? sentence : sentence.slice(cut);
  return (
    <section class={`verdict ${tone(view)}`} aria-label="Verdict">
      <p class="sentence" id="verdict"><strong>{head}</strong>{rest}</p>
      <Progress view={view} />
      <Announcement view={view} />
    </section>
  );
}

// Announcement tells a screen reader what is new, but not every new number.
let announced = { key: '', text: '' };
function Announcement({ view }: { view: View }) {
  const v = view.verdict;
  const key = [view.condition, view.stage.number, view.stage.step, v.outcome, view.health.ok, view.decisions.length].join();
  if (key !== announced.key) announced = { key, text: v.sentence };
  return <p class="unseen" role="status" aria-live="polite">{announced.text}</p>;
}

function Progress({ view }: { view: View }) {
  const s = view.stage;
  const steps = s.steps > 1 ? `, step ${s.step} of ${s.steps}` : '';
  return (
    <div class="progress">
      <div class="track" role="progressbar" aria-label="Stage" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(100 * s.progress)}>
        {Array.from({ length: s.of }, (_, i) => {
          const filled = i + 1 < s.number ? 1 : i + 1 === s.number ? s.progress : 0;
          return <span class="stage" key={i}><span class="filled" style={{ width: `${100 * filled}%` }} /></span>;
        })}
      </div>
      <p>
        <span>stage {s.number} of {s.of}: <b>{s.name}</b> ({s.kind}){steps}{s.where && `, requests with ${s.where}`}</span>
        <span>reason <span class="code">{view.verdict.code}</span></span>
        <span class="numbers">{percent(s.progress, 0)} after {duration(s.elapsedSeconds)}, {duration(view.elapsedSeconds)} in all</span>
      </p>
    </div>
  );
}

// Notices are what a reader must know before any number is used.
export function Notices({ notices }: { notices?: Notice[] }) {
  return <>{notices?.map((n) => <p class={`banner ${n.kind === 'override' || n.kind === 'harm' ? 'warn' : 'info'} notice`} key={n.text}>{n.text}</p>)}</>;
}

// Health says whether the numbers below may be used.
export function Health({ health }: { health: HealthModel }) {
  const split = `sample-ratio e-value ${evidence(health.mismatchEValue)}, alarm at 1,000`;
  const gaps = health.incomplete?.map((i) => `${count(i.missing)} of ${count(i.windows)} of ${i.source} (${i.last})`).join(', ');
  const rest = split + (gaps ? ` · windows that are not whole: ${gaps}` : '');
  if (health.ok) {
    return (
      <p class="health" id="health"><span class="status good">evidence ok</span> {rest}</p>
    );
  }
  return (
    <div class="banner warn" id="health" role="alert">
      <b>The evidence cannot be trusted now.</b> Do not use the numbers below; they raise no share and promote nothing.
      <ul>{(health.trouble ?? []).map((t) => <li key={t}>{t}</li>)}</ul>
      <span class="small">{rest}</span>
    </div>
  );
}
