// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestSharesCheck(t *testing.T) {
	for name, c := range map[string]struct {
		shares Shares
		want   string
	}{
		"the baseline alone":    {Baseline(1), ""},
		"the baseline of eight": {Baseline(8), ""},
		"a split":               {Shares{3334, 3333, 3333}, ""},
		"none":                  {nil, "0 shares: want 1 to 8"},
		"nine":                  {Baseline(9), "9 shares: want 1 to 8"},
		"too little":            {Shares{9000, 999}, "shares sum to 99.99%: want 100%"},
		"too much":              {Shares{9000, 1001}, "shares sum to 100.01%"},
		"negative":              {Shares{10_001, -1}, "share 0 is 10001"},
		"negative first":        {Shares{-1, 10_001}, "share 0 is -1: want 0 to 10000 slots"},
		"overflowing":           {Shares{math.MaxInt, math.MaxInt, 10_002}, "share 0 is"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, c.shares.Check(), c.want) })
	}
}

func TestSlotsCheck(t *testing.T) {
	for name, c := range map[string]struct {
		slots Slots
		want  string
	}{
		"whole":                 {Slots{{0, 10_000}}, ""},
		"interleaved":           {Slots{{0, 4000}, {1, 1000}, {0, 5000}}, ""},
		"none":                  {nil, "covers 0 slots"},
		"too few":               {Slots{{0, 9999}}, "covers 9999 slots: want 10000"},
		"too many":              {Slots{{0, 9999}, {1, 2}}, "covers 10001"},
		"an empty run":          {Slots{{0, 10_000}, {1, 0}}, "slot run 1 has 0"},
		"a negative run":        {Slots{{0, 10_001}, {1, -1}}, "slot run 0 has 10001"},
		"an unknown version":    {Slots{{0, 9000}, {2, 1000}}, "slot run 1 names version 2 of 2"},
		"neighbours":            {Slots{{0, 9000}, {0, 1000}}, "slot runs 0 and 1 belong to the same version"},
		"a sum that overflows":  {Slots{{0, math.MaxInt}, {1, math.MaxInt}, {0, 10_002}}, "slot run 0 has"},
		"a run beyond the rest": {Slots{{0, 5000}, {1, 10_001}}, "slot run 1 has 10001"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, c.slots.Check(2), c.want) })
	}
}

func TestSlotsOfSharesAreThose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, MaxVersions).Draw(t, "versions")
		shares, left := make(Shares, n), Whole
		for v := range n - 1 {
			k := rapid.IntRange(0, left).Draw(t, "share")
			shares[v], left = Share(k), left-k
		}
		shares[n-1] = Share(left)
		if err := shares.Check(); err != nil {
			t.Fatal(err)
		}
		slots := SlotsOf(shares)
		if err := slots.Check(n); err != nil {
			t.Fatal(err)
		}
		if got := slots.Shares(n); !slices.Equal(got, shares) {
			t.Fatalf("%v became %v", shares, got)
		}
	})
}

func TestSharesAreWrittenAsPeopleReadThem(t *testing.T) {
	for want, s := range map[string]Shares{"100%": {10_000}, "97.5%/2.5%": {9750, 250}, "99.99%/0.01%/0%": {9999, 1, 0}} {
		if got := s.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSharesOfStages(t *testing.T) {
	ramp := Stage{Ramp: &Ramp{Steps: []Share{100, 2500}}}
	split := Stage{Split: &Split{Shares: Shares{5000, 3000, 2000}}}
	watch := Stage{Observe: &Observe{}}
	cut := Stage{Switch: &Switch{}}
	shadow := Stage{Mirror: &Mirror{Share: 1000}}
	none := func(int) bool { return false }
	second := func(v int) bool { return v == 2 }
	for name, c := range map[string]struct{ got, want Shares }{
		"ramp":                      {ramp.SharesAt(1, 2, none), Shares{7500, 2500}},
		"ramp, two candidates":      {ramp.SharesAt(0, 3, none), Shares{9800, 100, 100}},
		"split":                     {split.SharesAt(0, 3, none), Shares{5000, 3000, 2000}},
		"ramp, one removed":         {ramp.SharesAt(0, 3, second), Shares{9900, 100, 0}},
		"split, one removed":        {split.SharesAt(0, 3, second), Shares{7000, 3000, 0}},
		"switch":                    {cut.SharesAt(0, 2, none), Shares{0, Whole}},
		"switch, the last removed":  {cut.SharesAt(0, 3, second), Shares{0, Whole, 0}},
		"a mirror moves nothing":    {shadow.SharesAt(0, 3, none), Shares{Whole, 0, 0}},
		"observe has what it finds": {watch.SharesAt(0, 3, none), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
	if ramp.Steps() != 2 || split.Steps() != 1 || ramp.Kind() != KindRamp || split.Kind() != KindSplit || watch.Kind() != KindObserve {
		t.Error("steps or kinds")
	}
}
