// SPDX-License-Identifier: Apache-2.0

package input

import (
	"errors"
	"math"
	"testing"
)

func TestEachCheckRefusesExactlyWhatIsOutside(t *testing.T) {
	values := []float64{math.NaN(), math.Inf(-1), -1, 0, 0.5, 1, math.MaxFloat64, math.Inf(1)}
	for name, c := range map[string]struct {
		check  func(fn, arg string, v float64) error
		passes string // one digit for each of the values
	}{
		"Finite":      {Finite, "00111110"},
		"Positive":    {Positive, "00001110"},
		"NonNegative": {NonNegative, "00011110"},
		"Fraction":    {Fraction, "00001000"},
	} {
		for i, v := range values {
			err := c.check("F", "x", v)
			in, refused := errors.AsType[*Error](err)
			if refused == (c.passes[i] == '1') || refused && (in.Func != "F" || in.Arg != "x" || in.Want == "" || errors.Is(err, ErrNoData)) {
				t.Errorf("%s of %g: %v", name, v, err)
			}
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	first := First(nil, NoData("multiple.Holm", "no p-values"), Refuse("F", "x", 2, "1"))
	if !errors.Is(first, ErrNoData) || first.Error() != "stats: multiple.Holm: no p-values: not enough data" {
		t.Errorf("%v", first)
	}
	if got := Refuse("F", "x", 2, "1").Error(); got != "stats: F: x is 2, want 1" {
		t.Errorf("%s", got)
	}
	if First(nil, nil) != nil {
		t.Error("an error of nothing")
	}
}
