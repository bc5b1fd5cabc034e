// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// The row PA-18 (delong) of the statistics' vectors, tolerance 1e-8, from DeLong,
// DeLong and Clarke-Pearson (1988): twelve cases, and the scores that two
// versions give them.
var (
	areaLabels = []float64{1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0}
	areaScores = [2][]float64{
		{.9, .8, .35, .6, .7, .4, .5, .3, .2, .65, .1, .05},
		{.85, .6, .4, .75, .55, .5, .45, .58, .3, .62, .15, .2},
	}
	areaWant     = [2]float64{0.885714286, 0.8}
	areaVariance = [2]float64{0.0104761905, 0.019047619}
)

// areaCopies is how often the cases are asked for: areas are judged from 30
// cases of each label and 100 of both on, and there are 5 and 7.
const areaCopies = 15

// replicated is the variance of an area when each case is there k times. A case's
// placement is the share of the others that it stands on the right side of; k
// times all cases leave placements as they are, so that
//
//	k sum(d²)/(k m - 1)/(k m) + k sum(e²)/(k n - 1)/(k n)
//
// is the variance, d and e being what the placements of the m positive and the
// n negative cases lie off their means.
func replicated(labels, scores []float64, k float64) float64 {
	placement := func(i int) (place, others float64) {
		for j := range labels {
			if labels[j] == labels[i] {
				continue
			}
			others++
			switch d := (scores[i] - scores[j]) * (labels[i] - labels[j]); {
			case d > 0:
				place++
			case d == 0:
				place += .5
			}
		}
		return place / others, others
	}
	variance := 0.0
	for _, label := range []float64{0, 1} {
		n, sum, squares := 0.0, 0.0, 0.0
		for i := range labels {
			if labels[i] == label {
				p, _ := placement(i)
				n, sum, squares = n+1, sum+p, squares+p*p
			}
		}
		variance += k * (squares - sum*sum/n) / (k*n - 1) / (k * n)
	}
	return variance
}

// TestAreasAreDeLongs has both versions score the cases of PA-18, each case
// under one request id, and tells the truth by token, by unit and by request.
func TestAreasAreDeLongs(t *testing.T) {
	t.Parallel()
	for v := range areaScores {
		near(t, "the arithmetic of one copy", replicated(areaLabels, areaScores[v], 1), areaVariance[v], 1e-8)
	}
	score := func(version int) func(row int) string {
		return func(row int) string { return fmt.Sprintf(`{"predictions":[%g]}`, areaScores[version][row]) }
	}
	w := newWorld(t, "area", pathKServe, score(0), score(1), `
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: auc, from: {labels: {event: truth, of: auc, window: LABELS, joined: 90%}}}
  - {name: first, from: {labels: {event: early-truth, of: auc, window: LABELS}}}
  reward: {metric: auc, minimumEffect: {absolute: 1%}}
  objectives: [{metric: auc, min: 55%}]
  stages: [{name: ab, split: {v1: 50%, v2: 50%}, until: {units: 600, atMost: 1h}, require: [{metric: auc, min: 85%}]}]
`)
	w.split()
	truth, early := w.scoreCases()
	w.stored(2 * areaCopies * len(areaLabels))
	w.tell(early, experiment.Receipt{Accepted: len(early)})
	w.tell(truth, experiment.Receipt{Accepted: len(truth)})
	w.tell(truth, experiment.Receipt{Duplicates: len(truth)})
	for i := range truth { // The truth was told: another one comes too late.
		truth[i].Value = new(1 - *truth[i].Value)
	}
	w.tell(truth, experiment.Receipt{Duplicates: len(truth)})

	const n = int64(areaCopies * 12)
	v := w.until("all predictions have matured", matured(n))
	for i, version := range []string{"v1", "v2"} {
		l := labelled(t, &v, "auc", version)
		if l.Of != "auc" || l.Matured != n || *l.Joined != 1 || l.Floor != .9 || l.Value == nil {
			t.Fatalf("auc of %s: %+v", version, l)
		}
		near(t, "auc of "+version, l.Value.Value, areaWant[i], 1e-8)
		near(t, "its standard error", standardError(l.Value), math.Sqrt(replicated(areaLabels, areaScores[i], areaCopies)), 1e-8)

		// Of the first copy alone the vector's own variance.
		l = labelled(t, &v, "first", version)
		if l.Matured != n || l.Value == nil {
			t.Fatalf("first of %s: %+v", version, l)
		}
		near(t, "share with a label", *l.Joined, 1./areaCopies, 1e-12)
		near(t, "first of "+version, l.Value.Value, areaWant[i], 1e-8)
		near(t, "its standard error", standardError(l.Value), math.Sqrt(areaVariance[i]), 1e-8)

		f := found(t, &v, experiment.RoleObjective, "auc", version)
		if f.Status != string(experiment.Met) || f.N != n || f.Estimate == nil || f.Interval.Low < .55 {
			t.Errorf("auc of at least 55%% in %s: %+v, want met", version, f)
		}
		near(t, "the objective's estimate", *f.Estimate, areaWant[i], 1e-8)
	}
	gate := found(t, &v, experiment.RoleGate, "auc", "v2")
	if gate.Status != string(experiment.Undecided) || gate.N != n || gate.Interval.Low > .85 || gate.Interval.High < .85 {
		t.Errorf("auc of at least 85%% in v2, where it is 80%% of few cases: %+v, want undecided", gate)
	}
	reward := found(t, &v, experiment.RoleReward, "auc", "v2")
	if reward.Estimate == nil || reward.N != 2*n {
		t.Fatalf("reward: %+v", reward)
	}
	near(t, "v2's area less v1's", *reward.Estimate, areaWant[1]-areaWant[0], 1e-8)
}

// scoreCases asks both versions for all cases, and gives what there is to tell
// of them: the truth of all, and beside it that of the first copy.
func (w *world) scoreCases() (truth, early []told) {
	for copied := range areaCopies {
		for row := range areaLabels {
			label := new(areaLabels[row])
			request := fmt.Sprintf("case-%d-%d", copied, row)
			for _, version := range []string{"v1", "v2"} {
				unit := w.unit(version)
				token := w.ask(version, unit, request, row)
				switch {
				case copied%3 == 0:
					truth = append(truth, told{Token: token, Event: "truth", Value: label})
				case copied%3 == 1:
					truth = append(truth, told{Unit: unit, Event: "truth", Value: label})
				case version == "v2": // Once for both versions.
					truth = append(truth, told{Request: request, Event: "truth", Value: label})
				}
				if copied == 0 {
					early = append(early, told{Token: token, Event: "early-truth", Label: fmt.Sprint(*label)})
				}
			}
		}
	}
	return truth, early
}
