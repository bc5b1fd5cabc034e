// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestSpenderAgreesWithBoundaries: look by look is all at once.
func TestSpenderAgreesWithBoundaries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alpha := rapid.SampledFrom([]float64{1e-4, .025, .05, .3}).Draw(t, "alpha")
		spend := rapid.SampledFrom([]Spending{OBrienFleming, Pocock, KimDeMets(2)}).Draw(t, "spend")
		scale := rapid.SampledFrom([]float64{1e-6, 1, 1e9}).Draw(t, "scale")
		var looks []Look
		last := Look{Spent: .01, Information: scale * .5}
		for range rapid.IntRange(1, 8).Draw(t, "looks") {
			last.Spent += rapid.SampledFrom([]float64{0, .01, .05, .12}).Draw(t, "spent")
			last.Information += scale * rapid.SampledFrom([]float64{0, 1e-9, .1, 1, 40}).Draw(t, "information")
			looks = append(looks, last)
		}
		want, err := Boundaries(looks, alpha, spend)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSpender(alpha, spend)
		if err != nil {
			t.Fatal(err)
		}
		for i, look := range looks {
			before := s
			next, bound, err := s.Next(look)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(bound-want[i]) > 1e-8 {
				t.Fatalf("look %d of %v: %.12g, want %.12g", i, looks, bound, want[i])
			}
			// Another look in between leaves no trace.
			if _, _, err := before.Next(Look{Spent: 1, Information: 7 * look.Information}); err != nil {
				t.Fatal(err)
			}
			if _, again, err := before.Next(look); err != nil || again != bound {
				t.Fatalf("look %d again: %v, %v, want %v", i, again, err, bound)
			}
			s = next
		}
	})
}

func TestSpenderRefuses(t *testing.T) {
	begun, _, err := Spender{alpha: .05, spend: Pocock}.Next(Look{.5, 10})
	if err != nil {
		t.Fatal(err)
	}
	next := func(s Spender, l Look) error {
		_, _, err := s.Next(l)
		return err
	}
	made := func(alpha float64, spend Spending) error {
		_, err := NewSpender(alpha, spend)
		return err
	}
	for name, err := range map[string]error{
		"alpha 0":               made(0, Pocock),
		"no spending":           made(.05, nil),
		"one not made":          next(Spender{}, Look{.5, 1}),
		"a look back":           next(begun, Look{.4, 11}),
		"a look that forgets":   next(begun, Look{.6, 9}),
		"a look past the end":   next(begun, Look{1.1, 11}),
		"a look that overflows": next(begun, Look{1, 1e14}),
		"NaN":                   next(begun, Look{1, math.NaN()}),
		"spending that is none": next(Spender{alpha: .05, spend: KimDeMets(-1)}, Look{1, 1}),
		"too many":              next(Spender{alpha: .05, spend: Pocock, looks: MaxLooks, first: 1}, Look{1, 1}),
	} {
		if in, ok := errors.AsType[*InputError](err); !ok || in.Arg == "" {
			t.Errorf("%s: got %v, want an *InputError", name, err)
		}
	}
}

func BenchmarkSpender20(b *testing.B) {
	looks := EvenLooks(20)
	for b.Loop() {
		s, err := NewSpender(0.025, OBrienFleming)
		if err != nil {
			b.Fatal(err)
		}
		for _, l := range looks {
			if s, _, err = s.Next(l); err != nil {
				b.Fatal(err)
			}
		}
	}
}
