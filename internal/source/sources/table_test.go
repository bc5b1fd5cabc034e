// SPDX-License-Identifier: Apache-2.0

package sources

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	httpsource "github.com/headgate-dev/headgate/internal/source/http"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
	sqlsource "github.com/headgate-dev/headgate/internal/source/sql"
)

// What may reach no error.
const (
	hush      = "hunter2-is-secret"
	hushed    = "literal-header-value"
	hushQuery = "query-of-the-address"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// within is how long a provider that behaves so may take. A busy machine must not
// change what comes.
func within(behaviour string) time.Duration {
	if behaviour == "slow" || behaviour == "never" {
		return 200 * time.Millisecond
	}
	return 20 * time.Second
}

// planOf has one metric, of a provider called p.
func planOf(m experiment.ProviderMetric) *experiment.Plan {
	m.Provider = "p"
	return &experiment.Plan{
		Name: "e", Window: time.Minute, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{{Name: "m", Provider: &m}},
	}
}

// ofPhase asks for the windows of a phase of both versions that goes on.
func ofPhase(p *experiment.Plan) engine.Wanted {
	totals := &experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Start: began, Shares: experiment.Shares{5000, 5000}}}}
	return engine.Wanted{Source: experiment.SourceMetrics, Totals: totals, Phase: &totals.Phases[0]}
}

// maker makes the reader of a provider that behaves so.
type maker func(t *testing.T, behaviour string) reader

// kind is one kind of provider, and what its providers can do.
type kind struct {
	name  string
	can   func(behaviour string) bool
	begin func(t *testing.T) maker
}

func kinds() []kind {
	any := func(string) bool { return true }
	return []kind{
		{"prometheus", any, func(*testing.T) maker { return prometheusThat }},
		{"http", any, func(*testing.T) maker { return httpThat }},
		{"sqlite", func(b string) bool { return rowsThat(b, false) != "" }, func(*testing.T) maker { return sqliteThat }},
		{"postgres", func(b string) bool { return rowsThat(b, true) != "" }, postgresThat},
	}
}

// TestProvidersOfAllKindsBehaveAlike is what every source makes of what a
// provider does: a number, an answer that is none, or no answer.
func TestProvidersOfAllKindsBehaveAlike(t *testing.T) {
	table := map[string]outcome{
		"a number":               {comes: number},
		"null":                   {comes: nothing},
		"NaN":                    {comes: nothing},
		"500":                    {string(experiment.CodeUnavailable), []string{"status 500"}},
		"500 with a number":      {string(experiment.CodeUnavailable), []string{"status 500"}},
		"401":                    {string(experiment.CodeUnauthorized), []string{"status 401", "authentication failed", "role"}},
		"HTML":                   {string(experiment.CodeUnavailable), []string{"JSON", "not PostgreSQL"}},
		"half an answer":         {string(experiment.CodeUnavailable), []string{"JSON"}},
		"wrong":                  {string(experiment.CodeInvalid), []string{"status 400", "column", "parse error"}},
		"two gigabytes":          {string(experiment.CodeInvalid), []string{"too large", "more than 100000 rows"}},
		"one huge value":         {string(experiment.CodeInvalid), []string{"too large", "larger than 1 MiB"}},
		"slow":                   {string(experiment.CodeUnavailable), []string{"no answer within", "took too long"}},
		"never":                  {string(experiment.CodeUnavailable), []string{"no answer within"}},
		"hangs up":               {string(experiment.CodeUnavailable), []string{"EOF", "reset", "closed"}},
		"nobody there":           {string(experiment.CodeUnavailable), []string{"refused", "no such file"}},
		"redirect":               {string(experiment.CodeInvalid), []string{"redirects to another address"}},
		"redirect to nonsense":   {string(experiment.CodeUnavailable), []string{"Location"}},
		"bad TLS":                {string(experiment.CodeUnavailable), []string{"certificate"}},
		"secret unreadable":      {string(experiment.CodeUnavailable), []string{"read the"}},
		"an address of the link": {string(experiment.CodeInvalid), []string{"link-local addresses are not asked"}},
	}
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			of := k.begin(t)
			for behaviour, want := range table {
				if k.can(behaviour) {
					t.Run(behaviour, func(t *testing.T) { behaves(t, of, behaviour, want) })
				}
			}
		})
	}
}

// What may come of a question, beside the code of a failure.
const (
	number  = "number"
	nothing = "nothing"
)

// outcome is what comes of a provider's behaviour: number, nothing or the code of
// a failure, and what of any is said of that.
type outcome struct {
	comes string
	says  []string
}

// behaves checks points and seals of a provider that behaves so. Each has a source
// of its own, whose breaker knows nothing.
func behaves(t *testing.T, of maker, behaviour string, want outcome) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	points := of(t, behaviour).Points(t.Context(), experiment.Moment{Now: began.Add(3 * time.Minute), Elapsed: 180})
	if len(points) != 2 {
		t.Fatalf("points %+v", points)
	}
	for v, p := range points {
		fits := p.Metric == "m" && p.Version == v
		switch want.comes {
		case number:
			fits = fits && p.Failed == "" && p.Value != nil && *p.Value == float64(7+v)
		case nothing:
			fits = fits && p.Failed == "" && p.Value == nil
		default:
			fits = fits && p.Value == nil && says(p.Failed, want.says)
		}
		if !fits {
			t.Errorf("version %d: %+v", v, p)
		}
		tellsNoSecret(t, p.Failed)
	}
	seal, err := of(t, behaviour).Seal(t.Context(), ofPhase(planOf(experiment.ProviderMetric{})), began.Add(4*time.Minute))
	fits := false
	switch want.comes {
	case number:
		fits = err == nil && seal.From == 0 && seal.To == 3 && len(seal.Gaps) == 0 && len(seal.Cells) == 6 && seal.Cells[0].Units.MeanY == 7
	case nothing:
		fits = err == nil && seal.To == 3 && len(seal.Cells) == 0 && len(seal.Gaps) > 0 && seal.Gaps[0].From == 0 && seal.Gaps[len(seal.Gaps)-1].To == 3
	default:
		fits = string(experiment.CodeOf(err)) == want.comes && says(err.Error(), want.says) && seal.From == seal.To && len(seal.Cells)+len(seal.Gaps) == 0
		tellsNoSecret(t, fmt.Sprint(err, experiment.HintOf(err)))
	}
	if !fits {
		t.Errorf("%+v, %s: %v", seal, experiment.CodeOf(err), err)
	}
	runtime.ReadMemStats(&after)
	if took, bytes := time.Since(begun), after.TotalAlloc-before.TotalAlloc; took > time.Minute || bytes > 1<<30 {
		t.Errorf("it took %v and %d MiB", took, bytes>>20)
	}
}

func says(text string, any []string) bool {
	for _, s := range any {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

func tellsNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{hush, hushed, hushQuery, "X-Query-Key", "PRIVATE"} {
		if strings.Contains(text, s) {
			t.Errorf("%q tells %s", text, s)
		}
	}
}

// secrets gives what the tests' providers name.
func secrets(values map[string]string) func(context.Context, experiment.Secret) (string, error) {
	return func(_ context.Context, s experiment.Secret) (string, error) {
		v, ok := values[s.Env]
		if !ok {
			return "", errors.New("there is no secret of that name")
		}
		return v + "\n", nil
	}
}

// web is the address of a server of HTTP that behaves so.
func web(t *testing.T, behaviour string) string {
	t.Helper()
	var h http.HandlerFunc
	switch behaviour {
	case "a number":
		h = func(w http.ResponseWriter, r *http.Request) { told(w, r, `"7"`, `"8"`) }
	case "null":
		h = func(w http.ResponseWriter, r *http.Request) { told(w, r, "", "") }
	case "NaN":
		h = func(w http.ResponseWriter, r *http.Request) { told(w, r, `"NaN"`, `"NaN"`) }
	case "500":
		h = status(500, "oops "+hushed)
	case "500 with a number":
		h = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); told(w, r, `"7"`, `"8"`) }
	case "401":
		h = status(401, "who are you, "+hush+"?")
	case "HTML":
		h = status(200, "<html>sign in, "+hush+"</html>")
	case "half an answer":
		h = status(200, `{"status":"success","data":`)
	case "wrong":
		h = status(400, `{"status":"error","errorType":"bad_data","error":"status 400: parse error at `+hush+`"}`)
	case "two gigabytes", "one huge value":
		h = func(w http.ResponseWriter, _ *http.Request) {
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for range 2048 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}
	case "slow", "never":
		h = func(w http.ResponseWriter, r *http.Request) {
			if behaviour == "slow" { // A byte now and then never ends.
				_, _ = io.WriteString(w, "{")
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		}
	case "hangs up":
		h = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	case "redirect":
		h = func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.invalid"+r.URL.RequestURI(), http.StatusFound)
		}
	case "redirect to nonsense":
		h = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://[::"+r.URL.RequestURI()+hush)
			w.WriteHeader(http.StatusFound)
		}
	case "bad TLS", "secret unreadable":
		h = func(w http.ResponseWriter, r *http.Request) { told(w, r, `"7"`, `"8"`) }
	case "nobody there":
		return "http://127.0.0.1:1"
	case "an address of the link":
		return "http://169.254.169.254"
	default:
		t.Fatalf("no server behaves so: %s", behaviour)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if behaviour == "bad TLS" {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.URL
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// told is an answer of Prometheus' shape: of a moment, or of the ends of three
// windows.
func told(w http.ResponseWriter, r *http.Request, first, second string) {
	value := first
	if strings.Contains(r.URL.RawQuery, "v2") {
		value = second
	}
	switch {
	case value == "":
		kind := "vector"
		if strings.HasSuffix(r.URL.Path, "query_range") {
			kind = "matrix"
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[]}}`, kind)
	case strings.HasSuffix(r.URL.Path, "query_range"):
		at := began.Unix()
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[%d,%s],[%d,%s],[%d,%s]]}]}}`,
			at+60, value, at+120, value, at+180, value)
	default:
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,%s]}]}}`, value)
	}
}

func known(behaviour string) map[string]string {
	if behaviour == "secret unreadable" {
		return nil
	}
	return map[string]string{"TOKEN": hush}
}

func prometheusThat(t *testing.T, behaviour string) reader {
	s, err := prometheus.New(prometheus.Options{
		Provider: experiment.PrometheusProvider{URL: web(t, behaviour), Token: &experiment.Secret{Env: "TOKEN"}, Scrape: 10 * time.Second, Delay: 10 * time.Second},
		Secrets:  secrets(known(behaviour)), Timeout: within(behaviour),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.Metrics(planOf(experiment.ProviderMetric{Prometheus: &experiment.PrometheusQuery{Query: []string{"v1" + hushQuery, "v2" + hushQuery}}}), "p")
}

func httpThat(t *testing.T, behaviour string) reader {
	s, err := httpsource.New(httpsource.Options{
		Provider: experiment.HTTPProvider{
			URL: web(t, behaviour) + "/x?key=${TOKEN}", Headers: []experiment.NameValue{{Name: "X-Query-Key", Value: hushed}},
			Secrets: []experiment.NamedSecret{{Name: "TOKEN", Secret: experiment.Secret{Env: "TOKEN"}}}, Timeout: within(behaviour), Delay: time.Minute,
		},
		Secrets: secrets(known(behaviour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r, err := s.Metrics(planOf(experiment.ProviderMetric{HTTP: &experiment.HTTPQuery{
		Method: "GET", Params: [][]experiment.NameValue{{{Name: "query", Value: "v1" + hushQuery}}, {{Name: "query", Value: "v2" + hushQuery}}},
		Value: ".data.result[0].value[1] | tonumber",
	}}), "p")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rowsThat is a query that behaves so; none where it cannot.
func rowsThat(behaviour string, postgres bool) string {
	const between = " WHERE :from < :to"
	switch behaviour {
	case "a number":
		return "SELECT version, value FROM told" + between
	case "null":
		return "SELECT version, NULL AS value FROM told" + between
	case "NaN":
		if postgres {
			return "SELECT version, 'NaN'::float8 AS value FROM told" + between
		}
		return "SELECT version, 9e999 - 9e999 AS value FROM told" + between
	case "wrong":
		return "SELECT version, value AS number FROM told" + between
	case "two gigabytes":
		if postgres {
			return "SELECT 'x' || generate_series(1, 2000000000) AS version, 1 AS value" + between
		}
		return "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'x' || i AS version, 1 AS value FROM n" + between
	case "one huge value":
		if postgres {
			return "SELECT repeat('x', 20000000) AS version, 1 AS value" + between
		}
		return "SELECT hex(zeroblob(20000000)) AS version, 1 AS value" + between
	case "slow":
		if postgres {
			return "SELECT version, value FROM told, pg_sleep(60)" + between
		}
		return "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'v1' AS version, max(i) AS value FROM n" + between
	case "nobody there":
		return "SELECT version, value FROM told" + between
	case "401", "never", "hangs up", "secret unreadable", "HTML", "an address of the link":
		if postgres {
			return "SELECT version, value FROM told" + between
		}
	}
	return ""
}

const fixture = `CREATE TABLE told (version text, value double precision); INSERT INTO told VALUES ('v1', 7), ('v2', 8), ('old', 9)`

func sqliteThat(t *testing.T, behaviour string) reader {
	query := rowsThat(behaviour, false)
	path := filepath.Join(t.TempDir(), "told.db")
	if behaviour != "nobody there" {
		db, err := sql.Open("sqlite", path)
		if err == nil {
			_, err = db.ExecContext(t.Context(), fixture)
		}
		if err = errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return sqlPlan(t, experiment.SQLProvider{SQLite: path, Timeout: within(behaviour), Delay: time.Minute}, nil, query, false)
}

func sqlPlan(t *testing.T, p experiment.SQLProvider, values map[string]string, query string, cluster bool) reader {
	t.Helper()
	s, err := sqlsource.New(sqlsource.Options{Provider: p, Secrets: secrets(values), Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Metrics(planOf(experiment.ProviderMetric{SQL: &experiment.SQLQuery{Query: query, Form: experiment.SQLValue}}), "p")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func postgresThat(t *testing.T) maker {
	at := server.Database(t)
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), fixture); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	return func(t *testing.T, behaviour string) reader {
		values := map[string]string{"URL": at}
		switch behaviour {
		case "secret unreadable":
			values = nil
		case "nobody there":
			values["URL"] = "postgres://u:" + hush + "@127.0.0.1:1/db?sslmode=disable"
		case "an address of the link":
			values["URL"] = "postgres://u:" + hush + "@169.254.169.254/db"
		case "never", "hangs up", "HTML":
			values["URL"] = "postgres://u:" + hush + "@" + listener(t, behaviour) + "/db?sslmode=disable"
		case "401":
			_, rest, _ := strings.Cut(at, "@")
			values["URL"] = "postgres://nobody:" + hush + "@" + rest
		}
		p := experiment.SQLProvider{Postgres: &experiment.Secret{Env: "URL"}, Timeout: within(behaviour), Delay: time.Minute}
		return sqlPlan(t, p, values, rowsThat(behaviour, true), behaviour == "an address of the link")
	}
}

// listener takes connections and never says anything, hangs up, or speaks HTTP.
func listener(t *testing.T, behaviour string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var open []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			switch behaviour {
			case "hangs up":
				_ = c.Close()
			case "HTML":
				_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n<html>"+hush+"</html>")
				open = append(open, c)
			default:
				open = append(open, c)
			}
		}
		for _, c := range open {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}
