// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
	"time"
)

// TestWhatAStallDisturbsDoesNotCount: a processor that stood still is no fault of
// whoever was to answer meanwhile, or to catch up afterwards.
func TestWhatAStallDisturbsDoesNotCount(t *testing.T) {
	began := time.Now()
	at := func(from, to time.Duration) span {
		return span{began.Add(from * time.Millisecond), began.Add(to * time.Millisecond)}
	}
	stalls := []span{at(100, 130), at(300, 330)}
	took := []span{
		at(1, 4),     // before
		at(99, 100),  // until it begins
		at(99, 101),  // into it
		at(110, 120), // within
		at(90, 140),  // all through it
		at(129, 131), // out of it
		at(130, 132), // after it
		at(310, 311), // in the second
	}
	if got, want := undisturbed(took, stalls), []time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond}; !slices.Equal(got, want) {
		t.Errorf("%v count, want %v", got, want)
	}
	if got := undisturbed(took, nil); len(got) != len(took) || !slices.IsSorted(got) {
		t.Errorf("without a stall %v count", got)
	}
}

// TestAWitnessSaysWhenAProcessorStoodStill holds what it says to what it may:
// stalls in their order, each longer than what it calls one.
func TestAWitnessSaysWhenAProcessorStoodStill(t *testing.T) {
	began := time.Now()
	all := witnesses()
	if len(all) == 0 {
		t.Skip("no thread may come before others here")
	}
	time.Sleep(50 * time.Millisecond)
	for _, w := range all {
		last := began
		for _, s := range w.end() {
			if s.to.Sub(s.from) < (1+recovery)*stalledFrom || s.from.Before(last) {
				t.Errorf("a stall from %s to %s after %s", s.from, s.to, last)
			}
			last = s.from
		}
	}
}
