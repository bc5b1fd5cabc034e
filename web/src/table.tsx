// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from 'preact';

// Table is a small table of numbers, which scrolls where it does not fit. The
// first cell of a row heads it; the column bar, if there is one, is drawn.
export const Table = ({ label, head, bar, rows }: { label: string; head: ComponentChildren[]; bar?: number; rows: ComponentChildren[][] }) => (
  <div class="scroll told" tabIndex={0} role="region" aria-label={label}>
    <table class="tell">
      <thead>
        <tr>{head.map((h, i) => <th scope="col" key={i} class={i === bar ? 'bar' : i ? 'n' : ''}>{h}</th>)}</tr>
      </thead>
      <tbody>
        {rows.map((row, k) => (
          <tr key={k}>{row.map((c, i) => (i ? <td key={i} class={i === bar ? 'wide' : 'n'}>{c}</td> : <th scope="row" key={i}>{c}</th>))}</tr>
        ))}
      </tbody>
    </table>
  </div>
);
