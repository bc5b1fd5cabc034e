// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// MaxClasses is how many classes tables show by name.
const MaxClasses = 12

// OtherClasses heads the rest.
const OtherClasses = "(other)"

// Agreement is which classes the baseline and a candidate gave to the same
// requests.
type Agreement struct {
	Version string `json:"version"`
	Metric  string `json:"metric"`
	// Classes head rows and columns, the most frequent first; the last is
	// OtherClasses if there are more than MaxClasses.
	Classes []string `json:"classes"`
	// Counts are pairs: row by row the baseline's class, column by column the
	// candidate's.
	Counts [][]int64 `json:"counts"`
	// Pairs is how many there are; Lost of them have classes beyond those that
	// are counted apart, and stand nowhere.
	Pairs int64 `json:"pairs"`
	Lost  int64 `json:"lost,omitempty"`
	// Same is the share of the pairs counted that have the same class, and Kappa
	// what it exceeds chance by (Cohen); absent where all have one class.
	Same  *float64 `json:"same,omitempty"`
	Kappa *float64 `json:"kappa,omitempty"`
}

// agreementsOf reads the pairs of classes of all mirror stages of the epoch.
func agreementsOf(in *Input) []Agreement {
	var out []Agreement
	totals := ofEpoch(in)
	for i := range in.Plan.Metrics {
		m := &in.Plan.Metrics[i]
		for v := 1; v < len(in.Plan.Versions) && m.Pairs != nil; v++ {
			if seen := totals.Get(v, experiment.CellAgreement+m.Name).Categories; len(seen) > 0 {
				a := agreementOf(seen)
				a.Version, a.Metric = in.Plan.Versions[v].Name, m.Name
				out = append(out, a)
			}
		}
	}
	return out
}

// agreementOf makes a table of counted pairs of classes. Kappa is of all classes,
// before the rare ones are put together.
func agreementOf(seen stats.Categories) Agreement {
	a := Agreement{Pairs: seen.Total()}
	often := map[string]int64{}
	for _, c := range seen {
		if c.Name == stats.OtherCategory {
			a.Lost += c.N
			continue
		}
		baseline, candidate := experiment.AgreementOf(c.Name)
		often[baseline] += c.N
		often[candidate] += c.N
	}
	all := byCount(often)
	if same, kappa, ok := kappaOf(seen, all); ok {
		a.Same, a.Kappa = same, kappa
	}
	a.Classes = all
	if len(all) > MaxClasses {
		a.Classes = append(slices.Clone(all[:MaxClasses]), OtherClasses)
	}
	a.Counts = tableOf(seen, a.Classes)
	return a
}

// byCount orders names, the most frequent first and equals by name.
func byCount(often map[string]int64) []string {
	names := make([]string, 0, len(often))
	for name := range often {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(cmp.Compare(often[y], often[x]), cmp.Compare(x, y)) })
	return names
}

// tableOf counts pairs by classes; what is not among them is the last.
func tableOf(seen stats.Categories, classes []string) [][]int64 {
	counts := make([][]int64, len(classes))
	for i := range counts {
		counts[i] = make([]int64, len(classes))
	}
	place := func(class string) int {
		if i := slices.Index(classes, class); i >= 0 {
			return i
		}
		return len(classes) - 1
	}
	for _, c := range seen {
		if c.Name != stats.OtherCategory {
			baseline, candidate := experiment.AgreementOf(c.Name)
			counts[place(baseline)][place(candidate)] += c.N
		}
	}
	return counts
}

func kappaOf(seen stats.Categories, classes []string) (same, kappa *float64, ok bool) {
	k, agreement, err := paired.Kappa(tableOf(seen, classes))
	switch {
	case err == nil:
		return &agreement, &k, true
	case len(classes) == 1:
		return new(1.0), nil, true
	}
	return nil, nil, false
}
