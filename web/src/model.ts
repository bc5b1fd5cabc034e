// SPDX-License-Identifier: Apache-2.0

// The read model as the server writes it (internal/view). What is not known is
// absent, never zero.

export interface View {
  name: string;
  namespace?: string;
  plan: string;
  owner?: string;
  hypothesis?: string;
  method?: string;
  at: string;
  elapsedSeconds: number;
  condition: string;
  stage: Stage;
  verdict: Verdict;
  health: Health;
  notices?: Notice[];
  versions: Version[];
  findings?: Finding[];
  mirror?: Mirror;
  bandit?: Bandit;
  warm?: Warm;
  spent?: Spent;
  strict?: boolean;
  iteration?: Iteration;
  actions?: Action[];
  agreements?: Agreement[];
  predictions?: Predictions;
  flips?: { text: string }[];
  flipsTogether?: boolean;
  decisions: Decision[];
}

export interface Iteration {
  done: number;
  of: number;
  everySeconds: number;
  next?: string;
  winner?: string;
  recommended: string;
  failed?: string;
  readings?: PointRow[];
}

// PointRow has a value, null where there is no number, for each version.
export interface PointRow {
  metric: string;
  role?: string;
  limit?: string;
  values: (number | null)[];
  satisfied?: boolean[];
}

export interface Action {
  name: string;
  kind: string;
  status: string;
  why?: string;
  ignored?: boolean;
}

export interface Stage {
  name: string;
  kind: string;
  number: number;
  of: number;
  step: number;
  steps: number;
  progress: number;
  elapsedSeconds: number;
  where?: string;
  waits?: Wait[];
  approval?: { owner: string; given: boolean; awaited: boolean };
}

export interface Wait {
  what: string;
  have?: number;
  want?: number;
  unit?: string;
  done: boolean;
  owner?: string;
  // until is when it is over, of what keeps a version warm.
  until?: string;
}

export interface Notice {
  kind: string;
  text: string;
}

export interface Estimate {
  value: number;
  low: number;
  high: number;
}

export interface Arm {
  version: string;
  slice?: string;
  share: number;
  n: number;
  pending?: number;
  reward?: Estimate;
  best?: number;
  removed?: boolean;
}

export interface Bandit {
  policy: string;
  mode: string;
  why?: string;
  updates: number;
  next?: string;
  per?: string;
  arms: Arm[];
}

export interface Mirror {
  share: number;
  pairs: number;
  want?: number;
  copies: { version: string; sent: number; failed: number }[];
  cost?: number;
  costCap?: number;
}

export interface Warm {
  winner: string;
  baseline: string;
  waits: Wait[];
  then: string;
}

export interface Spent {
  cost?: number;
  units?: number;
  elapsedSeconds: number;
  budget?: { cost?: number; units?: number; durationSeconds?: number; onExceeded: string };
  over?: string[];
  stages?: { stage: string; cost: number; expected?: number }[];
}

// Agreement has a row for each class of the baseline, a column for each of the
// candidate's.
export interface Agreement {
  version: string;
  metric: string;
  classes: string[];
  counts: number[][];
  pairs: number;
  lost?: number;
  same?: number;
  kappa?: number;
}

export interface Scores {
  n: number;
  p5: number;
  p25: number;
  p50: number;
  p75: number;
  p95: number;
}

export interface Predicted {
  version: string;
  n?: number;
  classes?: { class: string; n: number; share: number }[];
  scores?: Scores;
  numbers?: (Estimate & { metric: string; unit?: string; n: number })[];
  tokens?: number;
  digests?: { header: string; values: { value: string; n: number }[]; absent?: number; mixed?: boolean }[];
}

export interface Labels {
  metric: string;
  version: string;
  of: string;
  matured: number;
  joined?: number;
  floor?: number;
  value?: Estimate;
  unit?: string;
  through?: string;
}

export interface Predictions {
  versions: Predicted[];
  drifts?: { version: string; metric: string; of: string; by: string; value: number; interval: { low: number; high: number }; level: number; n: number; nBaseline: number }[];
  labels?: Labels[];
}

export interface Verdict {
  outcome?: string;
  version?: string;
  sentence: string;
  code: string;
  reasons: string[];
}

export interface Health {
  ok: boolean;
  trouble?: string[];
  incomplete?: { source: string; missing: number; windows: number; last: string }[];
  mismatchEValue: number;
}

export interface Version {
  name: string;
  role: string;
  share: number;
  seen?: number;
  units: number;
  requests: number;
  errorRate?: number;
  p50Seconds?: number;
  p95Seconds?: number;
  p99Seconds?: number;
  reward?: Estimate;
  parts?: { name: string; value: string }[];
  differs?: string[];
  removed?: { at: string; code: string; why: string };
}

export interface Finding {
  version: string;
  role: string;
  metric: string;
  slice?: string;
  owner?: string;
  question: string;
  status: string;
  estimate?: number;
  interval?: { low: number; high: number };
  level?: number;
  limit?: number;
  guarantee: string;
  // unit is bytes, seconds or number; fractions, read as percent, have none.
  unit?: string;
  basis: string;
  n: number;
  need?: number;
  hidden?: boolean;
}

export interface Decision {
  at: string;
  act: string;
  from: string;
  to: string;
  groups?: { slice: string; shares: string }[];
  code: string;
  reasons: string[];
}

type Row = [number | null, number | null, number | null, number | null];

// Tick is what moves between two views; see internal/httpapi/stream.go.
export interface Tick {
  at: number;
  elapsed: number;
  stage: number;
  progress: number;
  versions: Row[];
  comparisons?: Row[];
  sentence?: string;
}

export const nameOf = (v: View): string => (v.namespace ? `${v.namespace}/` : '') + v.name;
// isObjective are the findings that no tick moves.
const isObjective = (f: Finding): boolean => f.role === 'objective';
// isLimit says that a metric is held against an absolute limit.
export const isLimit = (f: Finding): boolean => isObjective(f) || f.role === 'gate';
export const isRemoved = (v: View, version: string): boolean => v.versions.some((x) => x.name === version && x.removed);
// rewardUnit is what the reward's values are in.
export const rewardUnit = (v: View): string | undefined => v.findings?.find((f) => f.role === 'reward')?.unit;
// isDone says that nothing more will come.
export const isDone = (v: View): boolean => v.condition === 'done';

// withTick is the view after a tick. A tick never changes structure, so rows
// fit by position.
export function withTick(v: View, t: Tick): View {
  let next = 0;
  return {
    ...v,
    at: new Date(t.at).toISOString(),
    elapsedSeconds: t.elapsed,
    stage: { ...v.stage, progress: t.progress, elapsedSeconds: t.stage },
    verdict: t.sentence === undefined ? v.verdict : { ...v.verdict, sentence: t.sentence },
    versions: v.versions.map((x, i) => {
      const [share, seen, units, requests] = t.versions[i] ?? [null, null, null, null];
      return { ...x, share: share ?? x.share, seen: seen ?? undefined, units: units ?? x.units, requests: requests ?? x.requests };
    }),
    findings: v.findings?.map((f) => {
      if (isObjective(f)) return f;
      const row = t.comparisons?.[next++];
      if (!row) return f;
      const [estimate, low, high, n] = row;
      return {
        ...f,
        estimate: estimate ?? undefined,
        interval: low !== null && high !== null ? { low, high } : undefined,
        n: n ?? f.n,
      };
    }),
  };
}
