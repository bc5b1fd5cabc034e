// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/headgate-dev/headgate/examples/digits"
	"github.com/headgate-dev/headgate/examples/digits/serve"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	"github.com/headgate-dev/headgate/internal/load"
)

// TestLoadScripts runs testdata/script-load, whose commands serve versions.
func TestLoadScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script-load",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"listen": listen,
			"models": models,
			"digits": digitModels,
		},
		RequireExplicitExec: true,
	})
}

// models NAME starts two versions behind one address, and puts it into $NAME.
// At /score they answer their names, as the mock-ups of a tutorial do: model A
// three times of four, or the one that x-api-version names. At /headgate they
// answer as behind a gateway. /v1/outcomes takes outcomes.
func models(ts *testscript.TestScript, _ bool, args []string) {
	s := httptest.NewServer(twoModels())
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// digitModels WEAK STRONG starts two models of examples/digits, puts where they
// predict into $WEAK and $STRONG, and writes the test rows to requests.jsonl and the
// first of them to few.jsonl.
func digitModels(ts *testscript.TestScript, _ bool, args []string) {
	train, test, err := digits.Load()
	ts.Check(err)
	for i, kind := range []digits.Kind{digits.Weak, digits.Strong} {
		m, err := digits.Train(kind, train)
		ts.Check(err)
		h, err := serve.NewHandler(m, serve.Faults{})
		ts.Check(err)
		s := httptest.NewServer(h)
		ts.Defer(s.Close)
		ts.Setenv(args[i], s.URL+"/v2/models/digits/infer")
	}
	var b bytes.Buffer
	for _, row := range test {
		input := map[string]any{"name": "pixels", "datatype": "FP64", "shape": []int{1, 64}, "data": row.Pixels}
		ts.Check(json.NewEncoder(&b).Encode(map[string]any{"inputs": []any{input}, "parameters": map[string]any{"digit": row.Label}}))
	}
	ts.Check(os.WriteFile(ts.MkAbs("requests.jsonl"), b.Bytes(), 0o600))
	first, _, _ := bytes.Cut(b.Bytes(), []byte("\n"))
	ts.Check(os.WriteFile(ts.MkAbs("few.jsonl"), first, 0o600))
}

func twoModels() http.Handler {
	var n atomic.Int64
	pick := func(r *http.Request) string {
		switch {
		case r.Header.Get("x-api-version") == "blue", r.Header.Get("x-api-version") == "" && n.Add(1)%4 == 0:
			return "B"
		}
		return "A"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/score", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "%q\n", "New Model "+pick(r))
	})
	mux.HandleFunc("/headgate", func(w http.ResponseWriter, r *http.Request) {
		name := pick(r)
		w.Header().Set("X-Headgate-Version", name)
		w.Header().Set("X-Headgate-Exposure", "token")
		_, _ = fmt.Fprintf(w, `{"model":{"name":"m-%s"}}`, name)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	mux.Handle("/v1/outcomes", httpapi.Outcomes(acceptAll{}, func() []string { return []string{"search/ranker"} }))
	return mux
}

type acceptAll struct{}

func (acceptAll) Record(_ context.Context, _ string, batch []experiment.UnitOutcome) (experiment.Receipt, error) {
	return experiment.Receipt{Accepted: len(batch)}, experiment.CheckOutcomes(batch)
}

// runLoadCommand runs headgate load in this process.
func runLoadCommand(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	s := IO{Out: &out, Err: &errs, Width: 100}
	c := loadCommand(s)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err := c.ExecuteContext(ctx)
	if err != nil {
		complain(s.Err, err)
	}
	return exitCode(ctx, err), out.String(), errs.String()
}

func TestInterruptedLoadPrintsWhatItHas(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var n atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if n.Add(1) == 20 {
					cancel()
				}
			}))
			defer s.Close()
			code, stdout, stderr := runLoadCommand(ctx, "-n", "1000000", "-c", "2", "-o", format, s.URL)
			if code != ExitInterrupted || stderr != "headgate: interrupted\n" {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
			want := "PARTIAL, interrupted: GET " + s.URL
			if format == "json" {
				want = `"partial": true`
			}
			if !strings.Contains(stdout, want) {
				t.Errorf("stdout lacks %q:\n%s", want, stdout)
			}
		})
	}
}

func TestLoadReportIsVersionedJSON(t *testing.T) {
	s := httptest.NewServer(twoModels())
	defer s.Close()
	code, stdout, stderr := runLoadCommand(t.Context(), "-n", "40", "-o", "json", "--outcome", "buy=2:50%", "--outcomes-url", s.URL, s.URL+"/headgate")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	var got struct {
		APIVersion, Kind string
		load.Report
	}
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != "cli.headgate.dev/v1" || got.Kind != "LoadReport" || got.Answered != 40 || len(got.Versions) != 2 {
		t.Errorf("report = %+v", got)
	}
	if x := got.Outcomes; x == nil || x.Due == 0 || x.Accepted != x.Due {
		t.Errorf("outcomes = %+v, want all accepted", x)
	}
	// The frozen part of the shape: what reads it today must find it tomorrow.
	var fields map[string]any
	if err := json.Unmarshal([]byte(stdout), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"apiVersion", "kind", "url", "method", "partial", "planned", "duration", "offered", "sent", "skipped", "behind", "answered", "failed", "errors", "oversize",
		"elapsed", "sending", "rate", "asked", "failures", "statuses", "latency", "latencyFromSent", "histogram", "versions", "unitsSeen", "unitsMoved", "outcomes", "machine",
	} {
		if _, ok := fields[name]; !ok {
			t.Errorf("field %s is gone", name)
		}
	}
}

// fullReport has something of everything, and long names.
func fullReport() load.Report {
	q := load.Quantiles{P50: 0.0123, P95: 0.123, P99: 1.23, Max: 29.99}
	return load.Report{
		URL: "http://127.0.0.1:8080/" + strings.Repeat("long/", 30), Method: "POST",
		Planned: 123_456_789, Offered: 123_456_789, Sent: 123_000_000, Skipped: 456_789, Behind: 1234, Answered: 122_999_990, Failed: 10, Errors: 30, Oversize: 2,
		Elapsed: 12345, Sending: 12340, Rate: 9967.6, Asked: 10_000,
		Failures: []load.Failure{{Kind: "timeout", Count: 8, Example: strings.Repeat("too long ", 30)}, {Kind: "refused", Count: 2, Example: "connection refused"}},
		Statuses: []load.Status{{Code: 200, Count: 122_999_960}, {Code: 503, Count: 30}},
		Latency:  &load.Quantiles{P50: 0.02, P95: 0.2, P99: 2, Max: 31}, FromSent: &q,
		Histogram: []load.Bucket{{High: 0.0001, Count: 1}, {Low: 0.0001, High: 0.00015}, {Low: 0.00015, High: 0.0002, Count: 122_999_979}, {Low: 70, Count: 10}},
		Versions: []load.Version{
			{Name: "", Answers: 5, Share: load.Share{Of: "units"}, Latency: q},
			{Name: "", From: "other", Answers: 7, Share: load.Share{Of: "units"}, Latency: q},
			{Name: strings.Repeat("größe", 12) + "abcd", From: "text", Answers: 122_999_978, Units: 999_999, Errors: 30, Share: load.Share{Value: 0.999, Low: 0.99, High: 1, Of: "units"}, Latency: q},
		},
		UnitsSeen: 1_000_000, UnitsMoved: 3,
		Outcomes: &load.Outcomes{Due: 100_000_000, Accepted: 99_999_990, Duplicates: 1, Late: 2, Unmatched: 3, Failed: 1, Unexposed: 2, Dropped: 1, Example: "status 503"},
		Machine:  load.Machine{Busy: true, SchedulingP99: 0.02, MaxLag: 0.5},
	}
}

// fullText is the report as it stands; read it before changing it.
const fullText = `Load       POST http://127.0.0.1:8080/long/long/long/long/long/long/long/long/long/long/long/long/lo
Sent       123,000,000 of 123,456,789 in 12340.00s, 9,968/s (asked for 10,000/s)
           456,789 skipped at the cap of --concurrency
           1,234 left more than 10ms late
Answered   122,999,990   200 ×122,999,960   503 ×30
           2 were not read past 16 MiB
Failed     8   timeout: too long too long too long too long too long too long too long too long too
           2   refused: connection refused
Latency    p50 20ms   p95 200ms   p99 2.00s   max 31.00s   from the intended sending
           p50 12ms   p95 123ms   p99 1.23s   max 29.99s   from the actual sending
Outcomes   100,000,000 due: 99,999,990 accepted, 1 duplicate, 2 late, 3 unmatched, 1 failed
           2 answers without exposure token, 1 never posted
           first failure: status 503
Machine    busy: work waited 20ms for a processor (p99), requests left up to 500ms late;
           part of the latency is this machine's own

VERSION                    ANSWERS    UNITS       SHARE [95% CI]  ERRORS   P50    P95    P99     MAX
-                                5        0      0.0% [0.0, 0.0]       0  12ms  123ms  1.23s  29.99s
(others)                         7        0      0.0% [0.0, 0.0]       0  12ms  123ms  1.23s  29.99s
größegrößegrößegrößeg  122,999,978  999,999  99.9% [99.0, 100.0]      30  12ms  123ms  1.23s  29.99s
Shares and their intervals count units. 3 of 1,000,000 units were answered by several versions.
Versions go by the text of the answer, where no header names one.

LATENCY
    0s to 100µs  ········································           1   0.0%
 100µs to 150µs  ········································           0   0.0%
 150µs to 200µs  ████████████████████████████████████████ 122,999,979 100.0%
 1m10s to …      ········································          10   0.0%
`

func TestLoadTextFitsAndSaysEverything(t *testing.T) {
	text := loadText(fullReport())
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if diff := cmp.Diff(fullText, text); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestProgressRedrawsOneLineOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := &loadProgress{to: &b, width: 20}
	p.show(load.Report{Planned: 100, Offered: 50, Sent: 50, Sending: 1, Rate: 50})
	p.show(load.Report{Planned: 100, Offered: 99, Sent: 99, Sending: 2, Rate: 50})
	p.close()
	if want := "\r\x1b[2K 50%  50 sent  50/s\r\x1b[2K 99%  99 sent  50/s\r\x1b[2K"; b.String() != want {
		t.Errorf("drawn %q, want %q", b.String(), want)
	}
	b.Reset()
	p = newLoadProgress(IO{Err: &b})
	p.show(load.Report{Planned: 100, Offered: 50, Elapsed: 2})
	p.show(load.Report{Planned: 100, Offered: 51, Elapsed: 2.2})
	p.close()
	if got := b.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") {
		t.Errorf("lines %q, want one, plain", got)
	}
}

func TestUnansweredLoadHasAHintForItsKind(t *testing.T) {
	for kind, want := range map[string]string{"refused": "start the server", "dns": "correct the URL", "timeout": "--timeout", "tls": "certificate", "reset": "HTTP server"} {
		err := unanswered(load.Report{Sent: 2, Failures: []load.Failure{{Kind: kind, Count: 2, Example: "example"}}})
		if code := exitCode(t.Context(), err); code != ExitUnknown || !strings.Contains(experiment.HintOf(err), want) || !strings.Contains(err.Error(), "example") {
			t.Errorf("%s: exit code %d, %v, hint %q", kind, code, err, experiment.HintOf(err))
		}
	}
}
