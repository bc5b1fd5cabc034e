// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

// recorded reads the views that internal/view keeps of every state, moved to
// the local day so that times of day read the same everywhere.
func recorded(t *testing.T) map[string]view.Experiment {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "view", "testdata", "*.json"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d recorded views (%v), want at least 20", len(files), err)
	}
	out := make(map[string]view.Experiment)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v view.Experiment
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		here := func(at time.Time) time.Time {
			return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.Local)
		}
		for i := range v.Decisions {
			v.Decisions[i].At = here(v.Decisions[i].At)
		}
		for i := range v.Versions {
			if r := v.Versions[i].Removed; r != nil {
				r.At = here(r.At)
			}
		}
		if v.Bandit != nil && v.Bandit.Next != nil {
			*v.Bandit.Next = here(*v.Bandit.Next)
		}
		if v.Warm != nil {
			for _, w := range v.Warm.Waits {
				if w.Until != nil {
					*w.Until = here(*w.Until)
				}
			}
		}
		out[strings.TrimSuffix(filepath.Base(file), ".json")] = v
	}
	return out
}

// oneLine undoes the wrapping of a screen.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestEveryFaceSaysTheSame: the sentence, the notices and the names of every
// recorded state are on the screen, in the account and in Markdown.
func TestEveryFaceSaysTheSame(t *testing.T) {
	for name, v := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			var told, table, notes bytes.Buffer
			(&screen{io: IO{Err: &told}}).tell(v)
			if err := showViews(IO{Out: &table, Err: &notes}, format{value: "wide"}, []view.Experiment{v}, true); err != nil {
				t.Fatal(err)
			}
			faces := map[string]string{"screen": frame(v, IO{Width: 110}), "account": report(v, IO{}), "markdown": markdown(v)}
			for face, text := range faces {
				head, _, _ := strings.Cut(v.Verdict.Sentence, "  ")
				if !strings.Contains(oneLine(text), head) {
					t.Errorf("the %s does not say %q", face, head)
				}
				for _, x := range v.Versions {
					if !strings.Contains(text, x.Name) {
						t.Errorf("the %s does not name %s", face, x.Name)
					}
				}
			}
			faces["lines"], faces["table"] = told.String(), notes.String()
			faces["explanation"] = explanation(v.Explain())
			for face, text := range faces {
				for _, n := range v.Notices {
					if !strings.Contains(oneLine(text), oneLine(n.Text)) {
						t.Errorf("the %s does not say: %s", face, n.Text)
					}
				}
			}
			for line := range strings.Lines(faces["screen"]) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 110 {
					t.Errorf("a line of the screen has %d columns: %q", n, line)
				}
			}
		})
	}
}

func TestScreensOfTheStageKinds(t *testing.T) {
	views := recorded(t)
	for _, name := range []string{"several", "bandit_by_group", "mirror", "answers", "kept_warm", "override", "fixed_hidden", "approval"} {
		t.Run(name, func(t *testing.T) {
			golden(t, "screen-"+name+".txt", frame(views[name], IO{Width: 110}))
			golden(t, "account-"+name+".txt", report(views[name], IO{}))
		})
	}
	golden(t, "describe-answers.md", markdown(views["answers"]))
	several := views["several"]
	e := several.Explain()
	golden(t, "explain-running.txt", strings.ReplaceAll(explanation(e), e.At.Local().Format(time.DateTime), "2026-01-01 14:00:00"))
}

// TestManyClassesAreListed: the worst disagreements of many classes, in names that
// cannot move a cursor.
func TestManyClassesAreListed(t *testing.T) {
	a := view.Agreement{Version: "v2", Metric: "same", Pairs: 80, Same: new(0.5), Kappa: new(0.4)}
	for i := range 8 {
		row := make([]int64, 8)
		row[i], row[(i+1)%8] = 5, int64(i)
		a.Classes = append(a.Classes, fmt.Sprintf("\x1b[2Jc%d\n%s", i, strings.Repeat("x", 100)))
		a.Counts = append(a.Counts, row)
	}
	v := view.Experiment{Versions: []view.Version{{Name: "v1"}, {Name: "v2"}}, Agreements: []view.Agreement{a}}
	text := agreementText(v)
	if n := strings.Count(text, "\n"); n != 2+maxWorst {
		t.Errorf("%d lines:\n%s", n, text)
	}
	lines := strings.Split(text, "\n")
	if !strings.Contains(lines[2], "?[2Jc7?xxx") || !strings.Contains(lines[2], "?[2Jc0?xxx") || !strings.Contains(lines[2], "58.3%") {
		t.Errorf("the worst is %q", lines[2])
	}
	live := &framing{width: 110}
	live.answers(v)
	for _, text := range []string{live.String(), text} {
		if strings.ContainsRune(text, '\x1b') {
			t.Errorf("a class moves the cursor: %q", text)
		}
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 110 {
			t.Errorf("a line has %d columns: %q", n, line)
		}
	}
}

// TestNumbersOfAUnitAreNotPercent: bytes, seconds and divergences are shown as
// such, of limits and of rewards.
func TestNumbersOfAUnitAreNotPercent(t *testing.T) {
	reward := view.Finding{
		Version: "v2", Role: "reward", Metric: "loss", Question: "loss better?", Status: "better", Unit: "number", Estimate: new(-0.031),
		Interval: &stats.Interval{Low: -0.05, High: -0.012}, Level: 0.95, Guarantee: "any time", Basis: "units", N: 900,
	}
	size := view.Finding{
		Version: "v2", Role: "objective", Metric: "size", Question: "size <= 2000 bytes", Status: "met", Unit: "bytes", Estimate: new(1900.0),
		Interval: &stats.Interval{Low: 1890, High: 1910}, Level: 0.99, Guarantee: "any time", Basis: "requests", N: 900,
	}
	v := running()
	v.Verdict.Sentence = "KEEP GOING  v2 is better"
	v.Versions[1].Reward = &view.Estimate{Value: 0.4, Low: 0.39, High: 0.41}
	v.Findings = []view.Finding{size, reward}
	faces := map[string]string{"screen": frame(v, IO{Width: 110}), "account": report(v, IO{}), "markdown": markdown(v), "difference": difference(v), "explanation": restsOn(reward) + restsOn(size)}
	for face, wants := range map[string][]string{
		"screen": {"-0.031, 95% interval -0.05 to -0.012 at any time", "-0.05 "}, "account": {"1900 bytes", "[-0.05, -0.012]", "0.4 [0.39, 0.41]"},
		"markdown": {"1890 bytes to 1910 bytes", "-0.031"}, "difference": {"-0.031 [-0.05, -0.012]"}, "explanation": {"1900 bytes", "interval -0.05 to -0.012"},
	} {
		for _, want := range wants {
			if !strings.Contains(faces[face], want) {
				t.Errorf("the %s does not say %q:\n%s", face, want, faces[face])
			}
		}
		for _, wrong := range []string{"190000", "-3.1", "40.00%", "points"} {
			if strings.Contains(faces[face], wrong) {
				t.Errorf("the %s says %q:\n%s", face, wrong, faces[face])
			}
		}
	}
}
