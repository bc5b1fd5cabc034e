// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// cells asks for cells and gives them, or the status and the hint.
func (s *site) cells(p *Process, query string) (seal experiment.Seal, failure string) {
	s.t.Helper()
	status, body := s.admin(p, "/v1/cells?"+query)
	if status != 200 {
		var f struct {
			Error struct{ Message, Hint string }
		}
		if err := json.Unmarshal([]byte(body), &f); err != nil {
			s.t.Fatalf("%d %s: %v", status, body, err)
		}
		return seal, fmt.Sprintf("%d %s", status, f.Error.Hint)
	}
	if err := json.Unmarshal([]byte(body), &seal); err != nil {
		s.t.Fatalf("%s: %v", body, err)
	}
	return seal, ""
}

// sealed asks for cells until their windows up to one are sealed: an exchange
// ends a little after its client has the answer.
func (s *site) sealed(p *Process, query string, to int64) (experiment.Seal, string) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		seal, failure := s.cells(p, query)
		if failure != "" || seal.To >= to || time.Now().After(deadline) {
			return seal, failure
		}
	}
}

// counted is how many requests a seal holds, by window.
func counted(seal experiment.Seal) map[int64]int64 {
	out := map[int64]int64{}
	for _, c := range seal.Cells {
		if c.Metric == experiment.CellRequests {
			out[c.Window] += c.Counts.N
		}
	}
	return out
}

func TestCellsAreGivenOnceTheirWindowIsSealed(t *testing.T) {
	s := newSite(t)
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	s.served(p)
	s.served(p)
	s.wait(time.Minute + 9*time.Second)
	if seal, failure := s.cells(p, "epoch=1&phase=1"); failure != "" || seal.To != 0 {
		t.Fatalf("before the lag is over: %+v %s", seal, failure)
	}
	s.wait(2 * time.Second)
	seal, failure := s.sealed(p, "epoch=1&phase=1&from=0&experiment=team/models", 1)
	if failure != "" || seal.From != 0 || seal.To != 1 || seal.Source != experiment.SourceGateway {
		t.Fatalf("%+v %s", seal, failure)
	}
	if diff := cmp.Diff(map[int64]int64{0: 2}, counted(seal)); diff != "" {
		t.Errorf("requests by window (-want +got):\n%s", diff)
	}
	for query, want := range map[string]string{
		"epoch=1&phase=7":                   "404 ",
		"epoch=1&phase=1&experiment=other":  "404 ",
		"epoch=1":                           "400 ask for /v1/cells?epoch=1&phase=0&from=0",
		"epoch=1&phase=1&from=-1":           "400 ask for /v1/cells?epoch=1&phase=0&from=0",
		"epoch=99999999999&phase=1&from=-1": "400 ask for /v1/cells?epoch=1&phase=0&from=0",
	} {
		if _, got := s.cells(p, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestWindowsOfAnEarlierProcessAreAGap(t *testing.T) {
	s := newSite(t)
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	s.served(p)
	s.wait(2*time.Minute + 30*time.Second) // Into window 2.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = s.start()
	s.served(p)
	s.wait(time.Minute)
	s.served(p) // In window 3, the first whole one.
	s.wait(2 * time.Minute)
	if _, got := s.cells(p, "epoch=1&phase=1&from=0"); got != "409 go on from 3" {
		t.Errorf("windows that were lost: %q", got)
	}
	seal, failure := s.sealed(p, "epoch=1&phase=1&from=3", 4)
	if diff := cmp.Diff(map[int64]int64{3: 1}, counted(seal)); diff != "" || failure != "" {
		t.Errorf("%s, requests by window (-want +got):\n%s", failure, diff)
	}
}

func TestOldWindowsGoAndAreCountedWhereNobodyReadThem(t *testing.T) {
	s := newSite(t)
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	s.served(p)
	s.wait(10*time.Minute + 10*time.Second)
	if seal, failure := s.sealed(p, "epoch=1&phase=1&from=4", 10); failure != "" || seal.To != 10 { // 0 to 3 are read.
		t.Fatalf("%+v %s", seal, failure)
	}
	s.served(p) // In window 10.
	s.wait(56 * time.Minute)
	s.sealed(p, "epoch=1&phase=1&from=4", 66)
	p.windows.prune()
	if got := s.metric(p, "headgate_gateway_windows_unread_total"); got != "2" {
		t.Errorf("%s windows unread, want 4 and 5", got)
	}
	if _, got := s.cells(p, "epoch=1&phase=1&from=5"); got != "409 go on from 6" {
		t.Errorf("a window that is gone: %q", got)
	}
	seal, failure := s.cells(p, "epoch=1&phase=1&from=6")
	if diff := cmp.Diff(map[int64]int64{10: 1}, counted(seal)); diff != "" || failure != "" || seal.To != 66 {
		t.Errorf("to %d, %s, requests by window (-want +got):\n%s", seal.To, failure, diff)
	}
}

func TestExposuresAreAppended(t *testing.T) {
	s := newSite(t)
	s.o.Exposures = filepath.Join(filepath.Dir(s.o.Snapshot), "exposures.jsonl")
	write(t, s.o.Exposures, `{"experiment":"cut sho`) // By kill -9.
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	s.served(p)
	s.wait(1500 * time.Millisecond)
	s.served(p)
	if got := s.metric(p, "headgate_gateway_exposures_total"); got != "2" {
		t.Errorf("%s exposures, want 2", got)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(s.o.Exposures)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want the broken one and 2:\n%s", len(lines), content)
	}
	var got []experiment.Exposure
	for _, line := range lines[1:] {
		var e experiment.Exposure
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, e)
	}
	want := experiment.Exposure{Experiment: "team/models", Epoch: 1, Phase: 1, Version: 1, Propensity: experiment.Whole, Unit: got[0].Unit, At: begin}
	later := want
	later.At = begin.Add(1500 * time.Millisecond)
	if diff := cmp.Diff([]experiment.Exposure{want, later}, got); diff != "" || want.Unit == 0 {
		t.Errorf("exposures (-want +got):\n%s", diff)
	}
}

func TestEncoderWritesWhatJSONReads(t *testing.T) {
	for name, tc := range map[string]struct {
		e      experiment.Exposure
		groups uint64
		want   []int
	}{
		"no groups":        {experiment.Exposure{Experiment: "a/b", Unit: 1<<64 - 1, At: begin}, 0, nil},
		"groups":           {experiment.Exposure{Experiment: `q"<é`, At: begin.Add(7 * time.Nanosecond)}, 0x02_00_01, []int{1, 0, 2}},
		"another timezone": {experiment.Exposure{Experiment: "a", At: begin.In(time.FixedZone("x", 3600))}, 0xff, []int{255}},
	} {
		t.Run(name, func(t *testing.T) {
			var w encoder
			w.append(&exposed{tc.e, tc.groups})
			var got struct {
				experiment.Exposure
				Groups []int `json:"groups"`
			}
			if err := json.Unmarshal(w.buf, &got); err != nil {
				t.Fatalf("%s: %v", w.buf, err)
			}
			if diff := cmp.Diff(tc.e, got.Exposure); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, got.Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

// stuck is a file that takes nothing until it is let go, and then fails.
type stuck struct {
	entered, let chan struct{}
	wrote        []string
}

func (f *stuck) Write(p []byte) (int, error) {
	f.entered <- struct{}{}
	<-f.let
	f.wrote = append(f.wrote, string(p))
	if len(f.wrote) == 1 {
		return 3, errors.New("no space left")
	}
	return len(p), nil
}

func (f *stuck) Close() error { return nil }

func TestExposuresThatNobodyTakesAreDroppedAndCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	x, err := openExposures("", registry, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := &stuck{entered: make(chan struct{}), let: make(chan struct{})}
	x.file, x.done = f, make(chan struct{})
	go x.write()
	e := experiment.Exposure{Experiment: "a", At: begin}
	if !x.take(e, 0) {
		t.Fatal("the first is dropped")
	}
	<-f.entered // The writer hangs with one.
	for i := range maxQueued {
		if !x.take(e, 0) {
			t.Fatalf("%d is dropped, want room for %d", i, maxQueued)
		}
	}
	if x.take(e, 0) {
		t.Error("there is room beyond the bound")
	}
	f.let <- struct{}{} // The first write fails within a line.
	<-f.entered
	f.let <- struct{}{}
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[strings.TrimPrefix(f.GetName(), "headgate_gateway_exposures_")] = f.GetMetric()[0].GetCounter().GetValue()
	}
	if diff := cmp.Diff(map[string]float64{"total": maxQueued + 2, "lost_total": 1, "written_total": maxQueued}, got); diff != "" {
		t.Errorf("exposures counted (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(f.wrote[1], "\n{") {
		t.Errorf("the write after the broken one begins with %.20q, want a line of its own", f.wrote[1])
	}
}
