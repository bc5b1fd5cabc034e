// SPDX-License-Identifier: Apache-2.0

// Words stand beside shapes and colours; grey is undecided.
const looks: Record<string, [shape: string, tone: string]> = {
  better: ['▲', 'good'],
  met: ['✓', 'good'],
  'not worse': ['≈', 'good'],
  worse: ['▼', 'bad'],
  violated: ['✕', 'bad'],
  untrustworthy: ['!', 'warn'],
};

export function toneOf(status: string): string {
  return looks[status]?.[1] ?? 'neutral';
}

// Status is what is believed, in the word of the read model.
export function Status({ status }: { status: string }) {
  return <span class={`status ${toneOf(status)}`}><span aria-hidden="true">{looks[status]?.[0] ?? '○'}</span> {status}</span>;
}

// certainty says when an interval may be looked at.
export function certainty(guarantee: string): string {
  switch (guarantee) {
    case 'any time':
      return 'valid at any time';
    case 'at looks':
    case 'at the horizon':
      return `valid ${guarantee}`;
    default:
      return 'no error rate claimed';
  }
}
