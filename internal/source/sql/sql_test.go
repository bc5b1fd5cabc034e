// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is one database with the same rows in both kinds: what units did, in
// three windows of a minute.
type world struct {
	name string
	// at writes a moment as the table keeps it; it is compared to :from and :to.
	at   func(time.Time) string
	open func(t *testing.T, statements ...string) *Source
}

func worlds() []world {
	return []world{
		{"sqlite", func(t time.Time) string { return fmt.Sprint(unix(t)) }, openFile},
		{"postgres", func(t time.Time) string { return "'" + t.Format(time.RFC3339Nano) + "'" }, openServer},
	}
}

func openFile(t *testing.T, statements ...string) *Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w?#.db") // A path is a path, whatever it holds.
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", "#", "%23").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(s, "MOMENT", "REAL")); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return source(t, Options{Provider: experiment.SQLProvider{SQLite: path, Timeout: 20 * time.Second, Delay: time.Minute}})
}

func openServer(t *testing.T, statements ...string) *Source {
	t.Helper()
	url := server.Database(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), strings.ReplaceAll(s, "MOMENT", "timestamptz")); err != nil {
			t.Fatal(err)
		}
	}
	return source(t, Options{
		Provider: experiment.SQLProvider{Postgres: &experiment.Secret{Env: "URL"}, Timeout: 20 * time.Second, Delay: time.Minute}, Secrets: urlIs(url),
	})
}

func urlIs(url string) func(context.Context, experiment.Secret) (string, error) {
	return func(context.Context, experiment.Secret) (string, error) { return url + "\n", nil }
}

func source(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rowsOf are units' doings: two of each version in the first window, an odd one in
// the second, none in the third.
func rowsOf(w world) []string {
	out := []string{`CREATE TABLE did (version text, unit text, at MOMENT, spent double precision, visits integer)`}
	for _, r := range []struct {
		version, unit string
		at            time.Duration
		spent         string
		visits        int
	}{
		{"v1", "a", 0, "2", 1},
		{"v1", "b", time.Minute - time.Millisecond, "4", 3},
		{"v2", "c", 10 * time.Second, "1", 2},
		{"v2", "d", 20 * time.Second, "3", 2},
		{"gone", "e", 30 * time.Second, "100", 1},
		{"v1", "f", time.Minute, "6", 2},
		{"v2", "g", 90 * time.Second, "NULL", 2},
		{"v2", "h", 91 * time.Second, "3", 2},
		{"v1", "i", -time.Second, "1000", 1}, // Before the phase.
	} {
		out = append(out, fmt.Sprintf(`INSERT INTO did VALUES ('%s', '%s', %s, %s, %d)`, r.version, r.unit, w.at(began.Add(r.at)), r.spent, r.visits))
	}
	return out
}

// planOf has one metric, m, of a provider called p.
func planOf(query string, form experiment.SQLForm) *experiment.Plan {
	return &experiment.Plan{
		Name: "e", Window: time.Minute, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{{Name: "m", Provider: &experiment.ProviderMetric{Provider: "p", SQL: &experiment.SQLQuery{Query: query, Form: form}}}},
	}
}

func metricsOf(t *testing.T, s *Source, p *experiment.Plan) *Plan {
	t.Helper()
	r, err := s.Metrics(p, "p")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wanted() engine.Wanted {
	totals := &experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Start: began, Shares: experiment.Shares{5000, 5000}}}}
	return engine.Wanted{Source: experiment.SourceMetrics, Totals: totals, Phase: &totals.Phases[0]}
}

// pairOf is what stats makes of units one by one.
func pairOf(units ...[2]float64) stats.Pair {
	var p stats.Pair
	for _, u := range units {
		p.Add(u[0], u[1])
	}
	return p
}

const inWindow = ` FROM did WHERE at >= :from AND at < :to`

// evidence is by "window/version".
type evidence = map[string]experiment.Evidence

// reading is a query and what comes of it, window by window; points are of the
// first two together.
type reading struct {
	query  string
	form   experiment.SQLForm
	want   evidence
	gaps   []experiment.Gap
	points []any
}

// mistake is a query with something wrong, and what is said of it.
type mistake struct {
	query string
	form  experiment.SQLForm
	says  string
	hint  string
}

// inEveryWorld runs every case with a database of each kind.
func inEveryWorld[T any](t *testing.T, cases map[string]T, check func(*testing.T, *Source, T)) {
	t.Helper()
	for _, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			s := w.open(t, rowsOf(w)...)
			for name, c := range cases {
				t.Run(name, func(t *testing.T) { check(t, s, c) })
			}
		})
	}
}

// TestRowsBecomeEvidenceByForm reads three windows of the same rows in every form,
// from real databases of both kinds.
func TestRowsBecomeEvidenceByForm(t *testing.T) {
	units := func(n int64, p stats.Pair) experiment.Evidence {
		return experiment.Evidence{Counts: stats.Counts{N: n}, Units: p}
	}
	cases := map[string]reading{
		"units": {
			`SELECT version, unit, spent AS value` + inWindow, experiment.SQLUnits,
			evidence{"0/0": units(2, pairOf([2]float64{2, 1}, [2]float64{4, 1})), "0/1": units(2, pairOf([2]float64{1, 1}, [2]float64{3, 1})), "1/0": units(1, pairOf([2]float64{6, 1}))},
			[]experiment.Gap{{From: 1, To: 2, Why: "m of v2 has no number in 1 of 2 rows"}},
			[]any{4., nil},
		},
		"units with a denominator": {
			`SELECT unit, version AS "Version", visits AS weight, coalesce(spent, 0) AS value` + inWindow, experiment.SQLUnits,
			evidence{
				"0/0": units(2, pairOf([2]float64{2, 1}, [2]float64{4, 3})), "0/1": units(2, pairOf([2]float64{1, 2}, [2]float64{3, 2})),
				"1/0": units(1, pairOf([2]float64{6, 2})), "1/1": units(2, pairOf([2]float64{0, 2}, [2]float64{3, 2})),
			},
			nil,
			[]any{2., 7. / 8},
		},
		"moments": {
			`SELECT version, count(spent) AS n, sum(spent) AS sum, sum(spent * spent) AS squares` + inWindow + ` GROUP BY version`, experiment.SQLMoments,
			evidence{
				"0/0": units(2, stats.Pair{N: 2, MeanY: 3, MeanX: 1, M2Y: 2}), "0/1": units(2, stats.Pair{N: 2, MeanY: 2, MeanX: 1, M2Y: 2}),
				"1/0": units(1, stats.Pair{N: 1, MeanY: 6, MeanX: 1}), "1/1": units(1, stats.Pair{N: 1, MeanY: 3, MeanX: 1}),
			},
			nil,
			[]any{4., 7. / 3},
		},
		"moments of nothing": {
			`SELECT version, count(spent) AS n, sum(spent) AS sum, sum(spent * spent) AS squares FROM (SELECT version, CASE WHEN version = 'v1' THEN spent END AS spent` + inWindow + `) x GROUP BY version`,
			experiment.SQLMoments,
			evidence{"0/0": units(2, stats.Pair{N: 2, MeanY: 3, MeanX: 1, M2Y: 2}), "1/0": units(1, stats.Pair{N: 1, MeanY: 6, MeanX: 1})},
			nil,
			[]any{4., nil},
		},
		"counts": {
			`SELECT version, sum(CASE WHEN spent > 2 THEN 1 ELSE 0 END) AS events, count(*) AS total` + inWindow + ` GROUP BY version`, experiment.SQLCounts,
			evidence{
				"0/0": {Counts: stats.Counts{N: 2, X: 1}}, "0/1": {Counts: stats.Counts{N: 2, X: 1}},
				"1/0": {Counts: stats.Counts{N: 1, X: 1}}, "1/1": {Counts: stats.Counts{N: 2, X: 1}},
			},
			nil,
			[]any{2. / 3, .5},
		},
		"value": {
			`SELECT version, max(spent) AS value` + inWindow + ` GROUP BY version`, experiment.SQLValue,
			evidence{
				"0/0": experiment.WindowEvidence(4, 1), "0/1": experiment.WindowEvidence(3, 1),
				"1/0": experiment.WindowEvidence(6, 1), "1/1": experiment.WindowEvidence(3, 1),
			},
			[]experiment.Gap{{From: 2, To: 3, Why: "m of v1 has no row"}},
			[]any{6., 3.},
		},
		"a truth": {
			`SELECT version, max(spent) > 5 AS value` + inWindow + ` GROUP BY version`, experiment.SQLValue,
			evidence{
				"0/0": experiment.WindowEvidence(0, 1), "0/1": experiment.WindowEvidence(0, 1),
				"1/0": experiment.WindowEvidence(1, 1), "1/1": experiment.WindowEvidence(0, 1),
			},
			[]experiment.Gap{{From: 2, To: 3, Why: "m of v1 has no row"}},
			[]any{1., 0.},
		},
		"a text is no number": {
			`SELECT version, '7' AS value` + inWindow + ` GROUP BY version`, experiment.SQLValue,
			evidence{},
			[]experiment.Gap{{From: 0, To: 2, Why: "m of v1 has no number in a column"}, {From: 2, To: 3, Why: "m of v1 has no row"}},
			[]any{nil, nil},
		},
	}
	inEveryWorld(t, cases, func(t *testing.T, s *Source, tc reading) {
		r := metricsOf(t, s, planOf(tc.query, tc.form))
		seal, err := r.Seal(t.Context(), wanted(), began.Add(4*time.Minute))
		if err != nil || seal.From != 0 || seal.To != 3 {
			t.Fatalf("%+v, %v", seal, err)
		}
		got := evidence{}
		for _, c := range seal.Cells {
			got[fmt.Sprintf("%d/%d", c.Window, c.Version)] = c.Evidence
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(tc.gaps, seal.Gaps); diff != "" {
			t.Error(diff)
		}
		for v, p := range r.Points(t.Context(), experiment.Moment{Now: began.Add(2 * time.Minute), Elapsed: 120}) {
			var value any
			if p.Value != nil {
				value = *p.Value
			}
			if p.Failed != "" || p.Metric != "m" || p.Version != v || value != tc.points[v] {
				t.Errorf("%+v is %v, want %v", p, value, tc.points[v])
			}
		}
	})
}

// TestWhatAQueryGivesIsChecked is what a person must mend.
func TestWhatAQueryGivesIsChecked(t *testing.T) {
	cases := map[string]mistake{
		"a missing column":       {`SELECT version, spent` + inWindow, experiment.SQLValue, `unknown column "spent"`, "version, value"},
		"one column too few":     {`SELECT version, count(*) AS total` + inWindow + ` GROUP BY version`, experiment.SQLCounts, `lacks the column "events"`, "events, total"},
		"a column twice":         {`SELECT version, version, spent AS value` + inWindow, experiment.SQLValue, `twice the column "version"`, ""},
		"two rows of a version":  {`SELECT version, spent AS value` + inWindow, experiment.SQLValue, "two rows of version v", "GROUP BY"},
		"two rows of a unit":     {`SELECT version, 'x' AS unit, spent AS value` + inWindow, experiment.SQLUnits, "two rows of one unit of version v", "GROUP BY"},
		"a unit that is nothing": {`SELECT version, NULL AS unit, spent AS value` + inWindow, experiment.SQLUnits, "without a unit", ""},
		"other versions alone":   {`SELECT 'x' || unit AS version, spent AS value` + inWindow, experiment.SQLValue, "none of the query's 5 rows is of a version of the plan", "name"},
		"bad SQL":                {`SELECT version, FROM WHERE :from < :to`, experiment.SQLValue, "syntax error", ""},
		"no such table":          {`SELECT version, value FROM nothing WHERE :from < :to`, experiment.SQLValue, "nothing", ""},
		"something that writes":  {`DELETE FROM did WHERE at >= :from AND at < :to RETURNING version, spent AS value`, experiment.SQLValue, "", ""},
	}
	inEveryWorld(t, cases, func(t *testing.T, s *Source, tc mistake) {
		r := metricsOf(t, s, planOf(tc.query, tc.form))
		seal, err := r.Seal(t.Context(), wanted(), began.Add(4*time.Minute))
		if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "metric m: ") || !strings.Contains(err.Error(), tc.says) || !strings.Contains(experiment.HintOf(err), tc.hint) || seal.To != 0 {
			t.Errorf("%+v, %s: %v (%s)", seal, experiment.CodeOf(err), err, experiment.HintOf(err))
		}
		for _, p := range r.Points(t.Context(), experiment.Moment{Now: began.Add(time.Minute), Elapsed: 60}) {
			if p.Value != nil || !strings.Contains(p.Failed, tc.says) {
				t.Errorf("%+v", p)
			}
		}
		// Nothing was written.
		check := metricsOf(t, s, planOf(`SELECT version, count(*) AS value`+inWindow+` GROUP BY version`, experiment.SQLValue))
		if p := check.Points(t.Context(), experiment.Moment{Now: began.Add(2 * time.Minute), Elapsed: 120}); p[0].Value == nil || *p[0].Value != 3 {
			t.Errorf("%+v", p)
		}
	})
}

// TestAQueryThatEndsBadlyLeavesTheNextAlone goes on with the same reading.
func TestAQueryThatEndsBadlyLeavesTheNextAlone(t *testing.T) {
	for _, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			s := w.open(t, rowsOf(w)...)
			p := planOf(`SELECT version, spent AS value`+inWindow, experiment.SQLValue)
			p.Metrics = append(p.Metrics, planOf(`SELECT version, max(spent) AS value`+inWindow+` GROUP BY version`, experiment.SQLValue).Metrics...)
			p.Metrics[1].Name = "n"
			got := metricsOf(t, s, p).Points(t.Context(), experiment.Moment{Now: began.Add(time.Minute), Elapsed: 60})
			if len(got) != 4 || got[0].Failed == "" || got[2].Failed != "" || got[2].Value == nil || *got[2].Value != 4 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestSettingsAreChecked(t *testing.T) {
	secret := &experiment.Secret{Name: "pg", Key: "url"}
	for name, tc := range map[string]struct {
		o    Options
		says string
	}{
		"no database":             {Options{}, "either"},
		"two databases":           {Options{Provider: experiment.SQLProvider{Postgres: secret, SQLite: "x"}}, "either"},
		"nobody reads secrets":    {Options{Provider: experiment.SQLProvider{Postgres: secret}}, "nobody reads"},
		"a file of the cluster's": {Options{Provider: experiment.SQLProvider{SQLite: "/etc/passwd"}, Cluster: true}, "no SQLite files"},
	} {
		if _, err := New(tc.o); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := source(t, Options{Provider: experiment.SQLProvider{SQLite: "x"}})
	for query, says := range map[string]string{"SELECT 1": ":from", "SELECT :from, :to, :x": ":x"} {
		if _, err := s.Metrics(planOf(query, experiment.SQLValue), "p"); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), says) {
			t.Error(err)
		}
	}
	if _, err := s.Metrics(planOf("SELECT :from, :to", "rows"), "p"); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Error(err)
	}
	strict := planOf("SELECT 'v1' AS version, 1 AS value", experiment.SQLValue)
	strict.Strict = true
	if _, err := s.Metrics(strict, "p"); err != nil {
		t.Error(err)
	}
}

// TestURLsOfAClusterNameNothingOfThisMachine is that of a tenant, who is not who
// runs the process.
func TestURLsOfAClusterNameNothingOfThisMachine(t *testing.T) {
	t.Setenv("PGPASSWORD", "of-this-process")
	const hush = "hunter2"
	of := func(cluster bool, url string) (*connection, error) {
		s := source(t, Options{Provider: experiment.SQLProvider{Postgres: &experiment.Secret{Env: "URL"}}, Secrets: urlIs(url), Cluster: cluster})
		return s.parse(url)
	}
	for url, says := range map[string]string{
		"postgres://u:" + hush + "@h/db?sslrootcert=/etc/ca": "sslrootcert",
		"postgres://u:" + hush + "@h/db?passfile=/x":         "passfile",
		"postgres://u:" + hush + "@/db?host=/var/run":        "socket",
		"postgres://u:" + hush + "@%2Fvar%2Frun/db":          "",
		"host=h password=" + hush:                            "cannot be read",
		"mysql://u:" + hush + "@h/db":                        "cannot be read",
		"postgres://u:" + hush + "@h:x/db":                   "cannot be read",
	} {
		_, err := of(true, url)
		if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), hush) {
			t.Errorf("%s: %v", url, err)
		}
	}
	for cluster, want := range map[bool]string{true: "", false: "of-this-process"} {
		c, err := of(cluster, "postgres://u@h:1/db")
		if err != nil || c.config.Password != want || c.where != "h:1/db" {
			t.Errorf("%+v, %v", c, err)
		}
		if c, err = of(cluster, "postgres://u:"+hush+"@h/db"); err != nil || c.config.Password != hush {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

// TestADeadDatabaseIsTriedMoreAndMoreRarely also fails all of a plan's metrics by
// one try.
func TestADeadDatabaseIsTriedMoreAndMoreRarely(t *testing.T) {
	tries := 0
	s := source(t, Options{
		Provider: experiment.SQLProvider{Postgres: &experiment.Secret{Env: "URL"}}, Backoff: time.Hour,
		Secrets: func(context.Context, experiment.Secret) (string, error) {
			tries++
			return "", errors.New("the store of secrets is down")
		},
	})
	p := planOf("SELECT :from, :to", experiment.SQLValue)
	p.Metrics = append(p.Metrics, p.Metrics[0], p.Metrics[0])
	r := metricsOf(t, s, p)
	for i := range 6 {
		got := r.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1})
		if len(got) != 6 || got[5].Failed == "" || tries != min(i+1, 3) || s.Open() != (i >= 2) {
			t.Errorf("try %d: %d tries, %+v", i, tries, got)
		}
	}
	if _, err := r.Seal(t.Context(), wanted(), began.Add(time.Hour)); experiment.CodeOf(err) != experiment.CodeUnavailable || tries != 3 {
		t.Error(err)
	}
}

// unheard is a context whose time is over and which has not noticed yet.
type unheard struct{ context.Context }

func (unheard) Deadline() (time.Time, bool) { return time.Now().Add(-time.Nanosecond), true }

// TestTheTimeIsOverWhoeverNoticesFirst: a connection that is being made is given
// the time of its context, and may be the first to say that it is over.
func TestTheTimeIsOverWhoeverNoticesFirst(t *testing.T) {
	dial := errors.New("dial tcp: i/o timeout")
	c := &connection{source: source(t, Options{Provider: experiment.SQLProvider{Postgres: &experiment.Secret{Env: "URL"}, Timeout: time.Second}, Secrets: urlIs("postgres://h/db")})}
	if err := c.failed(unheard{t.Context()}, dial); !strings.Contains(err.Error(), "no answer within 1s") {
		t.Error(err)
	}
	if err := c.failed(t.Context(), dial); !strings.Contains(err.Error(), dial.Error()) {
		t.Errorf("with time left: %v", err)
	}
}
