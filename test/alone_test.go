// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// alone is a gateway in a process of its own.
type alone struct {
	t              *testing.T
	cmd            *exec.Cmd
	snapshots      io.WriteCloser
	sequence       uint64
	traffic, asked string
}

// newAlone starts a gateway that bounds exchanges by a time-out; flags are more
// of what the program knows.
func newAlone(t *testing.T, timeout time.Duration, flags ...string) *alone {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "alone")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./alone")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	a := &alone{t: t, cmd: exec.CommandContext(context.WithoutCancel(t.Context()), binary, append(flags, "-timeout", timeout.String())...)}
	a.cmd.Stderr = os.Stderr
	var err error
	if a.snapshots, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.cmd.Process.Kill() }) // It has ended, if all is well.
	if _, err := fmt.Fscan(bufio.NewReader(out), &a.traffic, &a.asked); err != nil {
		t.Fatal(err)
	}
	return a
}

// serve has it serve a route. It is taken in when the next is served.
func (a *alone) serve(r experiment.Route) error {
	a.sequence++
	text, err := json.Marshal(experiment.Snapshot{Sequence: a.sequence, Routes: []experiment.Route{r}})
	if err != nil {
		return err
	}
	_, err = a.snapshots.Write(append(text, '\n'))
	return err
}

// serves waits until the last route is served.
func (a *alone) serves() {
	a.t.Helper()
	for deadline := time.Now().Add(time.Minute); a.metrics().sum("headgate_gateway_snapshot_sequence") != float64(a.sequence); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatal("the snapshot is not served")
		}
	}
}

// ends ends its input and wants it to drain and end well.
func (a *alone) ends() {
	a.t.Helper()
	if err := a.snapshots.Close(); err != nil {
		a.t.Error(err)
	}
	if err := a.cmd.Wait(); err != nil {
		a.t.Error(err)
	}
}

// ask asks it about itself.
func (a *alone) ask(path string) []byte {
	a.t.Helper()
	res, err := http.Get("http://" + a.asked + path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		a.t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return b
}

func (a *alone) into(path string, v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.ask(path), v); err != nil {
		a.t.Fatal(err)
	}
}

// series are the metrics of a process: values by name and labels as printed.
type series map[string]float64

var seriesLine = regexp.MustCompile(`^([a-z_]+(?:\{[^}]*\})?) (\S+)$`)

func (a *alone) metrics() series {
	a.t.Helper()
	s, err := readSeries(a.ask("/metrics"))
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// readSeries reads what a process answers to the question for its metrics.
func readSeries(text []byte) (series, error) {
	s := series{}
	for line := range strings.Lines(string(text)) {
		m := seriesLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		s[m[1]] = v
	}
	return s, nil
}

// sum is the sum of a metric's series whose labels hold all of the texts.
func (s series) sum(name string, labels ...string) (sum float64) {
series:
	for key, v := range s {
		if base, _, _ := strings.Cut(key, "{"); base != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(key, l) {
				continue series
			}
		}
		sum += v
	}
	return sum
}
