// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// kind is a cell of a table of confusion: how often it is there, the true class,
// the predicted one and the score of fraud that comes with it.
type kind struct {
	n           int
	truth, says string
	score       float64
}

// Per 120 cases, of which 50 are fraud.
var (
	confusedOld = []kind{{30, "fraud", "fraud", .9}, {20, "fraud", "fine", .4}, {10, "fine", "fraud", .6}, {60, "fine", "fine", .1}}
	confusedNew = []kind{{45, "fraud", "fraud", .9}, {5, "fraud", "fine", .4}, {5, "fine", "fraud", .6}, {65, "fine", "fine", .1}}
)

const (
	// confusedCopies is how often the 120 cases are asked for.
	confusedCopies = 5
	// confusedSilent is how many more predictions have no label.
	confusedSilent = 30
)

// caseOf is the kind that a row is of. The rows go round, and are mixed, so that
// few of them are like all.
func caseOf(kinds []kind, row int) *kind {
	row = row * 77 % 120
	for i := range kinds {
		if row -= kinds[i].n; row < 0 {
			return &kinds[i]
		}
	}
	return nil
}

// ratio is the ratio of sums over units and its standard error by the delta
// method, sqrt(sum((y-Rx)²)/(n-1)/n)/mean(x), where the units of a kind all add
// the same y and x.
func ratio(kinds []kind, adds func(k *kind) (y, x float64)) (value, se float64) {
	n, sumY, sumX := 0.0, 0.0, 0.0
	for i := range kinds {
		y, x := adds(&kinds[i])
		c := float64(kinds[i].n * confusedCopies)
		n, sumY, sumX = n+c, sumY+c*y, sumX+c*x
	}
	value = sumY / sumX
	squares := 0.0
	for i := range kinds {
		y, x := adds(&kinds[i])
		squares += float64(kinds[i].n*confusedCopies) * (y - value*x) * (y - value*x)
	}
	return value, math.Sqrt(squares/(n-1)/n) / (sumX / n)
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (k *kind) fraud() float64 { return one(k.truth == "fraud") }
func (k *kind) said() float64  { return one(k.says == "fraud") }
func (k *kind) hit() float64   { return k.fraud() * k.said() }

// tableMetrics are what labels tell of a table: the metric's name, what each
// prediction adds, the values worked out by hand for the old and the new
// version, and what is known of both by the limits of the plan.
var tableMetrics = []struct {
	name     string
	adds     func(k *kind) (y, x float64)
	old, new float64
	known    [2]experiment.Status
}{
	// (30+60)/120 and (45+65)/120; at least 85 %.
	{"accuracy", func(k *kind) (y, x float64) { return one(k.says == k.truth), 1 }, 90. / 120, 110. / 120, [2]experiment.Status{experiment.Violated, experiment.Met}},
	// Of what is called fraud: 30/(30+10) and 45/(45+5); at least 70 %.
	{"precision", func(k *kind) (y, x float64) { return k.hit(), k.said() }, 30. / 40, 45. / 50, [2]experiment.Status{experiment.Undecided, experiment.Met}},
	// Of fraud: 30/(30+20) and 45/(45+5); at least 75 %.
	{"recall", func(k *kind) (y, x float64) { return k.hit(), k.fraud() }, 30. / 50, 45. / 50, [2]experiment.Status{experiment.Violated, experiment.Met}},
	// 2·30/(40+50) and 2·45/(50+50); at least 70 %.
	{"f1", func(k *kind) (y, x float64) { return 2 * k.hit(), k.said() + k.fraud() }, 60. / 90, 90. / 100, [2]experiment.Status{experiment.Undecided, experiment.Met}},
	// -(90 ln 0.9 + 30 ln 0.4)/120 and -(110 ln 0.9 + 10 ln 0.4)/120: a miss has
	// 0.4 for what is true, either way; at most 0.2.
	{"log-loss", func(k *kind) (y, x float64) { return -math.Log(1 - math.Abs(k.fraud()-k.score)), 1 }, 0.308093069712, 0.172938033676, [2]experiment.Status{experiment.Violated, experiment.Undecided}},
	// (90·0.1² + 30·0.6²)/120 and (110·0.1² + 10·0.6²)/120; at most 0.06.
	{"brier", func(k *kind) (y, x float64) { return (k.score - k.fraud()) * (k.score - k.fraud()), 1 }, 11.7 / 120, 4.7 / 120, [2]experiment.Status{experiment.Violated, experiment.Met}},
	// (30·0.9 + 20·0.4 + 10·0.6 + 60·0.1)/50 and (45·0.9 + 5·0.4 + 5·0.6 + 65·0.1)/50;
	// at least 0.9.
	{"calibration", func(k *kind) (y, x float64) { return k.score, k.fraud() }, 47. / 50, 52. / 50, [2]experiment.Status{experiment.Undecided, experiment.Met}},
}

const tableSpec = `
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: accuracy, from: {labels: {event: truth, of: accuracy, window: LABELS, joined: 80%}}}
  - {name: precision, from: {labels: {event: truth, of: precision, positive: fraud, window: LABELS}}}
  - {name: recall, from: {labels: {event: truth, of: recall, positive: fraud, window: LABELS}}}
  - {name: f1, from: {labels: {event: truth, of: f1, positive: fraud, window: LABELS}}}
  - {name: log-loss, from: {labels: {event: truth, of: log-loss, positive: fraud, window: LABELS}}}
  - {name: brier, from: {labels: {event: truth, of: brier, positive: fraud, window: LABELS}}}
  - {name: calibration, from: {labels: {event: truth, of: calibration, positive: fraud, window: LABELS}}}
  objectives:
  - {metric: accuracy, min: 85%}
  - {metric: precision, min: 70%}
  - {metric: recall, min: 75%}
  - {metric: f1, min: 70%}
  - {metric: log-loss, max: 0.2}
  - {metric: brier, max: 0.06}
  - {metric: calibration, min: 0.9}
`

// oipClass is an answer of a class and its score.
func oipClass(kinds []kind) func(row int) string {
	return func(row int) string {
		k := caseOf(kinds, row)
		return fmt.Sprintf(`{"model_name":"m","outputs":[{"name":"label","datatype":"BYTES","shape":[1],"data":[%q]},`+
			`{"name":"probability","datatype":"FP64","shape":[1],"data":[%g]}]}`, k.says, k.score)
	}
}

// tellTable asks both versions for all cases and tells the truth of them, one
// third each by token, by unit and by request. It gives what it told, and what is
// not to be told in time.
func tellTable(w *world, kinds [2][]kind) (labels, silent []told) {
	w.t.Helper()
	const asked = 120*confusedCopies + confusedSilent
	var waiting []told
	for row := range asked {
		for i, version := range []string{"v1", "v2"} {
			unit, request := w.unit(version), ""
			if row%3 == 2 {
				request = fmt.Sprint(version, "-", row)
			}
			token := w.ask(version, unit, request, row)
			label := told{Event: "truth", Label: caseOf(kinds[i], row).truth}
			switch row % 3 {
			case 0:
				label.Token = token
			case 1:
				label.Unit = unit
			default:
				label.Request = request
			}
			if row >= asked-confusedSilent {
				silent = append(silent, label)
				continue
			}
			labels, waiting = append(labels, label), append(waiting, label)
		}
		waiting = w.tellSoon(waiting, row == asked-1)
	}
	return labels, silent
}

// doNotCount tells what must not count, and gives the silent that are left.
func doNotCount(w *world, labels, silent []told) (left []told) {
	w.t.Helper()
	// The last of the silent are told in time of what happened after theirs.
	after := slices.Clone(silent[len(silent)-6:])
	for i := range after {
		after[i].Time = new(w.now().Add(labelWindow + time.Minute))
	}
	w.tell(after, experiment.Receipt{Accepted: len(after)})
	w.tell(labels, experiment.Receipt{Duplicates: len(labels)})
	w.tell([]told{{Request: "of nobody", Event: "truth", Label: "fraud"}}, experiment.Receipt{Unmatched: 1})
	return silent[:len(silent)-6]
}

// labelsOfATable serves two tables of confusion and holds every statistic of
// labels, its standard error and its verdicts against what is worked out by hand.
func labelsOfATable(t *testing.T) func(t *testing.T) {
	t.Helper()
	w := newWorld(t, "table", pathOIP, oipClass(confusedOld), oipClass(confusedNew), tableSpec+`
  reward: {metric: accuracy, minimumEffect: {absolute: 1%}}
  stages: [{name: ab, split: {v1: 50%, v2: 50%}, until: {units: 2000, atMost: 1h}}]
`)
	w.split()
	labels, silent := tellTable(w, [2][]kind{confusedOld, confusedNew})
	silent = doNotCount(w, labels, silent)
	w.pass(0)
	return func(t *testing.T) { w.seeTable(t, silent) }
}

// seeTable looks at what has come of the tables, the silent ones of which are
// told too late.
func (w *world) seeTable(t *testing.T, silent []told) {
	w.t = t
	v := w.until("all predictions have matured", matured(120*confusedCopies+confusedSilent))
	w.tell(silent, experiment.Receipt{Late: len(silent)})
	for _, m := range tableMetrics {
		for i, version := range []string{"v1", "v2"} {
			what := m.name + " of " + version
			value, se := ratio([][]kind{confusedOld, confusedNew}[i], m.adds)
			near(t, "the arithmetic of "+what, value, []float64{m.old, m.new}[i], 1e-10)

			l := labelled(t, &v, m.name, version)
			if l.Matured != 630 || l.Value == nil {
				t.Fatalf("%s: %+v", what, l)
			}
			near(t, "share with a label", *l.Joined, 600./630, 1e-12)
			near(t, what, l.Value.Value, value, 1e-10)
			near(t, "standard error of "+what, standardError(l.Value), se, 1e-10)

			f := found(t, &v, experiment.RoleObjective, m.name, version)
			if f.Status != string(m.known[i]) || f.N != 600 || f.Estimate == nil || f.Interval == nil {
				t.Errorf("%s: %s by %+v of %d, want %s", what, f.Question, f.Interval, f.N, m.known[i])
				continue
			}
			near(t, "the objective's "+what, *f.Estimate, value, 1e-10)
			if inside := f.Interval.Low <= *f.Limit && *f.Limit <= f.Interval.High; inside != (m.known[i] == experiment.Undecided) {
				t.Errorf("%s is %s, and the interval is %+v", what, f.Status, *f.Interval)
			}
		}
	}
	reward := found(t, &v, experiment.RoleReward, "accuracy", "v2")
	if reward.Estimate == nil || reward.N != 1200 {
		t.Fatalf("reward: %+v", reward)
	}
	near(t, "what v2 gains", *reward.Estimate, (110.-90)/120, 1e-10)
}

// labelsTakeABadVersionOut has the candidate make the old version's mistakes:
// by the truth alone it loses its share.
func labelsTakeABadVersionOut(t *testing.T) func(t *testing.T) {
	t.Helper()
	w := newWorld(t, "bad", pathOIP, oipClass(confusedNew), oipClass(confusedOld), tableSpec+`
  stages: [{name: canary, ramp: {steps: [50%]}, hold: {for: 1h}}]
`)
	w.split()
	kinds := map[string][]kind{"v1": confusedNew, "v2": confusedOld}
	var labels []told
	const most = 1200
	for row := range most {
		version, token := w.answer(fmt.Sprint("unit-", row), "", row)
		labels = append(labels, told{Token: token, Event: "truth", Label: caseOf(kinds[version], row).truth})
		labels = w.tellSoon(labels, row == most-1)
	}
	w.pass(0)
	return w.seeBad
}

// seeBad looks at the end of the bad version.
func (w *world) seeBad(t *testing.T) {
	w.t = t
	v := w.until("v2 is taken out", func(v *view.Experiment) bool { return v.Verdict.Outcome != "" })
	if v.Verdict.Outcome != string(experiment.RolledBack) || v.Verdict.Version != "v1" || v.Versions[1].Share != 0 {
		t.Errorf("the end: %+v, %+v", v.Verdict, v.Versions)
	}
	violated := 0
	for _, f := range v.Findings {
		if f.Status == string(experiment.Violated) {
			if violated++; f.Version != "v2" {
				t.Errorf("%s violates %s", f.Version, f.Question)
			}
		}
	}
	if violated == 0 {
		t.Errorf("no objective is violated in %+v", v.Findings)
	}
	replays(t, w.run)
}
