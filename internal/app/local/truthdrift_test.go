// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// The rows of the statistics' vectors that drift is held against.
var (
	// PA-11 (psi), tolerance 1e-9: sum (a-e) ln(a/e).
	driftExpected = []float64{.1, .2, .3, .25, .15}
	driftActual   = []float64{.08, .18, .28, .28, .18}
	// QT-10 (hist.ks): cumulative counts at 0.05, 0.1, 0.25, 0.5, 1 and above;
	// the largest distance at the edges is 0.03, and that of all where each
	// bucket's scores are one point.
	driftCumulated = [2][]int{{2400, 5600, 8700, 9700, 9950, 10000}, {1150, 2700, 4200, 4760, 4965, 5000}}
	driftPoints    = []float64{.03, .07, .2, .4, .8, 1.5}
)

const (
	psiWant = 0.016819446
	ksWant  = 0.03
)

// driftBatch is how many predictions an answer holds.
const driftBatch = 100

// answersAtATime is how many answers may wait to be read: few enough that none
// waits so long on a slow machine that the gateway drops it. It divides how many
// there are.
const answersAtATime = 10

// driftStride mixes predictions, so that no window of evidence sees other shares
// than the whole: it is prime to the numbers of them.
const driftStride = 3989

// batches are the answers of a version that predicts every class as often as
// wanted, and every score as often as QT-10 has it.
func batches(version int, shares []float64) func(row int) string {
	cumulated := driftCumulated[version]
	n := cumulated[len(cumulated)-1]
	var rows []string
	bucket, class, upTo := 0, 0, shares[0]
	for i := range n {
		for i >= cumulated[bucket] {
			bucket++
		}
		for float64(i) >= math.Round(upTo*float64(n)) {
			class++
			upTo += shares[class]
		}
		rows = append(rows, fmt.Sprintf(`{"label":"c%d","score":%g}`, class, driftPoints[bucket]))
	}
	mixed := make([]string, n)
	for i := range mixed {
		mixed[i] = rows[i*driftStride%n]
	}
	return func(row int) string {
		return `{"predictions":[` + strings.Join(mixed[row*driftBatch:(row+1)*driftBatch], ",") + `]}`
	}
}

// askBatches asks both versions for all their predictions.
func (w *world) askBatches() {
	w.t.Helper()
	for i, version := range []string{"v1", "v2"} {
		c := driftCumulated[i]
		for row := range c[len(c)-1] / driftBatch {
			w.ask(version, w.unit(version), "", row)
			if answers := row + 1; answers%answersAtATime == 0 {
				w.predicted(version, answers)
			}
		}
	}
}

// psiOf is the estimate of PSI that is shown, by hand: half a prediction is added
// to each of the 5 classes, so that shares are (count+1/2)/(n+5/2), and the bias
// that chance gives the sum, (5-1)(1/n+1/m), is taken off.
func psiOf(expected, actual []float64, n, m float64) (smoothed, bias float64) {
	bins := float64(len(expected))
	for i := range expected {
		e := (math.Round(expected[i]*n) + .5) / (n + bins/2)
		a := (math.Round(actual[i]*m) + .5) / (m + bins/2)
		smoothed += (a - e) * math.Log(a/e)
	}
	return smoothed, (bins - 1) * (1/n + 1/m)
}

// jsOf is the same for the Jensen-Shannon divergence in bits, without smoothing:
// the mean divergence from the middle, less PSI's bias over 8 ln 2.
func jsOf(expected, actual []float64, n, m float64) (bits, bias float64) {
	for i, p := range expected {
		q := actual[i]
		bits += (p*math.Log2(2*p/(p+q)) + q*math.Log2(2*q/(p+q))) / 2
	}
	return bits, float64(len(expected)-1) * (1/n + 1/m) / (8 * math.Ln2)
}

// drifted is a drift of v2 in a view.
func drifted(t *testing.T, v *view.Experiment, metric string) view.Drift {
	t.Helper()
	for _, d := range v.Predictions.Drifts {
		if d.Metric == metric && d.Version == "v2" {
			return d
		}
	}
	t.Fatalf("the view has no %s: %+v", metric, v.Predictions.Drifts)
	return view.Drift{}
}

func TestDriftIsTheVectors(t *testing.T) {
	t.Parallel()
	const n, m = 10000, 5000
	w := newWorld(t, "drift", pathKServe, batches(0, driftExpected), batches(1, driftActual), `
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: psi, from: {drift: {of: class}}}
  - {name: js, from: {drift: {of: class, by: js}}}
  - {name: ks, from: {drift: {of: score, by: ks}}}
  objectives: [{metric: psi, max: 0.1}, {metric: ks, max: 0.2}]
  stages: [{name: canary, ramp: {steps: [50%]}, hold: {for: 1h}, require: [{metric: ks, max: 0.05}, {metric: js, max: 0.05}]}]
`)
	w.split()
	w.askBatches()
	v := w.until("all predictions are counted", func(v *view.Experiment) bool {
		return v.Predictions.Versions[0].N == n && v.Predictions.Versions[1].N == m
	})
	for i, shares := range [][]float64{driftExpected, driftActual} {
		if len(v.Predictions.Versions[i].Classes) != len(shares) {
			t.Errorf("classes: %+v", v.Predictions.Versions[i].Classes)
		}
		for _, c := range v.Predictions.Versions[i].Classes {
			near(t, "share of "+c.Class, c.Share, shares[c.Class[1]-'0'], 1e-12)
		}
		if s := v.Predictions.Versions[i].Scores; s == nil || s.N != v.Predictions.Versions[i].N || s.P50 != .07 || s.P95 != .4 {
			t.Errorf("scores of version %d: %+v", i, s)
		}
	}

	smoothed, bias := psiOf(driftExpected, driftActual, n, m)
	raw, _ := psiOf(driftExpected, driftActual, 1e12, 1e12) // Where half a prediction is nothing.
	near(t, "the arithmetic of PSI", raw, psiWant, 1e-9)
	psi := drifted(t, &v, "psi")
	near(t, "psi", psi.Value, smoothed-bias, 1e-12)
	near(t, "psi and its bias, but for the smoothing", psi.Value+bias, psiWant, 1e-4)

	bits, bias := jsOf(driftExpected, driftActual, n, m)
	near(t, "js", drifted(t, &v, "js").Value, bits-bias, 1e-12)

	ks := drifted(t, &v, "ks")
	near(t, "ks", ks.Value, ksWant, 1e-10)
	// At any time both distributions may be off by more than they are at one time,
	// sqrt(ln(2/alpha)/(2n)) (Dvoretzky, Kiefer, Wolfowitz), half of the error each.
	once := math.Sqrt(math.Log(4/(1-ks.Level))/(2*n)) + math.Sqrt(math.Log(4/(1-ks.Level))/(2*m))
	if r := ks.Interval.High - ks.Value; ks.N != m || ks.NBaseline != n || !ks.Interval.Contains(ksWant) || r < once || r > 2*once {
		t.Errorf("ks: %+v", ks)
	}

	wantDriftVerdicts(t, &v, n+m)
}

// wantDriftVerdicts asserts what is known by the limits, of so many predictions.
func wantDriftVerdicts(t *testing.T, v *view.Experiment, n int64) {
	t.Helper()
	for _, c := range []struct {
		role   experiment.Role
		metric string
		want   experiment.Status
	}{
		{experiment.RoleObjective, "psi", experiment.Met},
		{experiment.RoleObjective, "ks", experiment.Met},
		{experiment.RoleGate, "ks", experiment.Undecided}, // 3 % and some 6 % that chance could make.
		{experiment.RoleGate, "js", experiment.Met},
	} {
		f := found(t, v, c.role, c.metric, "v2")
		if f.Status != string(c.want) || f.Estimate == nil || *f.Estimate != drifted(t, v, c.metric).Value || f.N != n {
			t.Errorf("%s %s: %+v, want %s", c.role, f.Question, f, c.want)
		}
	}
}

// TestDriftTakesAVersionOut has the candidate predict the classes the other way
// round: PSI is far above what is allowed, and the candidate loses its share.
func TestDriftTakesAVersionOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "drifted", pathKServe, batches(0, []float64{.1, .1, .2, .3, .3}), batches(1, []float64{.3, .3, .2, .1, .1}), `
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: psi, from: {drift: {of: class}}}]
  objectives: [{metric: psi, max: 0.2}]
  stages: [{name: canary, ramp: {steps: [50%]}, hold: {for: 1h}}]
`)
	w.split()
	for i := range 100 { // Whoever answers: v2 may be out before all have asked.
		w.answer(fmt.Sprint("unit-", i), "", i/2)
	}
	v := w.until("v2 is taken out", func(v *view.Experiment) bool { return v.Verdict.Outcome != "" })
	f := found(t, &v, experiment.RoleObjective, "psi", "v2")
	if v.Verdict.Outcome != string(experiment.RolledBack) || v.Versions[1].Share != 0 || f.Status != string(experiment.Violated) || f.Interval.Low <= .2 {
		t.Errorf("the end: %+v, by %+v", v.Verdict, f)
	}
	replays(t, w.run)
}
