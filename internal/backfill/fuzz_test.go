// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// FuzzRows: whatever a file holds, reading it ends, and what comes out is what the
// API takes: valid, with a key, and below the size that was estimated.
func FuzzRows(f *testing.F) {
	f.Add(uint8(0), "unit,value,time\nu,1,2026-11-01T10:00:00Z\n\"a\nb\",2,\n")
	f.Add(uint8(1), "request\tlabel\tkey\nr\tcat\tk\n")
	f.Add(uint8(2), "{\"token\":\"t\",\"value\":1e5,\"time\":\"2026-11-01\"}\n{\"unit\":7,\"label\":true}\n")
	f.Add(uint8(2), "{\"unit\":\"\\ud800\",\"label\":[{}]}\n\xff\n{}{}\n")
	f.Add(uint8(0), "\ufeffunit,unit\n\"")
	f.Fuzz(func(t *testing.T, format uint8, text string) {
		kind := []string{CSV, TSV, NDJSON}[format%3]
		rows, bad, _ := read(t, kind, text, Columns{Event: "e"})
		if n := strings.Count(text, "\n") + 1; len(rows)+len(bad) > n {
			t.Fatalf("%d rows and %d bad ones of %d lines", len(rows), len(bad), n)
		}
		for _, row := range rows {
			o := row.Outcome
			if err := experiment.CheckOutcomes([]experiment.UnitOutcome{o}); err != nil {
				t.Errorf("%s: %v", row.Where, err)
			}
			if o.Key == "" || row.Where == "" || (row.Mark == "") != o.At.IsZero() {
				t.Errorf("row %+v", row)
			}
			for _, s := range []string{o.Token, o.Unit, o.Request, o.Event, o.Label, o.Key} {
				if !utf8.ValidString(s) {
					t.Errorf("%s: %q is not UTF-8", row.Where, s)
				}
			}
			if body, err := o.At.MarshalJSON(); err != nil {
				t.Errorf("%s: time %s: %v", row.Where, body, err)
			}
		}
	})
}
