// SPDX-License-Identifier: Apache-2.0

// Package assign decides which version a unit gets: a pure function of the
// experiment, its epoch, the unit and the slot table. The same unit gets the
// same slot for as long as an epoch lasts, on every machine, without any
// store; a change of shares moves as few units as possible (D7).
//
// A unit's slot is
//
//	slot = hi64( mix( xxhash64(unit) XOR salt ) × 10000 )
//	salt = xxhash64( experiment ID, 0x00, epoch as 8 bytes big-endian )
//	mix  = the finalizer of SplitMix64
//
// where hi64 takes the upper 64 bits of the 128-bit product. Without mix, two
// experiments would put whole blocks of units into the same or the opposite
// half together; see docs/decisions/0003. The golden vectors in
// testdata/slots-v1.json pin the function for other implementations; there is
// no floating point in it.
package assign

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Hash is the part of the slot that depends on the unit alone.
func Hash(unit string) uint64 { return xxhash.Sum64String(unit) }

// Salt is the part of the slot that depends on the experiment and its epoch.
func Salt(experimentID string, epoch int) uint64 {
	b := make([]byte, 0, len(experimentID)+9)
	b = append(b, experimentID...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(epoch))
	return xxhash.Sum64(b)
}

// Slot is the unit's slot, 0 to experiment.Whole-1.
func Slot(hash, salt uint64) int {
	hi, _ := bits.Mul64(mix(hash^salt), experiment.Whole)
	return int(hi)
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014, "Fast
// splittable pseudorandom number generators", variant 13 of Stafford).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}

// Table is a slot table laid out for look-ups in constant time.
type Table [experiment.Whole]uint8

// NewTable lays out a slot table. It refuses a table that is not whole.
func NewTable(slots experiment.Slots) (*Table, error) {
	if err := slots.Check(experiment.MaxVersions); err != nil {
		return nil, err
	}
	t := new(Table)
	i := 0
	for _, r := range slots {
		for range r.Slots {
			t[i] = r.Version
			i++
		}
	}
	return t, nil
}

// At is the index of the version that owns a slot.
func (t *Table) At(slot int) int { return int(t[slot]) }

// Rebalance gives the table that has the wanted shares and differs from the
// old one in as few slots as possible: only versions that shrink give slots,
// only versions that grow take them (D7). A shrinking version gives its highest
// slots; growing versions take the freed slots upwards, in version order. An
// empty table is laid out afresh.
func Rebalance(old experiment.Slots, want experiment.Shares) (experiment.Slots, error) {
	if err := want.Check(); err != nil {
		return nil, err
	}
	if len(old) == 0 {
		return experiment.SlotsOf(want), nil
	}
	if err := old.Check(experiment.MaxVersions); err != nil {
		return nil, err
	}
	var need [experiment.MaxVersions]int
	for v, s := range want {
		need[v] = int(s)
	}
	for _, r := range old {
		need[r.Version] -= r.Slots
	}
	// need is now what each version lacks; negative where it has too much.
	return take(give(old, &need), &need), nil
}

// freed marks a run that belongs to nobody.
const freed = experiment.MaxVersions

// give takes from each version its highest slots, as many as it has too many.
// The runs come back in reverse order.
func give(old experiment.Slots, need *[experiment.MaxVersions]int) experiment.Slots {
	out := make(experiment.Slots, 0, len(old)+experiment.MaxVersions)
	for i := len(old) - 1; i >= 0; i-- {
		r := old[i]
		n := min(r.Slots, max(0, -need[r.Version]))
		need[r.Version] += n
		if n > 0 {
			out = append(out, experiment.Run{Version: freed, Slots: n})
		}
		if r.Slots > n {
			out = append(out, experiment.Run{Version: r.Version, Slots: r.Slots - n})
		}
	}
	return out
}

// take hands the freed slots out, upwards and in version order, to the versions
// that lack some. The runs come in reverse order.
func take(runs experiment.Slots, need *[experiment.MaxVersions]int) experiment.Slots {
	out := make(experiment.Slots, 0, len(runs))
	add := func(version uint8, slots int) {
		if n := len(out); n > 0 && out[n-1].Version == version {
			out[n-1].Slots += slots
		} else if slots > 0 {
			out = append(out, experiment.Run{Version: version, Slots: slots})
		}
	}
	taker := 0
	for i := len(runs) - 1; i >= 0; i-- {
		r := runs[i]
		if r.Version != freed {
			add(r.Version, r.Slots)
			continue
		}
		for left := r.Slots; left > 0; {
			for need[taker] <= 0 {
				taker++
			}
			n := min(left, need[taker])
			need[taker] -= n
			left -= n
			add(uint8(taker), n)
		}
	}
	return out
}
