// SPDX-License-Identifier: Apache-2.0

package load

import (
	"slices"
	"testing"
	"time"
)

func TestLineSaysHowFarItIs(t *testing.T) {
	for want, r := range map[string]Report{
		" 25%  250 sent  21700/s  15s left  v1 80.0%  v2 20.0%": {
			Planned: 1000, Offered: 250, Sent: 250, Sending: 5, Rate: 21_700.3, Answered: 200,
			Versions: []Version{{Name: "v1", Answers: 160}, {Name: "v2", Answers: 40}},
		},
		" 50%  250 sent  50/s  5s left  3 failed  2 errors  1 skipped": {
			Duration: 10, Sent: 250, Sending: 5, Rate: 50, Failed: 3, Errors: 2, Skipped: 1,
		},
		"100%  10 sent  5/s  4 answers to come":  {Planned: 10, Offered: 10, Sent: 10, Answered: 5, Failed: 1, Rate: 5, Duration: 99, Versions: nil},
		"100%  10 sent  5/s  7 outcomes to come": {Planned: 10, Offered: 10, Sent: 10, Answered: 10, Rate: 5, Outcomes: &Outcomes{Due: 9, Accepted: 2}},
		"  0%  0 sent  0/s":                      {Planned: 10},
	} {
		if r.Failed == 1 {
			want += "  1 failed"
		}
		if got := r.Line(); got != want {
			t.Errorf("line = %q, want %q", got, want)
		}
	}
}

func TestMilestonesComeByTenthsOrTenSeconds(t *testing.T) {
	for name, tc := range map[string]struct {
		planned int64
		want    []int // the seconds of its lines
	}{
		"each tenth":                 {40, []int{4, 8, 12, 16, 20, 24, 28, 32, 36, 40}},
		"each ten seconds":           {400, []int{10, 20, 30, 40}},
		"no line in a short run":     {0, nil},
		"a tenth resets the clock":   {150, []int{10, 15, 25, 30, 40}},
		"never more than one a tick": {2, []int{1, 2, 12, 22, 32}},
	} {
		t.Run(name, func(t *testing.T) {
			var m Milestones
			var got []int
			start := time.Unix(1000, 0)
			for tick := 1; tick <= 40*5; tick++ {
				at := float64(tick) / 5
				r := Report{Planned: tc.planned, Offered: min(tc.planned, int64(at)), Elapsed: at, Sending: at}
				if tc.planned == 0 {
					if at >= 1 {
						break
					}
					r.Planned, r.Offered = 10, int64(10*at)
				}
				if m.Reached(r, start.Add(time.Duration(at*float64(time.Second)))) {
					got = append(got, int(at))
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("lines at %v, want %v", got, tc.want)
			}
		})
	}
}

func TestCoarseKeepsEndsAndCounts(t *testing.T) {
	var r Report
	for i := range 37 {
		r.Histogram = append(r.Histogram, Bucket{Low: float64(i), High: float64(i + 1), Count: int64(i)})
	}
	for most, want := range map[int]int{0: 1, 1: 1, 18: 10, 19: 19, 37: 37, 99: 37} {
		got := r.Coarse(most)
		var sum int64
		for i, x := range got {
			sum += x.Count
			if i > 0 && got[i-1].High != x.Low {
				t.Errorf("at most %d: a gap before %+v", most, x)
			}
		}
		if len(got) != want || sum != 36*37/2 || got[0].Low != 0 || got[len(got)-1].High != 37 {
			t.Errorf("at most %d: %d buckets of %d, want %d of %d", most, len(got), sum, want, 36*37/2)
		}
	}
	if r.Histogram[0].Count != 0 || r.Histogram[36].Count != 36 {
		t.Error("the histogram itself was changed")
	}
}
