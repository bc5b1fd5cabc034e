// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestKeysMoveToTheirTable sends so many keys that the log is cut several times,
// with restarts between: each key is known, wherever it is by then, until it
// expires.
func TestKeysMoveToTheirTable(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		path := where(t)
		c := &clock{now: t0}
		const limit = 2000
		start := func() *Ledger {
			l := open(t, path, Options{Now: c.Now})
			err := l.do(t.Context(), &job{solo: true, run: func(w *writer) error { w.keys.limit = limit; return nil }})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := start()
		l.Expose(exposure("a", 0, t0), 0)
		const size, batches = 100, 120
		batch := func(n int) []experiment.UnitOutcome {
			out := make([]experiment.UnitOutcome, size)
			for i := range out {
				out[i] = experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1, Key: fmt.Sprint(n, "/", i)}
			}
			return out
		}
		for n := range batches {
			wantReceipt(t, mustRecord(t, l, batch(n)...), experiment.Receipt{Accepted: size})
			if n%37 == 30 {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = start()
			}
		}
		logged := query(t, l, `SELECT sum(length(hashes)) / 16 FROM key_log`)
		table := query(t, l, `SELECT count(*) FROM keys`)
		total := int64(batches * size)
		if table == 0 || logged+table < total || logged > 4*limit {
			t.Errorf("%d keys are in the log and %d in the table, of %d", logged, table, total)
		}
		again := func(want experiment.Receipt) {
			t.Helper()
			for n := 0; n < batches; n += 17 {
				wantReceipt(t, mustRecord(t, l, batch(n)...), want)
			}
		}
		again(experiment.Receipt{Duplicates: size})
		c.set(t0.Add(24*time.Hour + 5*time.Minute))
		again(experiment.Receipt{Accepted: size})
		again(experiment.Receipt{Duplicates: size})
	})
}
