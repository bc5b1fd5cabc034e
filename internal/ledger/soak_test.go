// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxResident is what a ledger of a million units may take of memory, in KiB.
const maxResident = 400 << 10

// TestMemoryOfAMillionUnits exposes a million units, hears of each, seals them
// all at once, and prints what the process took at most. It takes a minute.
func TestMemoryOfAMillionUnits(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("set HEADGATE_SOAK to run it")
	}
	// The peak is the process's: run one store at a time for its own.
	eachStore(t, memoryOfAMillionUnits)
}

func memoryOfAMillionUnits(t *testing.T) {
	const units = 1_000_000
	l, c := newLedger(t, Options{})
	c.set(t0.Add(time.Minute))
	start := time.Now()
	for first := 0; first < units; first += experiment.MaxOutcomes {
		outcomes := make([]experiment.UnitOutcome, experiment.MaxOutcomes)
		for i := range outcomes {
			e := exposure("", (first+i)%2, t0)
			e.Unit = uint64(first+i) * 0x9E3779B97F4A7C15
			for !l.Expose(e, 0) {
				mustFlush(t, l)
			}
			outcomes[i] = experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: 1, Key: fmt.Sprint(first + i)}
		}
		wantReceipt(t, mustRecord(t, l, outcomes...), experiment.Receipt{Accepted: len(outcomes)})
	}
	took := time.Since(start)
	s := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
	if a, b := evidence(t, s, 0, 0, "revenue", "").Units.N, evidence(t, s, 0, 1, "revenue", "").Units.N; a+b != units {
		t.Errorf("%d and %d units, want %d", a, b, units)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not tell the memory of a process")
	}
	var peak int
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &peak); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d units with an outcome each: %d MiB at most, in %s and %s to seal", units, peak>>10, took.Round(time.Second), (time.Since(start) - took).Round(time.Second))
	if peak > maxResident {
		t.Errorf("%d KiB, want at most %d", peak, maxResident)
	}
}
