// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// send sends a text and gives the report.
func send(t *testing.T, p Poster, format, text string, o Options) (Report, error) {
	t.Helper()
	s, err := openRows(strings.NewReader(text), format, o.Columns, origin{file: "rows"}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return Run(t.Context(), s, p, o)
}

// TestSentTwiceCountsOnce goes through the real ledger: labels by request, and
// outcomes by unit and by token, with keys that are made.
func TestSentTwiceCountsOnce(t *testing.T) {
	const n = 2500
	g := newGate(t, n)
	var b strings.Builder
	b.WriteString("request,unit,token,event,label,value,time\n")
	for i := range n {
		e := g.exposure(i)
		fmt.Fprintf(&b, "r%d,,,truth,%s,,%s\n", i, []string{"cat", "dog"}[i%2], t0.Add(time.Second).Format(time.RFC3339))
		fmt.Fprintf(&b, ",u%d,,purchase,,%d,%s\n", i, i, t0.Add(2*time.Second).Format(time.RFC3339))
		fmt.Fprintf(&b, ",,%s,purchase,,%d,\n", g.key.Seal(&e), i)
	}
	b.WriteString(",nobody,,purchase,,1,\n,u1,,unheard,,1,\n")
	first, err := send(t, g, CSV, b.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Report{Rows: 3*n + 2, Batches: 8, Sent: 3*n + 2, Accepted: 3 * n, Unmatched: 2}, first); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	again, err := send(t, g, CSV, b.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Report{Rows: 3*n + 2, Batches: 8, Sent: 3*n + 2, Duplicates: 3 * n, Unmatched: 2}, again); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	for i, batch := range g.got {
		if len(batch) != 1000 && i%8 != 7 {
			t.Errorf("batch %d has %d outcomes, want 1,000", i, len(batch))
		}
	}
	if g.got[0][0].Request != "r0" || g.got[7][len(g.got[7])-1].Event != "unheard" {
		t.Error("the outcomes did not come in the order of the rows")
	}
}

func TestWhatOnlyTheOtherSideCanTellIsNamedByItsRow(t *testing.T) {
	g := newGate(t, 3)
	soon := t0.Add(10 * time.Minute).Format(time.RFC3339)
	rows := "unit,token,value,time\nu0,,1,\n,forged,1,\nu1,,1," + soon + "\nu2,,1,\n"
	o := Options{Columns: Columns{Event: "purchase"}}
	r, err := send(t, g, CSV, rows, o)
	if err == nil || err.Error() != "line 3, column token: exposure token is not one of ours" || experiment.CodeOf(err) != experiment.CodeInvalid || r.Sent != 0 {
		t.Errorf("report %+v, error %v; want line 3 named, and nothing sent", r, err)
	}
	var skipped []string
	o.Skipped = func(b *BadRow) { skipped = append(skipped, b.Error()) }
	o.SkipBad = 1
	if r, err = send(t, g, CSV, rows, o); err == nil || !strings.HasPrefix(err.Error(), "line 4, column time: ") || r.Skipped != 1 {
		t.Errorf("report %+v, error %v; want line 4 named after line 3 was skipped", r, err)
	}
	o.SkipBad = 2
	r, err = send(t, g, CSV, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Report{Rows: 4, Skipped: 2, Batches: 1, Sent: 2, Accepted: 2}, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(skipped) != 3 || !strings.HasPrefix(skipped[0], "line 3, column token: ") {
		t.Errorf("skipped %q", skipped)
	}
}

func TestABadRowEndsTheSendingUnlessItMayBeSkipped(t *testing.T) {
	g := newGate(t, 3)
	rows := "unit,value\nu0,1\nu1,x\nu2,\nu2,3\n"
	o := Options{Columns: Columns{Event: "purchase"}}
	if r, err := send(t, g, CSV, rows, o); err == nil || err.Error() != `line 3, column value: "x" is not a number` || experiment.CodeOf(err) != experiment.CodeInvalid || r.Sent != 0 {
		t.Errorf("report %+v, error %v", r, err)
	}
	o.SkipBad = 2
	r, err := send(t, g, CSV, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Report{Rows: 4, Skipped: 2, Batches: 1, Sent: 2, Accepted: 2}, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADryRunChecksAllAndSendsNothing(t *testing.T) {
	g := newGate(t, 3)
	o := Options{Columns: Columns{Event: "purchase"}, DryRun: true, Since: NewSince(filepath.Join(t.TempDir(), "since"))}
	r, err := send(t, nil, CSV, "unit,time\nu0,2026-11-01\nu1,2026-11-02\n", o)
	if diff := cmp.Diff(Report{Rows: 2}, r); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if mark, err := o.Since.Read(); mark != "" || err != nil {
		t.Errorf("a dry run remembered %q, %v", mark, err)
	}
	o.Since = nil
	if _, err := send(t, nil, CSV, "unit,time\nu0,2026-11-01\nu1,never\n", o); err == nil || !strings.HasPrefix(err.Error(), "line 3, column time") {
		t.Errorf("a dry run says %v of a bad row", err)
	}
	if len(g.got) != 0 {
		t.Errorf("%d batches were sent", len(g.got))
	}
}

// failing acknowledges batches until it fails.
type failing struct {
	left int
	got  []experiment.UnitOutcome
}

var errDown = experiment.Errorf(experiment.CodeUnavailable, "down")

func (f *failing) Post(_ context.Context, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	if f.left == 0 {
		return experiment.Receipt{}, errDown
	}
	f.left--
	f.got = append(f.got, outcomes...)
	return experiment.Receipt{Accepted: len(outcomes)}, nil
}

// timed are rows whose times, in seconds after midnight, are given.
func timed(n int, second func(i int) int) string {
	var b strings.Builder
	b.WriteString("unit,key,time\n")
	for i := range n {
		fmt.Fprintf(&b, "u%d,%d,%s\n", i, i, time.Date(2026, 11, 1, 0, 0, second(i), 0, time.UTC).Format(time.RFC3339))
	}
	return b.String()
}

// TestSinceIsNeverBehindARowThatWasNotAcknowledged: rows of one time may lie in
// two batches, of which only the first is acknowledged.
func TestSinceIsNeverBehindARowThatWasNotAcknowledged(t *testing.T) {
	for name, tc := range map[string]struct {
		second  func(i int) int
		batches int
		want    string
	}{
		"each row has its time":              {func(i int) int { return i }, 1, "2026-11-01T00:16:39Z"},
		"two batches":                        {func(i int) int { return i }, 2, "2026-11-01T00:33:19Z"},
		"all":                                {func(i int) int { return i }, 3, "2026-11-01T00:41:39Z"},
		"the last time of the batch goes on": {func(i int) int { return i / 7 }, 1, "2026-11-01T00:02:21Z"},
		"all have one time, one batch":       {func(int) int { return 5 }, 1, ""},
		"all have one time, all batches":     {func(int) int { return 5 }, 3, "2026-11-01T00:00:05Z"},
		"none is acknowledged":               {func(i int) int { return i }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			since := NewSince(filepath.Join(t.TempDir(), "since"))
			_, err := send(t, &failing{left: tc.batches}, CSV, timed(2500, tc.second), Options{Columns: Columns{Event: "e"}, Since: since})
			if tc.batches < 3 && !errors.Is(err, errDown) || tc.batches == 3 && err != nil {
				t.Fatal(err)
			}
			if mark, err := since.Read(); mark != tc.want || err != nil {
				t.Errorf("remembered %q, %v; want %q", mark, err, tc.want)
			}
		})
	}
}

func TestSinceWantsRowsInOrder(t *testing.T) {
	since := NewSince(filepath.Join(t.TempDir(), "since"))
	for text, want := range map[string]string{
		"unit,time\nu,2026-11-02\nu,2026-11-01\n": "line 3: its time is before",
		"unit,time\nu,2026-11-02\nu,\n":           "line 3: has no time to remember",
	} {
		_, err := send(t, &failing{left: 1}, CSV, text, Options{Columns: Columns{Event: "e"}, Since: since})
		if err == nil || !strings.HasPrefix(err.Error(), want) || experiment.HintOf(err) == "" {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if mark, err := since.Read(); mark != "" || err != nil {
		t.Errorf("remembered %q, %v", mark, err)
	}
}

func TestSinceFilesThatCannotServeAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "since")
	for text, ok := range map[string]bool{"2026-11-01T00:00:05Z\n": true, "2026-11-01 00:00:05": true, "1793529000\n": true, "": false, "soon": false, "2026-11-01" + strings.Repeat(" ", 200): false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if mark, err := NewSince(path).Read(); (err == nil) != ok || ok && mark != strings.TrimSpace(text) {
			t.Errorf("of %q is read %q, %v", text, mark, err)
		}
	}
	elsewhere := NewSince(filepath.Join(t.TempDir(), "no", "such", "folder"))
	if _, err := send(t, &failing{left: 1}, CSV, timed(1, func(i int) int { return i }), Options{Columns: Columns{Event: "e"}, Since: elsewhere}); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestAnInterruptEndsTheSending(t *testing.T) {
	s, err := openRows(strings.NewReader(timed(2500, func(i int) int { return i })), CSV, Columns{Event: "e"}, origin{file: "rows"}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := &failing{left: 9}
	r, err := Run(ctx, s, p, Options{Columns: Columns{Event: "e"}, Progress: func(Report) { cancel() }})
	if !errors.Is(err, context.Canceled) || r.Sent != 1000 || len(p.got) != 1000 {
		t.Errorf("report %+v, error %v; want the first batch and the interrupt", r, err)
	}
}

// TestBatchesFitTheAPI: rows of the greatest size go in batches below its bound.
func TestBatchesFitTheAPI(t *testing.T) {
	g := newGate(t, 1)
	long := strings.Repeat(`<"`, 128)
	quoted := `"` + strings.ReplaceAll(long, `"`, `""`) + `"`
	var b strings.Builder
	b.WriteString("unit,label,key\n")
	for i := range 1500 {
		fmt.Fprintf(&b, "%s,%s,%q\n", quoted, quoted, fmt.Sprintf("%0256d", i))
	}
	r, err := send(t, g, CSV, b.String(), Options{Columns: Columns{Event: "truth"}})
	if err != nil || r.Sent != 1500 || r.Batches < 4 {
		t.Errorf("report %+v, error %v; want 1,500 rows in several batches", r, err)
	}
}

// endless makes rows as long as it is read.
type endless struct{ rows, made int }

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n+40 < len(p) && e.made < e.rows {
		n += copy(p[n:], fmt.Sprintf("unit-%d,%d\n", e.made, e.made))
		e.made++
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestMemoryIsThatOfABatch: a file of any size is streamed.
func TestMemoryIsThatOfABatch(t *testing.T) {
	const rows = 150_000
	s, err := openRows(io.MultiReader(strings.NewReader("unit,value\n"), &endless{rows: rows}), CSV, Columns{Event: "e"}, origin{file: "rows"}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	r, err := Run(t.Context(), s, drain{}, Options{Columns: Columns{Event: "e"}, Progress: func(r Report) {
		if r.Batches%50 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}})
	if err != nil || r.Sent != rows {
		t.Fatalf("report %+v, error %v", r, err)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("memory grew by %d bytes over %d rows", grown, rows)
	}
}

type drain struct{}

func (drain) Post(_ context.Context, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	return experiment.Receipt{Accepted: len(outcomes)}, nil
}
