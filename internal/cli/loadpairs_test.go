// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/load"
)

// jsonLines writes so many bodies to a file.
func jsonLines(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"instances\":[[%d]]}\n", i)
	}
	name := filepath.Join(t.TempDir(), "requests.jsonl")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestInterruptedPairsPrintWhatTheyHave(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if n.Add(1) > 20 {
			cancel()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, `{"predictions":["a"]}`)
	}))
	defer s.Close()
	code, stdout, stderr := runLoadCommand(ctx, "--pairs", s.URL, "--data-lines", jsonLines(t, 50), "-c", "1", "-o", "json", s.URL)
	var got load.PairReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if code != ExitInterrupted || !got.Partial || got.Pairs != 10 || got.Planned != 50 || stderr != "headgate: interrupted\n" {
		t.Errorf("exit code %d, %d of %d pairs, partial %t, said %q", code, got.Pairs, got.Planned, got.Partial, stderr)
	}
}

// Nothing that servers answer makes a line too wide, or a count a wrong one.
func TestPairsReportKeepsItsWidth(t *testing.T) {
	classes, counts := make([]string, 13), make([][]int64, 13)
	for i := range classes {
		classes[i] = fmt.Sprint(i, strings.Repeat("ß", 60))
		counts[i] = make([]int64, 13)
		for j := range counts[i] {
			counts[i][j] = 153_846
		}
	}
	share := load.PairShare{Pairs: 2_000_000, Mean: new(0.5), Low: new(0.4999), High: new(0.5001), Interval: "exact"}
	r := load.PairReport{
		Baseline:  load.PairEnd{URL: "http://model/" + strings.Repeat("long/", 60), Failures: []load.Failure{{Kind: "other", Count: 1, Example: strings.Repeat("why ", 40)}}},
		Candidate: load.PairEnd{URL: "http://model/", Statuses: []load.Status{{Code: 404, Count: 3}}, Oversize: 2},
		Partial:   true, Planned: 3,
		Metrics: []load.PairMean{{
			Metric: strings.Repeat("name-", 12), Compare: experiment.CompareClass, PairShare: share,
			Agreement: &load.PairMatrix{Classes: classes, Counts: counts, Pairs: 26_000_000, Lost: 7, Same: new(0.1), Kappa: new(-0.01)},
			Slices:    []load.PairSlice{{Slice: strings.Repeat("s", 80), PairShare: share}},
		}},
		Gates: []load.GateReport{{Metric: strings.Repeat("name-", 12), Slice: strings.Repeat("s", 80), Max: new(0.5), From: "shadow", PairShare: share, Status: experiment.Undecided}},
		Shown: []load.Disagreement{{Line: 1, Metrics: []load.Disagreeing{{Metric: "class", Row: 12, Baseline: strings.Repeat("x", 120), Candidate: strings.Repeat("ÿ", 120)}}}},
		Notes: []string{strings.Repeat("note ", 50)},
	}
	text := pairsText(r)
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > loadWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if got := strings.Count(text, "154k"); got != 13*13 {
		t.Errorf("%d counts can be read, want 169:\n%s", got, text)
	}
	for _, want := range []string{"PARTIAL, interrupted", "50.000% [49.990, 50.010]     exact", "<= 50%", "kappa -0.010", "class (row 12)", "status 404", "longer than 1 MiB", "7 pairs have too many"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestPairsWithoutAnyShowNoNumber(t *testing.T) {
	share := load.PairShare{Blank: 1}
	text := pairsText(load.PairReport{
		Planned: 1, Metrics: []load.PairMean{{Metric: "class", Compare: experiment.CompareClass, PairShare: share}},
		Gates: []load.GateReport{{Metric: "class", Min: new(0.9), From: "--require", PairShare: share, Status: experiment.Undecided}},
	})
	for _, want := range []string{"\nclass       0      1              -         -\n", "\nclass     >= 90%  --require              -  undecided\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "took") {
		t.Errorf("got\n%s", text)
	}
}
