// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestWindowsThatAreGoneAreTold: those of an earlier process, and those that
// nobody took over in time, come as gaps of the cells behind them.
func TestWindowsThatAreGoneAreTold(t *testing.T) {
	s := newSite(t)
	s.o.Drain = 50 * time.Millisecond // Nobody takes the last batch.
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	s.served(p)
	s.wait(2*time.Minute + 30*time.Second) // Into window 2.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = s.start()
	s.served(p)
	s.wait(2 * time.Minute)
	s.sealed(p, "epoch=1&phase=1&from=3", 4)
	b := s.batch(p, "")
	if b == nil || len(b.Seals) != 1 {
		t.Fatalf("%+v", b)
	}
	seal := b.Seals[0]
	if diff := cmp.Diff([]experiment.Gap{{From: 0, To: 3, Why: whyRestarted}}, seal.Gaps); diff != "" || seal.From != 0 || seal.To != 4 {
		t.Errorf("windows %d to %d, gaps (-want +got):\n%s", seal.From, seal.To, diff)
	}
	after := fmt.Sprintf("gateway=%s&after=", b.Gateway)
	if b := s.batch(p, after+"1"); b != nil {
		t.Fatalf("there is more: %+v", b)
	}
	// Nobody asks for 70 windows: the oldest 10 of them go.
	s.served(p)
	s.wait(70 * time.Minute)
	s.sealed(p, "epoch=1&phase=1&from=4", 74)
	p.windows.prune()
	b = s.batch(p, after+"1")
	if b == nil || len(b.Seals) != 1 {
		t.Fatalf("%+v", b)
	}
	seal = b.Seals[0]
	if diff := cmp.Diff([]experiment.Gap{{From: 4, To: 14, Why: whyUnread}}, seal.Gaps); diff != "" || seal.From != 4 || seal.To != 74 {
		t.Errorf("windows %d to %d, gaps (-want +got):\n%s", seal.From, seal.To, diff)
	}
}

// TestTheEndHandsEverythingOver: the window under way too, and it says that
// nothing more comes.
func TestTheEndHandsEverythingOver(t *testing.T) {
	s := newSite(t)
	s.o.Drain = time.Minute // Somebody takes the last batch, however slowly.
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	s.served(p)
	first := s.batch(p, "")
	if first == nil || first.Last || len(first.Exposures) != 1 {
		t.Fatalf("%+v", first)
	}
	s.wait(90 * time.Second)
	s.served(p) // In window 1.
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	after := fmt.Sprintf("gateway=%s&after=", first.Gateway)
	var exposures int
	var seals []experiment.Seal
	for last := uint64(1); ; {
		b := s.batch(p, after+fmt.Sprint(last))
		if b == nil {
			continue // It still waits for requests under way.
		}
		last, exposures, seals = b.Sequence, exposures+len(b.Exposures), append(seals, b.Seals...)
		if b.Last {
			// Or else it waits until Drain is over. It may end before it has answered.
			if res, err := s.client.Get(p.AdminURL() + "/v1/batches?" + after + fmt.Sprint(last)); err == nil {
				_ = res.Body.Close()
			}
			break
		}
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	counts := map[int64]int64{}
	to := int64(0)
	for _, seal := range seals {
		for w, n := range counted(seal) {
			counts[w] += n
		}
		to = seal.To
		if len(seal.Gaps) > 0 {
			t.Errorf("gaps %+v of a process that lost nothing", seal.Gaps)
		}
	}
	if diff := cmp.Diff(map[int64]int64{0: 1, 1: 1}, counts); diff != "" || to != 2 || exposures > 1 {
		t.Errorf("up to %d, %d exposures, requests by window (-want +got):\n%s", to, exposures, diff)
	}
}

// TestGapsStayWithTheirWindows when a run of windows is divided among batches.
func TestGapsStayWithTheirWindows(t *testing.T) {
	seal := experiment.Seal{To: 30, Gaps: []experiment.Gap{{From: 0, To: 12, Why: "a"}, {From: 25, To: 26, Why: "b"}}}
	for w := range int64(30) {
		for range batchCells / 10 {
			seal.Cells = append(seal.Cells, experiment.Cell{CellKey: experiment.CellKey{Window: w}})
		}
	}
	parts := inParts(seal)
	if len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for w := range int64(30) {
		said := 0
		for i := range parts {
			if p := &parts[i]; p.From <= w && w < p.To {
				said++
				if p.Lacks(w) != seal.Lacks(w) {
					t.Errorf("window %d: lacks = %t in its part", w, p.Lacks(w))
				}
			} else if p.Lacks(w) {
				t.Errorf("window %d lacks in the part of windows %d to %d", w, p.From, p.To)
			}
		}
		if said != 1 {
			t.Errorf("window %d is in %d parts", w, said)
		}
	}
}
