// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata/golden", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// running is a view in the middle of a split, with every field that is shown.
func running() view.Experiment {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	return view.Experiment{
		Name: "digits", Namespace: "demo", Plan: "0123456789abcdef", At: at, Elapsed: 20, Condition: "running",
		Stage:   view.Stage{Name: "ab", Kind: "split", Number: 2, Of: 2, Step: 1, Steps: 1, Progress: 0.37},
		Verdict: view.Verdict{Sentence: "KEEP GOING  v2 is undecided (+4.0 points); the reward is undecided with 900 matured units: about 3100 units more until the horizon", Code: "HG-D204"},
		Health:  view.Health{OK: true, Mismatch: 0.8},
		Versions: []view.Version{
			{Name: "v1", Role: "baseline", Share: 0.5, Seen: new(0.498), Units: 2150, Requests: 6355, ErrorRate: new(0.0), P50: new(0.0002), P99: new(0.0011), Reward: &view.Estimate{Value: 0.8775, Low: 0.8685, High: 0.8866}},
			{Name: "v2", Role: "candidate", Share: 0.5, Seen: new(0.502), Units: 1332, Requests: 2303, ErrorRate: new(0.0123), P50: new(0.02), P99: new(1.5)},
		},
		Findings: []view.Finding{
			{Version: "v1", Role: "objective", Metric: "p99", Question: "p99 <= 1s", Status: "met", Estimate: new(0.0), Interval: &stats.Interval{Low: 0, High: 0.0008}, Level: 0.9833, Guarantee: "any time", Basis: "requests", N: 6355},
			{Version: "v2", Role: "objective", Metric: "p99", Question: "p99 <= 1s", Status: "undecided", Guarantee: "any time", Basis: "requests"},
			{Version: "v2", Role: "reward", Metric: "accuracy", Question: "accuracy better?", Status: "undecided", Estimate: new(0.04), Interval: &stats.Interval{Low: -0.03, High: 0.11}, Level: 0.95, Guarantee: "any time", Basis: "units", N: 900},
		},
		Decisions: []view.Decision{
			{At: at.Add(-20 * time.Second), Act: "start", From: "100%/0%", To: "100%/0%", Code: "HG-D101", Reasons: []string{"the experiment started with all traffic on v1"}},
			{At: at, Act: "advance", From: "80%/20%", To: "50%/50%", Code: "HG-D104", Reasons: []string{"stage canary is over", "stage ab began"}},
		},
	}
}

func TestFrame(t *testing.T) {
	golden(t, "frame.txt", frame(running(), IO{Width: 100}))
	golden(t, "frame-color.txt", frame(running(), IO{Width: 100, Color: true}))
}

func TestFrameBeforeAnyEvidence(t *testing.T) {
	v := running()
	v.Findings, v.Versions = v.Findings[1:], v.Versions[:1]
	v.Findings[1].Estimate, v.Findings[1].Interval = nil, nil
	v.Versions[0] = view.Version{Name: "v1", Role: "baseline", Share: 1}
	golden(t, "frame-empty.txt", frame(v, IO{Width: 100}))
}

func TestReport(t *testing.T) {
	v := running()
	v.Verdict = view.Verdict{Outcome: "promoted", Version: "v2", Code: "HG-D501", Sentence: "PROMOTED  v2 has all traffic: v2 is better in accuracy: +7.70 points (interval +2.25 to +13.14)"}
	golden(t, "report.txt", report(v, IO{}))
}

// TestReportOfASentenceWithoutAReason: a verdict that gives none leaves no empty
// line for it.
func TestReportOfASentenceWithoutAReason(t *testing.T) {
	v := running()
	v.Verdict = view.Verdict{Code: "HG-D212", Sentence: "LEARNING  v2 is the best with probability 0.60; the next update of the shares is in 2s"}
	got := report(v, IO{})
	if strings.Contains(got, "Because") || !strings.Contains(got, "in 2s  [HG-D212]\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestFrameFitsAnyWidth(t *testing.T) {
	for _, width := range []int{1, 60, 80, 110, 300} {
		for line := range strings.Lines(frame(running(), IO{Width: width})) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > min(max(width, 60), 110) {
				t.Errorf("at width %d a line has %d columns: %q", width, n, line)
			}
		}
	}
}

func TestScreenRedrawsInPlaceAndLeavesNothing(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(IO{Out: &out, Terminal: true, Width: 80})
	s.draw(running())
	lines := strings.Count(out.String(), "\n")
	out.Reset()
	s.draw(running())
	if want := fmt.Sprintf("\x1b[%dA", lines); !strings.HasPrefix(out.String(), want) {
		t.Errorf("the second frame does not begin where the first did: %q", out.String()[:20])
	}
	out.Reset()
	s.close()
	if want := fmt.Sprintf("\x1b[%dA\x1b[J", lines); out.String() != want {
		t.Errorf("close wrote %q, want %q", out.String(), want)
	}
}

func TestWithoutTerminalEachDecisionIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(IO{Err: &out})
	v := running()
	for range 3 {
		s.draw(v)
	}
	// A view keeps the newest decisions only: the oldest falls out.
	next := v.Decisions[1]
	next.At = next.At.Add(time.Second)
	v.Decisions = []view.Decision{v.Decisions[1], next}
	s.draw(v)
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines for 3 decisions:\n%s", n, out.String())
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		fraction float64
		want     string
	}{{0, "····"}, {1, "████"}, {0.5, "██··"}, {0.28125, "█▏··"}, {2, "████"}, {-1, "····"}, {0.999, "████"}} {
		if got := bar(c.fraction, 4); got != c.want {
			t.Errorf("bar(%v) = %q, want %q", c.fraction, got, c.want)
		}
	}
}

func TestWhiskerStaysOnItsAxis(t *testing.T) {
	for _, c := range [][4]float64{{0, 0, 0, 0}, {0.1, 0, -0.1, 0.1}, {0.1, 5, -7, 9}, {0.2, 0.19, 0.18, 0.2}} {
		got := whisker(60, c[0], "", c[1], c[2], c[3])
		if n := utf8.RuneCountInString(got); n != 60 {
			t.Errorf("whisker%v has %d columns: %q", c, n, got)
		}
		if !strings.Contains(got, "●") {
			t.Errorf("whisker%v shows no estimate: %q", c, got)
		}
	}
}

// TestPartsAreNeverCutOff: a list goes on in the next line, colours or not.
func TestPartsAreNeverCutOff(t *testing.T) {
	for _, color := range []bool{false, true} {
		f := &framing{width: 60, p: painter{color}}
		var parts []string
		for i := range 12 {
			parts = append(parts, fmt.Sprintf("v2 metric-%d %s", i, f.p.status("violated")))
		}
		f.parts("LIMITS  ", parts)
		text := f.String()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%q is not shown in %q", part, text)
			}
		}
		for line := range strings.Lines(text) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > 60 || n < 20 {
				t.Errorf("a line has %d columns: %q", n, line)
			}
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"no error", t.Context(), nil, ExitOK},
		{"usage", t.Context(), usageError{errors.New("x")}, ExitUsage},
		{"invalid", t.Context(), experiment.Errorf(experiment.CodeInvalid, "x"), ExitUsage},
		{"wrapped invalid", t.Context(), fmt.Errorf("y: %w", experiment.Errorf(experiment.CodeInvalid, "x")), ExitUsage},
		{"conflict", t.Context(), experiment.Errorf(experiment.CodeConflict, "x"), ExitUnknown},
		{"unavailable", t.Context(), experiment.Errorf(experiment.CodeUnavailable, "x"), ExitUnknown},
		{"internal", t.Context(), experiment.Errorf(experiment.CodeInternal, "x"), ExitUnknown},
		{"untrustworthy", t.Context(), experiment.Errorf(experiment.CodeUntrustworthy, "x"), ExitUntrustworthy},
		{"interrupted", canceled, fmt.Errorf("x: %w", context.Canceled), ExitInterrupted},
		{"not a terminal error", t.Context(), &os.PathError{Op: "open", Path: "x", Err: os.ErrNotExist}, ExitUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := exitCode(c.ctx, c.err); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}
