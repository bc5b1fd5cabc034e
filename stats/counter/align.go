// SPDX-License-Identifier: Apache-2.0

package counter

import "github.com/headgate-dev/headgate/stats/internal/input"

// Observation is what one version did in one window.
type Observation struct {
	// Amount is what is measured: errors, or the sum of latencies in seconds.
	Amount float64
	// Exposure is what it is measured per, such as requests.
	Exposure float64
}

// Observe makes observations of two counters of one version, of those windows
// that are complete in both. missing is how many are not: report it.
func Observe(amount, exposure []Window) (observed []Observation, missing int, err error) {
	rows, missing, err := complete("counter.Observe", amount, exposure)
	for _, r := range rows {
		observed = append(observed, Observation{Amount: r[0], Exposure: r[1]})
	}
	return observed, missing, err
}

// Version are the two counters of a version, cut by one frame.
type Version struct {
	Amount, Exposure []Window
}

// Align makes observations of two versions side by side: the i-th of both are
// of the same window. Windows that are not complete in all four counters are
// left out of both and counted as missing.
func Align(candidate, baseline Version) (c, b []Observation, missing int, err error) {
	rows, missing, err := complete("counter.Align", candidate.Amount, candidate.Exposure, baseline.Amount, baseline.Exposure)
	for _, r := range rows {
		c = append(c, Observation{Amount: r[0], Exposure: r[1]})
		b = append(b, Observation{Amount: r[2], Exposure: r[3]})
	}
	return c, b, missing, err
}

// complete lists the increases of the windows that are complete in all counters.
func complete(fn string, counters ...[]Window) (rows [][]float64, missing int, err error) {
	for _, windows := range counters {
		if len(windows) != len(counters[0]) {
			return nil, 0, input.Refuse(fn, "number of windows", float64(len(windows)), "the same in all counters")
		}
	}
	for i, first := range counters[0] {
		row, whole := make([]float64, len(counters)), true
		for k, windows := range counters {
			w := windows[i]
			if !w.Start.Equal(first.Start) || !w.End.Equal(first.End) {
				return nil, 0, input.Refuse(fn, "window", float64(i), "the same start and end in all counters")
			}
			row[k], whole = w.Increase, whole && w.Complete
		}
		if !whole {
			missing++
			continue
		}
		rows = append(rows, row)
	}
	return rows, missing, nil
}
