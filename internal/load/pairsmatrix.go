// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats/paired"
)

const (
	// maxMatrix is how many classes have a name in a matrix.
	maxMatrix = 12
	// OtherClasses heads the rest.
	OtherClasses = "(other)"
)

// PairMatrix is which classes the endpoints gave to the same requests; of a
// batch it is the first row's that has one on both sides.
type PairMatrix struct {
	// Classes head rows and columns: in their order where they are at most twelve
	// numbers, else the most frequent first. The last is OtherClasses if there are
	// more than twelve.
	Classes []string `json:"classes"`
	// Counts are pairs: row by row the baseline's class, column by column the
	// candidate's.
	Counts [][]int64 `json:"counts"`
	Pairs  int64     `json:"pairs"`
	// Lost pairs have classes beyond those that are told apart, and stand
	// nowhere.
	Lost int64 `json:"lost,omitempty"`
	// Same is the share with the same class, Kappa what it exceeds chance by
	// (Cohen), of all classes before the rare ones are put together; nil where
	// chance explains everything, because all have one class.
	Same  *float64 `json:"same"`
	Kappa *float64 `json:"kappa"`
}

// matrix is nil where no classes were compared.
func (v *valueTally) matrix() *PairMatrix {
	if len(v.classes) == 0 {
		return nil
	}
	out := &PairMatrix{Lost: v.lost}
	often := make(map[string]int64)
	for name, n := range v.classes {
		out.Pairs += n
		baseline, candidate := experiment.AgreementOf(name)
		often[baseline] += n
		often[candidate] += n
	}
	all := slices.SortedFunc(maps.Keys(often), func(a, b string) int {
		return cmp.Or(cmp.Compare(often[b], often[a]), cmp.Compare(a, b))
	})
	if len(all) <= maxMatrix {
		sortNumbers(all)
	}
	whole := v.counts(all)
	if kappa, same, err := paired.Kappa(whole); err == nil {
		out.Same, out.Kappa = &same, &kappa
	} else if len(all) == 1 {
		out.Same = new(1.0)
	}
	out.Classes, out.Counts = all, whole
	if len(all) > maxMatrix {
		out.Classes = append(slices.Clone(all[:maxMatrix]), OtherClasses)
		out.Counts = v.counts(out.Classes)
	}
	return out
}

// sortNumbers sorts classes if all are numbers.
func sortNumbers(classes []string) {
	values := make(map[string]float64, len(classes))
	for _, c := range classes {
		f, err := strconv.ParseFloat(c, 64)
		if err != nil || math.IsNaN(f) {
			return
		}
		values[c] = f
	}
	slices.SortStableFunc(classes, func(a, b string) int { return cmp.Compare(values[a], values[b]) })
}

// counts lays out the pairs; a class that is not among the heads is the last.
func (v *valueTally) counts(heads []string) [][]int64 {
	place := make(map[string]int, len(heads))
	counts := make([][]int64, len(heads))
	for i, head := range heads {
		place[head], counts[i] = i, make([]int64, len(heads))
	}
	find := func(class string) int {
		if i, ok := place[class]; ok {
			return i
		}
		return len(heads) - 1
	}
	for name, n := range v.classes {
		baseline, candidate := experiment.AgreementOf(name)
		counts[find(baseline)][find(candidate)] += n
	}
	return counts
}
