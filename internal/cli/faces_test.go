// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/view"
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
	for _, name := range []string{"several", "bandit_by_group", "mirror", "kept_warm", "override", "fixed_hidden", "approval"} {
		t.Run(name, func(t *testing.T) {
			golden(t, "screen-"+name+".txt", frame(views[name], IO{Width: 110}))
			golden(t, "account-"+name+".txt", report(views[name], IO{}))
		})
	}
	several := views["several"]
	e := several.Explain()
	golden(t, "explain-running.txt", strings.ReplaceAll(explanation(e), e.At.Local().Format(time.DateTime), "2026-01-01 14:00:00"))
}
