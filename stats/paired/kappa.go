// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Kappa is Cohen's kappa (1960) of two versions that label the same cases:
// table[i][j] counts those that one labels i and the other j. agreement is the
// share labelled alike; kappa is what it exceeds chance by, as a share of what
// it could: 1 if all are alike, 0 if as many as independent labels with the
// same frequencies would be, below 0 if fewer. It is an estimate without a
// test. If all cases have one label, chance explains everything, and kappa is
// ErrNoData.
func Kappa(table [][]int64) (kappa, agreement float64, err error) {
	const fn = "paired.Kappa"
	rows, columns := make([]float64, len(table)), make([]float64, len(table))
	total, alike := 0.0, 0.0
	for i, row := range table {
		if err := sameLength(fn, "row", len(row), len(table)); err != nil {
			return 0, 0, err
		}
		for j, n := range row {
			if n < 0 {
				return 0, 0, input.Refuse(fn, "count", float64(n), "0 or more")
			}
			rows[i] += float64(n)
			columns[j] += float64(n)
			total += float64(n)
			if i == j {
				alike += float64(n)
			}
		}
	}
	if total == 0 {
		return 0, 0, input.NoData(fn, "no cases")
	}
	agreement = alike / total
	chance := 0.0
	for i := range rows {
		chance += (rows[i] / total) * (columns[i] / total)
	}
	if chance >= 1 {
		return 0, 0, input.NoData(fn, "all cases have the same label")
	}
	return (agreement - chance) / (1 - chance), agreement, nil
}
