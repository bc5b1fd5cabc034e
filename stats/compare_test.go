// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// codes are the warnings' codes.
func codes(c Comparison) []WarningCode {
	var out []WarningCode
	for _, w := range c.Warnings {
		out = append(out, w.Code)
		if !strings.HasSuffix(w.Text, ".") {
			out = append(out, "not a sentence")
		}
	}
	return out
}

func fixed(alpha float64) Assumed { return Assumed{Alpha: alpha, Looked: FixedLook} }

func TestCompareChoosesAndSaysWhat(t *testing.T) {
	ratio := func(n int64, r float64) Pair {
		return Pair{N: n, MeanY: 3 * r, MeanX: 3, M2Y: float64(n), M2X: float64(n), CYX: float64(n) / 2}
	}
	shape := func(n int64, skew float64) Shape {
		return Shape{Moments{N: n, Mean: 5, M2: float64(n)}, skew * float64(n)}
	}
	compared := func(c Comparison, err error) Comparison {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	anyTime := Assumed{Alpha: 0.05, Looked: AnyTime, Planned: 5000}
	for name, c := range map[string]struct {
		got       Comparison
		method    string
		guarantee Guarantee
		different bool
		warnings  []WarningCode
	}{
		"many hits":        {compared(Compare(Counts{2000, 260}, Counts{2000, 200}, fixed(0.05))), "score test", FixedLook, true, nil},
		"few hits":         {compared(Compare(Counts{100, 9}, Counts{100, 1}, fixed(0.05))), "exact test", FixedLook, true, []WarningCode{FewHits, NoisyBaseline}},
		"no hits":          {compared(Compare(Counts{100, 0}, Counts{100, 0}, fixed(0.05))), "exact test", FixedLook, false, []WarningCode{FewHits, NoisyBaseline}},
		"means":            {compared(Compare(Moments{30, 5, 30}, Moments{30, 4, 30}, fixed(0.05))), "Welch", FixedLook, true, nil},
		"symmetric means":  {compared(Compare(shape(100, 0), shape(900, 0), fixed(0.05))), "Welch", FixedLook, false, nil},
		"skewed canary":    {compared(Compare(shape(1000, 2), shape(9000, 2), fixed(0.05))), "Welch", NoGuarantee, false, []WarningCode{Skewed}},
		"skewed but large": {compared(Compare(shape(1500, 2), shape(9000, 2), fixed(0.05))), "Welch", FixedLook, false, nil},
		"a ratio":          {compared(Compare(ratio(50, 0.6), ratio(400, 0.5), fixed(0.05))), "delta method", FixedLook, true, nil},
		"few users":        {compared(Compare(ratio(39, 0.6), ratio(400, 0.5), fixed(0.05))), "delta method", NoGuarantee, true, []WarningCode{FewUnits}},
		"noisy baseline":   {compared(Compare(Moments{30, 5, 30}, Moments{30, 0.1, 30}, fixed(0.05))), "Welch", FixedLook, true, []WarningCode{NoisyBaseline}},
		"at any time":      {compared(Compare(Counts{2000, 300}, Counts{2000, 200}, anyTime)), "confidence sequence", AnyTime, true, nil},
		"at looks": {
			compared(Compare(Counts{2000, 260}, Counts{2000, 200}, Assumed{Alpha: 0.05, Looked: AtLooks, Looks: EvenLooks(5)[:1], Spend: OBrienFleming})),
			"group-sequential", AtLooks, false, nil,
		},
		"few hits at a look": {
			compared(Compare(Counts{2000, 9}, Counts{2000, 20}, Assumed{Alpha: 0.05, Looked: AtLooks, Looks: EvenLooks(2), Spend: Pocock})),
			"group-sequential", NoGuarantee, false,
			[]WarningCode{FewHits},
		},
		"few units at a look": {
			compared(Compare(Moments{39, 5, 39}, Moments{400, 4, 400}, Assumed{Alpha: 0.05, Looked: AtLooks, Looks: EvenLooks(2), Spend: Pocock})),
			"group-sequential", NoGuarantee, true,
			[]WarningCode{FewUnits},
		},
		"at the last look": {
			compared(Compare(Counts{2000, 260}, Counts{2000, 200}, Assumed{Alpha: 0.05, Looked: AtLooks, Looks: EvenLooks(5), Spend: OBrienFleming})),
			"group-sequential", AtLooks, true, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(c.got.Method, c.method) || c.got.Guarantee != c.guarantee || c.got.Different != c.different {
				t.Errorf("%+v", c.got)
			}
			if got := codes(c.got); !slices.Equal(got, c.warnings) {
				t.Errorf("warnings %v, want %v", got, c.warnings)
			}
			if c.got.Level != 0.95 || !c.got.Interval.Contains(c.got.Effect.Value) {
				t.Errorf("level %g, interval %+v around %g", c.got.Level, c.got.Interval, c.got.Effect.Value)
			}
		})
	}
}

func TestFewUsersAreJudgedByTheSmallerVersion(t *testing.T) {
	few := Pair{N: 20, MeanY: 1, MeanX: 2, M2Y: 20, M2X: 20}
	many := Pair{N: 4000, MeanY: 1, MeanX: 2, M2Y: 4000, M2X: 4000}
	c, err := Compare(few, many, fixed(0.05))
	if err != nil || c.Effect.DF != 19 {
		t.Errorf("%+v (%v)", c.Effect, err)
	}
}

func TestCompareWaitsForEnoughData(t *testing.T) {
	anyTime := Assumed{Alpha: 0.05, Looked: AnyTime, Planned: 5000}
	for name, err := range map[string]error{
		"nine users":         second(Compare(Pair{N: 9, MeanX: 1, M2Y: 9}, Pair{N: 99, MeanX: 1, M2Y: 9}, fixed(0.05))),
		"one observation":    second(Compare(Moments{N: 1}, Moments{N: 9, M2: 1}, fixed(0.05))),
		"no trials":          second(Compare(Counts{}, Counts{9, 1}, fixed(0.05))),
		"nothing varies":     second(Compare(Moments{N: 9, Mean: 1}, Moments{N: 9, Mean: 2}, fixed(0.05))),
		"99 units, any time": second(Compare(Counts{99, 40}, Counts{999, 400}, anyTime)),
		"24 hits, any time":  second(Compare(Counts{999, 24}, Counts{999, 40}, anyTime)),
		"24 misses":          second(Compare(Counts{999, 975}, Counts{999, 900}, anyTime)),
	} {
		if !errors.Is(err, ErrNoData) {
			t.Errorf("%s: %v, want ErrNoData", name, err)
		}
	}
	for name, a := range map[string]Assumed{
		"no alpha":      {Looked: FixedLook},
		"no way":        {Alpha: 0.05},
		"another way":   {Alpha: 0.05, Looked: NoGuarantee},
		"no plan":       {Alpha: 0.05, Looked: AnyTime},
		"no looks":      {Alpha: 0.05, Looked: AtLooks, Spend: Pocock},
		"no spending":   {Alpha: 0.05, Looked: AtLooks, Looks: EvenLooks(2)},
		"alpha too big": {Alpha: 1, Looked: FixedLook},
	} {
		_, err := Compare(Counts{500, 50}, Counts{500, 60}, a)
		if _, ok := errors.AsType[*InputError](err); !ok {
			t.Errorf("%s: %v, want an *InputError", name, err)
		}
	}
}

func TestCompareAgreesWithItsParts(t *testing.T) {
	c, b := Counts{4000, 300}, Counts{4000, 240}
	z, err1 := MiettinenNurminenZ(c, b, 0)
	i, err2 := MiettinenNurminenInterval(c, b, 0.1)
	got, err3 := Compare(c, b, fixed(0.1))
	if err := input.First(err1, err2, err3); err != nil || got.Interval != i || got.P != 2*NormalSF(math.Abs(z)) {
		t.Errorf("%+v, parts %g and %+v (%v)", got, z, i, err)
	}
	looks := EvenLooks(3)
	bounds, err1 := Boundaries(looks, 0.025, Pocock)
	at, err2 := RepeatedP(bounds[2], looks, Pocock)
	if err := input.First(err1, err2); err != nil || math.Abs(at-0.025) > 1e-9 {
		t.Errorf("repeated p at the boundary %g (%v)", at, err)
	}
}

// TestErrorRatesOfProportionsByEnumeration needs no simulation: all outcomes of
// two small versions are weighed by their probability.
func TestErrorRatesOfProportionsByEnumeration(t *testing.T) {
	const n1, n2, alpha = 60, 40, 0.05
	var different [n1 + 1][n2 + 1]bool
	var interval [n1 + 1][n2 + 1]Interval
	for x1 := range int64(n1 + 1) {
		for x2 := range int64(n2 + 1) {
			c, err := Compare(Counts{n1, x1}, Counts{n2, x2}, fixed(alpha))
			if err != nil {
				t.Fatal(err)
			}
			different[x1][x2], interval[x1][x2] = c.Different, c.Interval
		}
	}
	weigh := func(p1, p2 float64, holds func(x1, x2 int) bool) float64 {
		sum := 0.0
		for x1 := range n1 + 1 {
			for x2 := range n2 + 1 {
				if holds(x1, x2) {
					sum += binomialProbability(float64(x1), n1, p1, 1-p1) * binomialProbability(float64(x2), n2, p2, 1-p2)
				}
			}
		}
		return sum
	}
	for _, p := range []float64{0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 0.97} {
		if rate := weigh(p, p, func(x1, x2 int) bool { return different[x1][x2] }); rate > 0.057 || p < 0.1 && rate > alpha {
			t.Errorf("p = %g: the test rejects with probability %.4f", p, rate)
		}
		for _, d := range []float64{-0.15, 0, 0.1, 0.2} {
			if p+d <= 0 || p+d >= 1 {
				continue
			}
			covered := weigh(p+d, p, func(x1, x2 int) bool { return interval[x1][x2].Contains(d) })
			if covered < 0.93 {
				t.Errorf("p = %g, difference %g: covered with probability %.4f", p, d, covered)
			}
		}
	}
}
