// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// gatewaySite is gateways that hand over cells, at their origins.
type gatewaySite struct {
	t        *testing.T
	l        *Ledger
	c        *clock
	sequence map[string]uint64
}

func newGatewaySite(t *testing.T) *gatewaySite {
	t.Helper()
	l, c := newShadow(t, nil)
	return &gatewaySite{t: t, l: l, c: c, sequence: map[string]uint64{}}
}

// add hands over a batch of a process: at the origin that its first letter names.
func (s *gatewaySite) add(gateway string, last bool, seals ...experiment.Seal) {
	s.t.Helper()
	s.sequence[gateway]++
	mustAdd(s.t, s.l, &experiment.Batch{
		Gateway: gateway, Origin: "http://" + gateway[:1], Sequence: s.sequence[gateway], Seals: seals, Last: last,
	})
}

// want asks for the windows of a source, twice, and compares their gaps.
func (s *gatewaySite) want(source experiment.Source, from, to int64, gaps ...experiment.Gap) {
	s.t.Helper()
	for range 2 {
		seal, err := s.l.Seal(s.t.Context(), source, "search/ranker", 1, 1, t0, from, s.c.Now())
		if err != nil {
			s.t.Fatal(err)
		}
		if diff := cmp.Diff(gaps, seal.Gaps); diff != "" || seal.To != to {
			s.t.Errorf("%s: %s from %d up to %d, want %d; gaps (-want +got):\n%s", s.c.Now().Sub(t0), source, from, seal.To, to, diff)
		}
	}
}

func gap(from, to int64, why string) experiment.Gap {
	return experiment.Gap{From: from, To: to, Why: why}
}

// TestASilentGatewayIsAGap as long as it is silent, and no longer.
func TestASilentGatewayIsAGap(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		const why = "the gateway at http://b was silent"
		s := newGatewaySite(t)
		s.c.set(t0.Add(2 * time.Minute))
		s.add("a1", false, requests(0, 2, 1))
		s.add("b1", false, requests(0, 1, 1))
		s.want(experiment.SourceGateway, 0, 1)
		// The plan's Stale passes, window by window.
		for i := range int64(3) {
			s.c.set(t0.Add(time.Duration(5+i) * time.Minute))
			s.add("a1", false, requests(2+i, 3+i, 1))
			s.want(experiment.SourceGateway, 1+i+min(i, 1), 3+i, gap(1+i+min(i, 1), 3+i, why))
		}
		s.want(experiment.SourceGateway, 0, 5, gap(1, 5, why))
		if n := query(t, s.l, `SELECT count(*) FROM gaps WHERE source = 'gateway'`); n != 1 {
			t.Errorf("%d rows of one long gap", n)
		}
		// It comes back: what it has is late, later windows are whole.
		s.add("b1", false, requests(1, 6, 1))
		s.add("a1", false, requests(5, 6, 1))
		s.want(experiment.SourceGateway, 5, 6)
		if n := s.l.Stats().LateCells; n != 4 {
			t.Errorf("late cells = %d, want 4", n)
		}
		// Sealed windows stay what they were.
		s.want(experiment.SourceGateway, 0, 6, gap(1, 5, why))
	})
}

// TestAnEarlierProcessIsAGap from what it has handed over to where the next one
// began; nobody waits for it.
func TestAnEarlierProcessIsAGap(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		s := newGatewaySite(t)
		s.c.set(t0.Add(5*time.Minute + 30*time.Second))
		s.add("a1", false, requests(0, 5, 1))
		s.add("b1", false, requests(0, 2, 1))
		s.want(experiment.SourceGateway, 0, 2)
		// b is killed, and begins anew in window 5: it does not know what was handed
		// over before.
		next := requests(6, 7, 1)
		next.From, next.Gaps = 0, []experiment.Gap{gap(0, 6, "a gateway was started anew")}
		s.c.set(t0.Add(7*time.Minute + 30*time.Second))
		s.add("b2", false, next)
		s.add("a1", false, requests(5, 7, 1))
		// When b2 was first heard of is the end of b1, as far as is known.
		lost := "the gateway at http://b ended, and what it had not handed over was lost"
		s.want(experiment.SourceGateway, 2, 7, gap(2, 7, lost))
		s.add("b2", false, requests(7, 9, 1))
		s.add("a1", false, requests(7, 9, 1))
		s.c.set(t0.Add(9*time.Minute + 30*time.Second))
		s.want(experiment.SourceGateway, 7, 9, gap(7, 8, lost))
		s.add("b2", false, requests(9, 10, 1))
		s.add("a1", false, requests(9, 10, 1))
		s.want(experiment.SourceGateway, 9, 10)
		if n := s.l.Stats().SilentGateways; n != 0 {
			t.Errorf("%d gateways were waited for in vain", n)
		}
	})
}

// TestAGatewayThatEndsWellIsNoGap, nor one whose place is not expected any more,
// beyond what it had not handed over.
func TestAGatewayThatEndsWellIsNoGap(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		s := newGatewaySite(t)
		s.c.set(t0.Add(3*time.Minute + 30*time.Second))
		s.add("a1", false, requests(0, 3, 1))
		s.add("b1", true, requests(0, 4, 1))
		s.add("c1", false, requests(0, 2, 1))
		s.want(experiment.SourceGateway, 0, 2)
		s.l.Expect([]string{"http://a", "http://b"})
		why := "the gateway at http://c ended, and what it had not handed over was lost"
		s.want(experiment.SourceGateway, 2, 3, gap(2, 3, why))
		s.c.set(t0.Add(6*time.Minute + 30*time.Second))
		s.add("a1", false, requests(3, 6, 1))
		s.want(experiment.SourceGateway, 3, 6, gap(3, 4, why))
		// Another process in b's place takes nothing back.
		s.add("b2", false)
		s.add("a1", false, requests(6, 7, 1))
		s.want(experiment.SourceGateway, 6, 7)
	})
}

// TestRowsThatWereLetGoAreAGap of what is made of them.
func TestRowsThatWereLetGoAreAGap(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		s := newGatewaySite(t)
		let := func(source experiment.Source, from, to int64) experiment.Seal {
			return experiment.Seal{Experiment: "search/ranker", Source: source, Epoch: 1, Phase: 1, From: from, To: to, Gaps: []experiment.Gap{gap(from, to, "rows went")}}
		}
		s.c.set(t0.Add(2*time.Minute + 10*time.Second))
		s.want(experiment.SourceExposures, 0, 2)
		s.add("a1", false, let(experiment.SourceExposures, 1, 4), let(experiment.SourcePairs, 0, 1))
		s.want(experiment.SourceExposures, 0, 2) // Sealed before anybody knew.
		s.want(experiment.SourcePairs, 0, 1, gap(0, 1, "rows went"))
		s.c.set(t0.Add(20 * time.Minute))
		s.want(experiment.SourceExposures, 0, 19, gap(2, 4, "rows went"))
		s.want(experiment.SourceOutcomes, 0, 14, gap(1, 4, "rows went"))
		bad := let(experiment.SourcePairs, 20, 30)
		bad.Cells = make([]experiment.Cell, 2)
		many := let(experiment.SourcePairs, 0, 1000)
		for i := range int64(maxGaps) {
			many.Gaps = append(many.Gaps, gap(2*i, 2*i+1, "too many"))
		}
		s.add("a1", false, bad, many)
		s.c.set(t0.Add(40 * time.Minute))
		s.want(experiment.SourcePairs, 1, 39)
		if err := s.l.Prune(t.Context(), "search/ranker", 1, 1, 3); err != nil {
			t.Fatal(err)
		}
		if n := query(t, s.l, `SELECT count(*) FROM gaps WHERE upto <= 3`); n != 0 {
			t.Errorf("%d gaps of windows that are forgotten", n)
		}
	})
}
