// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
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

	// By counting, as no vector has it: of A's 6 scores of at least 0.5, .9 .8 .6
	// .7 are true and .5 .65 are not; of B's 7, .85 .6 .75 .55 are true and .5 .58
	// .62 are not. Of the 5 true cases A gives 4 at least 0.6, and B gives 3.
	areaPrecision = [2]float64{4. / 6, 4. / 7}
	areaRecall    = [2]float64{4. / 5, 3. / 5}
)

// areaCopies is how often the cases are asked for: areas are judged from 30
// cases of each label and 100 of both on, and there are 5 and 7.
const areaCopies = 15

const areaPredictions = areaCopies * 12 // of each version

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

// areasAreDeLongs has both versions score the cases of PA-18, each case
// under one request id, and tells the truth by token, by unit and by request.
func areasAreDeLongs(t *testing.T) func(t *testing.T) {
	t.Helper()
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
  - {name: precision, from: {labels: {event: truth, of: precision, window: LABELS}}}
  - {name: recall, from: {labels: {event: truth, of: recall, threshold: 0.6, window: LABELS}}}
  reward: {metric: auc, minimumEffect: {absolute: 1%}}
  objectives: [{metric: auc, min: 55%}]
  stages: [{name: ab, split: {v1: 50%, v2: 50%}, until: {units: 600, atMost: 1h}, require: [{metric: auc, min: 85%}]}]
`)
	w.split()
	truth := w.scoreCases()
	w.tell(truth, experiment.Receipt{Duplicates: len(truth)})
	for i := range truth { // The truth was told: another one comes too late.
		truth[i].Value = new(1 - *truth[i].Value)
	}
	w.tell(truth, experiment.Receipt{Duplicates: len(truth)})
	w.counted("labels_conflicting_total", areaPredictions*2)
	w.pass(0)
	return w.seeAreas
}

// seeAreas looks at what has come of the cases.
func (w *world) seeAreas(t *testing.T) {
	w.t = t
	v := w.until("all predictions have matured", matured(areaPredictions))
	for i, version := range []string{"v1", "v2"} {
		wantAreas(t, &v, i, version)
	}
	gate := found(t, &v, experiment.RoleGate, "auc", "v2")
	if gate.Status != string(experiment.Undecided) || gate.N != areaPredictions || gate.Interval == nil || gate.Interval.Low > .85 || gate.Interval.High < .85 {
		t.Errorf("auc of at least 85%% in v2, where it is 80%% of few cases: %+v, want undecided", gate)
	}
	reward := found(t, &v, experiment.RoleReward, "auc", "v2")
	if reward.Estimate == nil || reward.N != 2*areaPredictions {
		t.Fatalf("reward: %+v", reward)
	}
	near(t, "v2's area less v1's", *reward.Estimate, areaWant[1]-areaWant[0], 1e-8)
}

// wantAreas asserts what the view says of one version's scores.
func wantAreas(t *testing.T, v *view.Experiment, i int, version string) {
	t.Helper()
	l := labelled(t, v, "auc", version)
	if l.Of != "auc" || l.Matured != areaPredictions || *l.Joined != 1 || l.Floor != .9 || l.Value == nil {
		t.Fatalf("auc of %s: %+v", version, l)
	}
	near(t, "auc of "+version, l.Value.Value, areaWant[i], 1e-8)
	near(t, "its standard error", standardError(l.Value), math.Sqrt(replicated(areaLabels, areaScores[i], areaCopies)), 1e-8)

	// Of the first copy alone the vector's own variance.
	l = labelled(t, v, "first", version)
	if l.Matured != areaPredictions || l.Value == nil {
		t.Fatalf("first of %s: %+v", version, l)
	}
	near(t, "share with a label", *l.Joined, 1./areaCopies, 1e-12)
	near(t, "first of "+version, l.Value.Value, areaWant[i], 1e-8)
	near(t, "its standard error", standardError(l.Value), math.Sqrt(areaVariance[i]), 1e-8)

	// The answers have no class; from 0.5 on, or what the plan says, they are
	// positive.
	near(t, "precision of "+version, labelled(t, v, "precision", version).Value.Value, areaPrecision[i], 1e-12)
	near(t, "recall of "+version, labelled(t, v, "recall", version).Value.Value, areaRecall[i], 1e-12)

	f := found(t, v, experiment.RoleObjective, "auc", version)
	if f.Status != string(experiment.Met) || f.N != areaPredictions || f.Estimate == nil || f.Interval == nil || f.Interval.Low < .55 {
		t.Fatalf("auc of at least 55%% in %s: %+v, want met", version, f)
	}
	near(t, "the objective's estimate", *f.Estimate, areaWant[i], 1e-8)
}

// scoreCases asks both versions for all cases and tells the truth of them: of the
// first copy as another event too, that "first" is made of. It gives what it told
// of all.
func (w *world) scoreCases() (all []told) {
	w.t.Helper()
	for copied := range areaCopies {
		var truth, early []told
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
		all = append(all, truth...)
		w.tellSoon(append(truth, early...), true)
	}
	return all
}
