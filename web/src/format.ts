// SPDX-License-Identifier: Apache-2.0

// How numbers are written, as in the terminal: a dash where nothing is known.

const known = (x: number | undefined): x is number => x !== undefined && Number.isFinite(x);

const minus = (text: string): string => text.replace('-', '\u2212');

export const none = '\u2013';

export function percent(x: number | undefined, digits = 1): string {
  return known(x) ? `${minus((100 * x).toFixed(digits))}%` : none;
}

export function points(x: number | undefined, digits = 1): string {
  if (!known(x)) return none;
  const text = (100 * x).toFixed(digits);
  return minus(Number(text) > 0 ? `+${text}` : text);
}

// plain writes a number with four digits that mean something.
const plain = (x: number): string => {
  const size = Math.abs(x);
  return minus(size >= 1000 && size < 1e9 ? String(Math.round(x)) : String(Number(x.toPrecision(4))));
};

const words: Record<string, string> = { bytes: ' bytes', seconds: ' s' };

// amount writes a value in its unit; a fraction, which has none, in percent.
export function amount(x: number | undefined, unit?: string, digits = 2): string {
  if (!unit || !known(x)) return percent(x, digits);
  return plain(x) + (words[unit] ?? '');
}

// change writes a difference with its sign.
export function change(x: number | undefined, unit?: string): string {
  if (!unit || !known(x)) return points(x);
  return (x > 0 ? '+' : '') + plain(x) + (words[unit] ?? '');
}

// between writes an interval, the unit once.
export function between(i: { low: number; high: number } | undefined, unit?: string, write = amount): string {
  if (!i) return none;
  return `${write(i.low, unit && 'number')} to ${write(i.high, unit)}`;
}

export function count(x: number): string {
  return x.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

export function latency(x: number | undefined): string {
  if (!known(x)) return none;
  if (x < 0.01) return `${(1000 * x).toFixed(1)} ms`;
  return x < 1 ? `${(1000 * x).toFixed(0)} ms` : `${x.toFixed(2)} s`;
}

// duration writes seconds as people say them: 42 s, 2 m 45 s, 3 h 5 m, 2 d 4 h.
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function clock(time: string | number): string {
  return new Date(time).toLocaleTimeString('en-GB');
}

// moment adds the day where the span is longer than one.
export function moment(time: string | number, spanMs: number): string {
  if (spanMs < 86400e3) return clock(time);
  return new Date(time).toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
}

export function evidence(e: number): string {
  if (e >= 1e6) return e.toExponential(0).replace('e+', 'e');
  return e >= 100 ? count(Math.round(e)) : e.toPrecision(2);
}

// niceAbove is the least 1, 2 or 5 times a power of ten that is not below x,
// so that an axis stays where it is while numbers move.
export function niceAbove(x: number): number {
  const power = 10 ** Math.floor(Math.log10(x));
  for (const m of [1, 2, 5, 10]) {
    if (m * power >= x * (1 - 1e-9)) return m * power;
  }
  return 10 * power;
}
