// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"math"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %.14g, want %.14g within %g", what, got, want, tol)
	}
}

func TestSegmentsAgreeWithThirtyDigits(t *testing.T) {
	// mpmath, adaptive quadrature.
	steps := []Segment{{3, 95, 1, 99}, {16, 80, 1, 9}, {71, 52, 5, 5}}
	none := []Segment{{0, 40, 2, 8}, {0, 9, 1, 1}}
	all := []Segment{{9, 0, 0.05, 0.95}}
	for _, c := range []struct {
		name                 string
		segments             []Segment
		half, greater, twice float64
	}{
		{"a canary's steps", steps, 2.3197799963036, 3.00898787907812, 1.28820059732829},
		{"no event of the candidate", none, 6.65450533304305, -2.12837346961112, 12.4372623013691},
		{"all events the candidate's", all, 7.54001994224029, 8.23312009147072, 21.9814933545846},
	} {
		t.Run(c.name, func(t *testing.T) {
			half, err1 := LogE(c.segments, 0.5)
			greater, err2 := LogEGreater(c.segments, 0.5)
			twice, err3 := LogE(c.segments, 2)
			if err := input.First(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			closeTo(t, "two-sided", half, c.half, 1e-11)
			closeTo(t, "one-sided", greater, c.greater, 1e-11)
			closeTo(t, "two-sided, tau 2", twice, c.twice, 1e-11)
		})
	}
}

func TestExactTestByCounting(t *testing.T) {
	// Eight events, two thirds of the exposure: probabilities in 6561sts are
	// 1, 16, 112, 448, 1120, 1792, 1792, 1024, 256.
	weights := []float64{1, 16, 112, 448, 1120, 1792, 1792, 1024, 256}
	for x, w := range weights {
		want := 0.0
		for _, v := range weights {
			if v <= w {
				want += v / 6561
			}
		}
		p, err := RateRatioP(Events{int64(x), 2}, Events{int64(8 - x), 1})
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "p", p, want, 1e-12)
	}
}

func TestPairedWindowsByHand(t *testing.T) {
	// Log ratios ln 2 and ln 8: mean ln 4, deviation ln 2 from it, SE ln 2.
	c := []Observation{{2, 1}, {24, 3}}
	b := []Observation{{1, 1}, {2, 2}}
	p, err := PairedLogRatio(c, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "log ratio", p.LogRatio.Value, math.Log(4), 1e-15)
	closeTo(t, "standard error", p.LogRatio.SE, math.Ln2, 1e-15)
	closeTo(t, "degrees of freedom", p.LogRatio.DF, 1, 0)
}

func TestNeweyWestStepByStep(t *testing.T) {
	// Deviations +1, +1, …, -1, -1, … in eight runs of five. Of 39 neighbours 7
	// differ: the autocorrelation is (39-14)/40 = 5/8. What each leaves of the
	// one before is 3/8 times its sign, or 13/8 times it at a turn. The lag is
	// floor(4 (40/100)^(2/9)) = 3.
	var c, b []Observation
	d, rest := make([]float64, 40), []float64{}
	for i := range d {
		d[i] = 1 - 2*float64(i/5%2)
		c, b = append(c, Observation{math.Exp(d[i]), 1}), append(b, Observation{1, 1})
		switch {
		case i > 0 && i%5 == 0:
			rest = append(rest, 13./8*d[i])
		case i > 0:
			rest = append(rest, 3./8*d[i])
		}
	}
	own := func(lag int) float64 {
		sum := 0.0
		for i := lag; i < len(rest); i++ {
			sum += rest[i] * rest[i-lag]
		}
		return sum / 39
	}
	p, err := PairedLogRatio(c, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	if p.Lag != 3 {
		t.Errorf("lag %d, want 3", p.Lag)
	}
	closeTo(t, "autocorrelation", p.Autocorrelation, 5./8, 1e-12)
	long := (own(0) + 2*(0.75*own(1)+0.5*own(2)+0.25*own(3))) / (3. / 8 * 3 / 8)
	closeTo(t, "standard error", p.LogRatio.SE, math.Sqrt(max(1, long)/39), 1e-12)
	if long <= 1 {
		t.Error("the example corrects nothing")
	}
}

// at is so many seconds after midnight of some day.
func at(seconds int) time.Time {
	return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// frame has four windows of a minute; samples every 20 s may miss one scrape.
var frame = Frame{Start: at(60), Width: time.Minute, Count: 4, MaxGap: 45 * time.Second}

// scraped samples a counter that rises by one each second, every 20 s.
func scraped(from, to int) []Sample {
	var out []Sample
	for s := from; s <= to; s += 20 {
		out = append(out, Sample{At: at(s), Value: float64(s - from)})
	}
	return out
}

func without(samples []Sample, seconds ...int) []Sample {
	var out []Sample
next:
	for _, s := range samples {
		for _, drop := range seconds {
			if s.At.Equal(at(drop)) {
				continue next
			}
		}
		out = append(out, s)
	}
	return out
}

func TestWindows(t *testing.T) {
	restarted := scraped(45, 305)
	for i := range restarted {
		if restarted[i].At.After(at(150)) {
			restarted[i].Value = float64(restarted[i].At.Sub(at(150)) / time.Second)
		}
	}
	for _, c := range []struct {
		name     string
		series   Series
		increase [4]float64
		complete [4]bool
		resets   int
	}{
		{"each second is counted once", Series{Samples: scraped(45, 305)}, [4]float64{60, 60, 60, 60}, [4]bool{true, true, true, true}, 0},
		{"one missed scrape is no gap and moves the edge", Series{Samples: without(scraped(45, 305), 165)}, [4]float64{60, 40, 80, 60}, [4]bool{true, true, true, true}, 0},
		{"a restart loses what was not scraped", Series{Samples: restarted}, [4]float64{60, 55, 60, 60}, [4]bool{true, true, true, true}, 1},
		{"a gap spoils the windows it touches", Series{Samples: without(scraped(45, 305), 165, 185, 205)}, [4]float64{60, 0, 0, 60}, [4]bool{true, false, false, true}, 0},
		{"what came before the first sample is not known", Series{Samples: scraped(105, 305)}, [4]float64{0, 60, 60, 60}, [4]bool{false, true, true, true}, 0},
		{"what came after the last is not known", Series{Samples: scraped(45, 185)}, [4]float64{60, 60, 0, 0}, [4]bool{true, true, false, false}, 0},
		{"a birth is a zero", Series{Born: at(150), Samples: []Sample{{at(165), 15}, {at(185), 35}, {at(205), 55}, {at(225), 75}, {at(245), 95}, {at(265), 115}, {at(285), 135}, {at(300), 150}}}, [4]float64{0, 15, 60, 75}, [4]bool{true, true, true, true}, 0},
		{"after the end nothing is missing", Series{Samples: scraped(45, 185), Gone: at(190)}, [4]float64{60, 60, 20, 0}, [4]bool{true, true, true, true}, 0},
		{"no samples are no zero", Series{}, [4]float64{}, [4]bool{}, 0},
		{"gone before the first window", Series{Gone: at(30)}, [4]float64{}, [4]bool{true, true, true, true}, 0},
		{"born and never scraped", Series{Born: at(70)}, [4]float64{}, [4]bool{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			windows, err := c.series.Windows(frame)
			if err != nil {
				t.Fatal(err)
			}
			resets := 0
			for i, w := range windows {
				resets += w.Resets
				if !w.Start.Equal(at(60*(i+1))) || !w.End.Equal(at(60*(i+2))) {
					t.Errorf("window %d from %v to %v", i, w.Start, w.End)
				}
				if w.Complete != c.complete[i] || w.Complete && w.Increase != c.increase[i] {
					t.Errorf("window %d: %+v, want %g, complete %t", i, w, c.increase[i], c.complete[i])
				}
			}
			if resets != c.resets {
				t.Errorf("%d resets, want %d", resets, c.resets)
			}
		})
	}
}

func TestReplicasAreAddedAndGapsStay(t *testing.T) {
	whole, err1 := Series{Samples: scraped(45, 305)}.Windows(frame)
	gappy, err2 := Series{Samples: without(scraped(45, 305), 165, 185)}.Windows(frame)
	if err := input.First(err1, err2); err != nil {
		t.Fatal(err)
	}
	sum, err := Sum(whole, whole, gappy)
	if err != nil {
		t.Fatal(err)
	}
	if sum[0].Increase != 180 || !sum[0].Complete || sum[1].Complete || sum[3].Increase != 180 {
		t.Errorf("%+v", sum)
	}
	if whole[0].Increase != 60 {
		t.Error("the sum changed what it was made of")
	}
	c, b, missing, err := Align(Version{whole, sum}, Version{whole, whole})
	if err != nil {
		t.Fatal(err)
	}
	if len(c) != 2 || len(b) != 2 || missing != 2 || c[0] != (Observation{60, 180}) || b[1] != (Observation{60, 60}) {
		t.Errorf("candidate %v, baseline %v, %d missing", c, b, missing)
	}
	o, missing, err := Observe(whole, whole)
	if err != nil || len(o) != 4 || missing != 0 {
		t.Errorf("%v, %d missing (%v)", o, missing, err)
	}
}
