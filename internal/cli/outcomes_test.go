// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/headgate-dev/headgate/internal/backfill"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	"github.com/headgate-dev/headgate/internal/ledger"
)

// TestOutcomesScripts runs testdata/script-outcomes, before the real API.
func TestOutcomesScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script-outcomes",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"api":    headgateAPI,
			"sqlite": sqliteFile,
		},
		RequireExplicitExec: true,
	})
}

// headgateAPI NAME starts a ledger behind the API of outcomes and puts its address
// into $NAME. It wants the token in the file token, and every third call finds it
// down. It knows the predictions of the requests r0 to r2999 and the units u0 to
// u2999, a minute ago.
func headgateAPI(ts *testscript.TestScript, _ bool, args []string) {
	key, err := experiment.NewKey(bytes.Repeat([]byte{7}, experiment.KeySize))
	ts.Check(err)
	l, err := ledger.Open(context.Background(), ts.MkAbs("ledger.db"), ledger.Options{Key: key})
	ts.Check(err)
	ts.Defer(func() { ts.Check(l.Close()) })
	ts.Check(l.Register(&experiment.Plan{
		Namespace: "ml", Name: "fraud",
		Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{
			{Name: "revenue", Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: time.Hour}},
			{Name: "right", Labels: &experiment.LabelsMetric{Event: "fraud", Of: experiment.Accuracy, Window: time.Hour}},
		},
		Window: time.Hour, Lag: time.Second, Retention: experiment.Retention{For: 24 * time.Hour, Rows: 1 << 20},
	}))
	at := time.Now().Add(-time.Minute)
	for i := range 3000 {
		e := experiment.Exposure{Experiment: "ml/fraud", Epoch: 1, Phase: 1, Version: i % 2, Propensity: 5000, Unit: key.HashUnit(fmt.Sprint("u", i)), At: at}
		if !l.Expose(e, 0) || !l.Predict(&experiment.Prediction{Exposure: e, Class: "yes", Request: key.HashUnit(fmt.Sprint("r", i))}) {
			ts.Fatalf("the prediction of r%d was dropped", i)
		}
	}
	api := httpapi.Bearer("0123456789abcdef", httpapi.Outcomes(l, func() []string { return []string{"ml/fraud"} }))
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%3 == 0 {
			httpapi.WriteError(w, experiment.Errorf(experiment.CodeUnavailable, "the ledger is down"))
			return
		}
		api.ServeHTTP(w, r)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// sqliteFile FILE STATEMENTS makes an SQLite database, or changes it.
func sqliteFile(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.ExecContext(context.Background(), ts.ReadFile(args[1]))
	ts.Check(errors.Join(err, db.Close()))
}

func TestOutcomesTextSaysHowItEnded(t *testing.T) {
	r := backfill.Report{Rows: 12345, Skipped: 1, Batches: 1, Sent: 1000, Accepted: 990, Duplicates: 4, Late: 3, Unmatched: 3, Since: "2026-11-01"}
	want := `Rows       PARTIAL: 12,345 of labels.csv in 1.50s, 1 skipped as bad
Sent       1,000 in 1 batch
Accepted   990
Duplicate  4   known by their keys, or labelled before
Late       3   their windows are sealed
Unmatched  3   no exposure, prediction or metric for them
Since      2026-11-01   remembered for the next time
`
	if got := outcomesText(r, "labels.csv", false, true, 1500*time.Millisecond); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestOutcomesProgressIsToldInTime: without a terminal a line every ten seconds.
func TestOutcomesProgressIsToldInTime(t *testing.T) {
	var b bytes.Buffer
	p := newOutcomesProgress(IO{Err: &b}, time.Now())
	p.show(backfill.Report{Rows: 1000})
	if b.Len() > 0 {
		t.Errorf("at once it says %q", b.String())
	}
	p.told = p.told.Add(-progressEvery)
	p.show(backfill.Report{Rows: 2000, Accepted: 1999, Unmatched: 1})
	p.show(backfill.Report{Rows: 3000})
	if got := b.String(); !bytes.HasPrefix([]byte(got), []byte("2,000 rows, 1,999 accepted, 0 duplicate, 1 unmatched, ")) || bytes.Count([]byte(got), []byte("\n")) != 1 {
		t.Errorf("later it says %q", got)
	}
}

func TestAtFileReadsWhatIsNamed(t *testing.T) {
	path := t.TempDir() + "/query"
	if err := os.WriteFile(path, []byte("SELECT 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"SELECT 2": "SELECT 2", "@" + path: "SELECT 1"} {
		if got, err := atFile("--query", in); got != want || err != nil {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}
