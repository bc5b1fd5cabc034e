// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"strconv"
	"strings"
)

// Whole is all traffic: the number of slots that shares are counted in.
const Whole = 10000

// MaxVersions bounds the versions of one experiment.
const MaxVersions = 8

// Share is a part of the traffic in slots, 0 to Whole; 100 is one percent.
type Share int

// Percent writes the share the way people read it: "2.5%".
func (s Share) Percent() string {
	return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) + "%"
}

// Fraction is the share as a probability, 0 to 1.
func (s Share) Fraction() float64 { return float64(s) / Whole }

// Shares is one share per version, in the plan's order.
type Shares []Share

// GroupShares is the shares of one group, named as a slice.
type GroupShares struct {
	Slice  string `json:"slice"`
	Shares Shares `json:"shares"`
}

// Baseline gives n versions' shares with everything on the first.
func Baseline(n int) Shares {
	s := make(Shares, n)
	s[0] = Whole
	return s
}

// Check reports whether the shares are each within bounds and sum to Whole
// (D4).
func (s Shares) Check() error {
	if len(s) == 0 || len(s) > MaxVersions {
		return fmt.Errorf("%d shares: want 1 to %d", len(s), MaxVersions)
	}
	sum := Share(0)
	for i, v := range s {
		if v < 0 || v > Whole {
			return fmt.Errorf("share %d is %d: want 0 to %d slots", i, v, Whole)
		}
		sum += v
	}
	if sum != Whole {
		return fmt.Errorf("shares sum to %s: want 100%%", sum.Percent())
	}
	return nil
}

// String writes the shares as percentages joined by "/": "90%/10%".
func (s Shares) String() string {
	parts := make([]string, len(s))
	for i, v := range s {
		parts[i] = v.Percent()
	}
	return strings.Join(parts, "/")
}

// Run is a stretch of neighbouring slots that belong to one version.
type Run struct {
	Version uint8 `json:"version"`
	Slots   int   `json:"slots"`
}

// Slots is a slot table, run-length coded from slot 0 upwards: which version
// owns which of the Whole slots. The canonical form has no empty run and no
// two neighbouring runs of one version.
type Slots []Run

// SlotsOf lays shares out in version order, the table an epoch begins with.
func SlotsOf(shares Shares) Slots {
	var t Slots
	for v, n := range shares {
		if n > 0 {
			t = append(t, Run{Version: uint8(v), Slots: int(n)})
		}
	}
	return t
}

// Shares counts the slots of each of n versions.
func (t Slots) Shares(n int) Shares {
	s := make(Shares, n)
	for _, r := range t {
		if int(r.Version) < n {
			s[r.Version] += Share(r.Slots)
		}
	}
	return s
}

// Check reports whether the table is canonical, covers exactly Whole slots and
// names only versions below n.
func (t Slots) Check(n int) error {
	sum := 0
	for i, r := range t {
		switch {
		case r.Slots <= 0 || r.Slots > Whole: // The sum below cannot overflow.
			return fmt.Errorf("slot run %d has %d slots: want 1 to %d", i, r.Slots, Whole)
		case int(r.Version) >= n:
			return fmt.Errorf("slot run %d names version %d of %d", i, r.Version, n)
		case i > 0 && t[i-1].Version == r.Version:
			return fmt.Errorf("slot runs %d and %d belong to the same version", i-1, i)
		}
		sum += r.Slots
	}
	if sum != Whole {
		return fmt.Errorf("slot table covers %d slots: want %d", sum, Whole)
	}
	return nil
}
