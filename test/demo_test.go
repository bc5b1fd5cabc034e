// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
)

// demoAtMost is what the demo may take, from start to exit.
const demoAtMost = 90 * time.Second

// result is what scripts read of a demo's JSON document.
type result struct {
	Verdict struct {
		Outcome string   `json:"outcome"`
		Version string   `json:"version"`
		Code    string   `json:"code"`
		Reasons []string `json:"reasons"`
	} `json:"verdict"`
	Versions []struct {
		Name     string  `json:"name"`
		Share    float64 `json:"share"`
		Requests int64   `json:"requests"`
	} `json:"versions"`
}

// TestDemo runs the demo for real, one candidate after the other: real models,
// real HTTP, real time. Each ends as it should, for the right reason, and its
// journal replays to the same decisions (D6).
func TestDemo(t *testing.T) {
	binary := build(t)
	for _, c := range []struct {
		candidate, version string
		outcomes           []string
		code               string
	}{
		{"better", "v2", []string{"promoted"}, "HG-D501"},
		{"worse", "v1", []string{"rolled-back"}, "HG-D302"},
		{"slow", "v1", []string{"rolled-back"}, "HG-D301"},
		{"failing", "v1", []string{"rolled-back"}, "HG-D301"},
		{"same", "v1", []string{"no-difference", "inconclusive"}, ""},
	} {
		t.Run(c.candidate, func(t *testing.T) {
			data := t.TempDir()
			r, took := runDemo(t, binary, "--candidate", c.candidate, "--seed", "1", "--data", data)
			t.Logf("%s: %s in %s: %s %v", c.candidate, r.Verdict.Outcome, took.Round(time.Second/10), r.Verdict.Code, r.Verdict.Reasons)
			if took > demoAtMost {
				t.Errorf("it took %s, want at most %s", took, demoAtMost)
			}
			if !slices.Contains(c.outcomes, r.Verdict.Outcome) || r.Verdict.Version != c.version {
				t.Errorf("it ended %s with %s, want one of %v with %s", r.Verdict.Outcome, r.Verdict.Version, c.outcomes, c.version)
			}
			if c.code != "" && r.Verdict.Code != c.code {
				t.Errorf("its reason is %s %v, want %s", r.Verdict.Code, r.Verdict.Reasons, c.code)
			}
			for _, v := range r.Versions {
				if (v.Share == 1) != (v.Name == c.version) {
					t.Errorf("%s has a share of %v at the end", v.Name, v.Share)
				}
			}
			replay(t, data)
		})
	}
}

// runDemo runs the demo without a terminal and reads its one JSON document.
func runDemo(t *testing.T, binary string, args ...string) (result, time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"demo", "--headless", "-o", "json"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("headgate demo: %v\n%s", err, stderr.String())
	}
	took := time.Since(start)
	var r result
	dec := json.NewDecoder(&stdout)
	if err := dec.Decode(&r); err != nil {
		t.Fatalf("its output is not JSON: %v\n%s", err, stdout.String())
	}
	if dec.More() {
		t.Errorf("it printed more than one document")
	}
	return r, took
}

// replay plays the journal in a data directory again.
func replay(t *testing.T, data string) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(data, "demo_digits", "record.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	n, err := engine.Replay(store.Journal(t.Context(), "demo/digits", 0))
	if err != nil {
		t.Errorf("replay: %v", err)
	}
	if n < 4 {
		t.Errorf("the journal has %d entries: too few for an experiment", n)
	}
	t.Logf("%d journal entries replayed", n)
}

// TestInterrupt stops a demo at some moments of its start and of its life: a shell
// sees the exit code 130, and nothing is left in the directory for temporary
// files. While it starts, the signal may come before the program listens to any,
// and end it by itself; once it serves, the program has the last word.
func TestInterrupt(t *testing.T) {
	heedInterrupts(t)
	binary := build(t)
	for name, moment := range map[string]struct {
		serving bool
		after   time.Duration
	}{
		"50ms after its start":  {false, 50 * time.Millisecond},
		"300ms after its start": {false, 300 * time.Millisecond},
		"when it serves":        {true, 0},
		"after a second of it":  {true, time.Second},
		"after four seconds":    {true, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			cmd := exec.Command(binary, "demo", "--headless")
			cmd.Env = append(os.Environ(), "TMPDIR="+temp)
			out := &shown{}
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if moment.serving {
				out.until(t, "metrics http://")
			}
			time.Sleep(moment.after) // The moment is the subject here, not a wait for something.
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err := cmd.Wait()
			if took := time.Since(start); took > stopSlack {
				t.Errorf("it took %s to stop", took)
			} else {
				t.Logf("stopped in %s", took.Round(time.Millisecond))
			}
			code := cmd.ProcessState.ExitCode()
			if is := cmd.ProcessState.Sys().(syscall.WaitStatus); is.Signaled() && !moment.serving {
				code = 128 + int(is.Signal()) // As a shell has it.
			}
			if code != 130 {
				t.Errorf("exit code %d (%v), want 130\n%s", code, err, out)
			}
			left, err := os.ReadDir(temp)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) > 0 {
				t.Errorf("it left %v behind", left)
			}
		})
	}
}
