// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/report"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

// shadowed is a run whose shadow was passed by everybody but is in doubt for
// premium users; its answers are read and their labels come later.
func shadowed(classes ...string) *writer {
	p := plan()
	p.Predictions = &experiment.Predictions{Sample: experiment.Whole, Digests: []string{"X-Artifact"}}
	p.Reward = &experiment.Reward{Metric: "loss"}
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "same", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}},
		experiment.Metric{Name: "loss", Goal: experiment.Decrease, Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.LogLoss, Window: time.Minute, Joined: 0.8}},
		experiment.Metric{Name: "nulls", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.NullOutput}},
		experiment.Metric{Name: "size", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.OutputSize}},
		experiment.Metric{Name: "shift", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}},
	)
	p.Objectives = append(p.Objectives, experiment.Objective{Metric: "size", Max: new(2000.0)})
	p.Stages[0] = experiment.Stage{
		Name: "shadow", Mirror: &experiment.Mirror{Share: 1000, Until: experiment.Until{Pairs: 2000, AtMost: time.Hour}},
		Require: []experiment.Objective{{Metric: "same", Min: new(0.8), Slices: []string{"tier"}}},
	}
	w := begin(p)
	passed := experiment.Facts{Judgement: experiment.Judgement{Verdicts: []experiment.Verdict{
		gate("", experiment.Met, 0.9, 0.02), gate("tier=free", experiment.Met, 0.95, 0.02), gate("tier=premium", experiment.Undecided, 0.76, 0.06),
	}, Pairs: 8170}}
	w.state.Stage, w.state.StageStart = 1, started.Add(30*time.Minute)
	w.add(30*time.Minute, experiment.ActAdvance, experiment.Shares{5000, 5000}, answered(classes), passed,
		experiment.Because(experiment.ReasonStageDone, "stage", "shadow"), experiment.Because(experiment.ReasonStageEntered, "stage", "ab"))
	size := objective(experiment.Met, 900, 898, 902)
	size.Metric, size.Limit = "size", new(2000.0)
	loss := comparison(experiment.RoleReward, "loss", "", experiment.Better, -0.031, 0.019)
	w.add(2*time.Hour, experiment.ActHold, nil, nil, experiment.Facts{Judgement: experiment.Judgement{
		Verdicts: []experiment.Verdict{size, loss}, Seen: []int64{5000, 5000}, Spent: experiment.Spent{Cost: 42.25, Stages: []float64{30.25, 12}},
		Drifts: []experiment.Drift{{Version: 1, Metric: "shift", Value: 0.012, Interval: stats.Interval{Low: 0.001, High: 0.024}, Level: 0.99, N: 7300, NBaseline: 7000}},
	}}, experiment.Because(experiment.ReasonNeedUnits, "have", "900", "more", "about 3100 units more"))
	return w
}

func gate(slice string, status experiment.Status, estimate, half float64) experiment.Verdict {
	return experiment.Verdict{
		Version: 1, Metric: "same", Slice: slice, Role: experiment.RoleGate, Status: status, Estimate: &estimate,
		Interval: &stats.Interval{Low: estimate - half, High: estimate + half}, Level: 0.99, Guarantee: experiment.GuaranteeAnytime,
		Basis: experiment.BasisPairs, N: 8170, Limit: new(0.8),
	}
}

// answered is a phase in which v2 gave the second class for some of the first.
func answered(classes []string) *experiment.PhaseTotals {
	one, two := classes[0], classes[1]
	p := evidence(2, 0, 0, experiment.Shares{10000, 0}, 20000)
	add := func(v int, metric string, e experiment.Evidence) {
		p.Cells = append(p.Cells, experiment.Total{Version: v, Metric: metric, Evidence: e})
	}
	add(1, experiment.CellAgreement+"same", experiment.Evidence{Categories: stats.CategoriesOf(map[string]int64{
		experiment.AgreementClass(one, one): 6560, experiment.AgreementClass(one, two): 210, experiment.AgreementClass(two, one): 600, experiment.AgreementClass(two, two): 800,
	})})
	for v, artifact := range []map[string]int64{{"sha256:aa": 7000}, {"sha256:bb": 600, "sha256:cc": 40, experiment.NoDigest: 3}} {
		var s stats.Scores
		for i := range 400 {
			s.Add(math.Sqrt(float64(i)/400)-0.1*float64(v), i%4 == 0)
		}
		add(v, experiment.CellClasses, experiment.Evidence{Categories: stats.CategoriesOf(map[string]int64{one: 6100, two: int64(900 + 300*v)})})
		add(v, experiment.CellScores, experiment.Evidence{Scores: s})
		add(v, experiment.CellTokens, experiment.Evidence{Units: stats.Pair{N: 7000, MeanY: 25, MeanX: 1}})
		add(v, experiment.CellDigest+"x-artifact", experiment.Evidence{Categories: stats.CategoriesOf(artifact)})
		add(v, "nulls", experiment.Evidence{Counts: stats.Counts{N: 7000, X: 70}})
		add(v, "size", experiment.Evidence{Units: stats.Pair{N: 7000, MeanY: 900, MeanX: 1, M2Y: 7000 * 2500}})
		add(v, "loss", experiment.Evidence{Units: stats.Pair{N: 5000, MeanY: 0.4, MeanX: 1, M2Y: 500}, Counts: stats.Counts{N: 6000, X: 1000}})
	}
	slices.SortStableFunc(p.Cells, func(a, b experiment.Total) int {
		return cmp.Or(strings.Compare(a.Metric, b.Metric), a.Version-b.Version)
	})
	p.Folded = experiment.Folded{Gateway: 300, Outcomes: 250, Pairs: 290}
	return p
}

func TestAnswersGolden(t *testing.T) {
	for format, file := range map[string]string{"html": "testdata/answers.html", "md": "testdata/answers.md"} {
		t.Run(format, func(t *testing.T) {
			got := written(t, of(t, shadowed("fine", "fraud")), format)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s differs (-want +got):\n%s", file, d)
			}
		})
	}
}

// TestAnswersAreReported looks at what the golden files should say, whatever they
// do: the gates of a stage that is over too, and units as units.
func TestAnswersAreReported(t *testing.T) {
	r := of(t, shadowed("fine", "fraud"))
	if len(r.Gates) != 3 || len(r.Forests) != 2 {
		t.Fatalf("%d gates, %d forests", len(r.Gates), len(r.Forests))
	}
	// The reward is judged now; the gates were passed.
	f := r.Forests[1]
	if !f.IsLimit() || !f.Paired() || len(f.Rows) != 3 || f.From > 0.7 || f.To < 0.97 || f.At(f.From) >= f.At(0.8) || f.At(0.8) >= f.At(0.9) {
		t.Errorf("the gates' forest is %+v", f)
	}
	if w := f.Whisker(f.Rows[2]); !strings.ContainsRune(w, '║') || strings.IndexRune(w, '●') > strings.IndexRune(w, '║') {
		t.Errorf("the group below its limit is drawn as %q", w)
	}
	for _, format := range []string{"html", "md"} {
		text := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#43;", "+", `\[`, "[", `\]`, "]", "<!-- -->", "").Replace(string(written(t, r, format)))
		for _, want := range []string{
			"Agreement", "fraud", "fine", "tier=premium", "paired with v1",
			// By hand: 6560 of 6770, 600 of 1400, and kappa as in internal/view.
			"96.9%", "42.9%", "90.09% of 8,170 pairs; kappa 0.61: substantial agreement",
			"900 bytes [898.8, 901.2] of 7,000", "1.00% [0.77, 1.23] of 7,000", "0.012 [0.001, 0.024]", "-0.031",
			"83.33%", "the plan wants 80%", "sha256:bb (600), sha256:cc (40), none (3)", "a mix", "30.25", "175,000",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", format, want)
			}
		}
		for _, wrong := range []string{"90000", "-3.10", "40.00%"} {
			if strings.Contains(text, wrong) {
				t.Errorf("%s says %q: a number of a unit is written as percent", format, wrong)
			}
		}
	}
}

// TestRetriedGatesAreForgotten: a retry asks anew, and so do its gates.
func TestRetriedGatesAreForgotten(t *testing.T) {
	w := shadowed("fine", "fraud")
	w.state.Epoch, w.state.Stage = 2, 0
	w.add(3*time.Hour, experiment.ActRetry, experiment.Shares{10000, 0}, nil, experiment.Facts{}, experiment.Because(experiment.ReasonRetried, "author", "operator", "reason", "again"))
	if r := of(t, w); len(r.Gates) != 0 {
		t.Errorf("gates of another epoch are shown: %+v", r.Gates)
	}
}

// TestHostileClassesStayText: classes and digests are what models say.
func TestHostileClassesStayText(t *testing.T) {
	const evil = "<script>alert(1)</script>|[x](http://evil.example)`\n# Verdict"
	r := of(t, shadowed(evil, "fine"))
	html := written(t, r, "html")
	if strings.Contains(string(html), "<script") {
		t.Error("the page runs what a class says")
	}
	wellFormed(t, html)
	md := string(written(t, r, "md"))
	if strings.Contains(md, "<script") || strings.Contains(md, "\n# Verdict") || strings.Contains(md, "[x](") {
		t.Errorf("the text has markup of a class:\n%s", md)
	}
}

func TestKappaWords(t *testing.T) {
	for _, c := range []struct {
		kappa float64
		want  string
	}{{-0.1, "less than by chance"}, {0.2, "slight agreement"}, {0.4, "fair agreement"}, {0.6, "moderate agreement"}, {0.8, "substantial agreement"}, {0.81, "almost perfect agreement"}} {
		if got := report.KappaWords(c.kappa); got != c.want {
			t.Errorf("kappa %v is %q, want %q", c.kappa, got, c.want)
		}
	}
}

func TestAgreementWords(t *testing.T) {
	for want, a := range map[string]view.Agreement{
		"v2 gave the same class as v1 in 100.00% of 5 pairs; there is one class only, so chance explains all of it":                             {Version: "v2", Pairs: 5, Same: new(1.0)},
		"v2 gave the same class as v1 in 50.00% of 10 pairs; kappa 0.00: slight agreement; 3 more pairs have rarer classes and are not counted": {Version: "v2", Pairs: 13, Lost: 3, Same: new(0.5), Kappa: new(0.0)},
		"v2 answered 3 pairs; none of their classes is counted":                                                                                 {Version: "v2", Pairs: 3, Lost: 3},
	} {
		if got := report.AgreementWords(&a, "v1"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestMatrixOfRareClasses: what stands under other classes is not known to be the
// same, and is no disagreement of two named ones either.
func TestMatrixOfRareClasses(t *testing.T) {
	m := report.MatrixOf(&view.Agreement{Classes: []string{"a", "b", view.OtherClasses}, Counts: [][]int64{{8, 2, 0}, {5, 0, 1}, {0, 0, 4}}})
	if m.Rows[2].Cells[2].Same || !m.Rows[0].Cells[0].Same {
		t.Errorf("rows are %+v", m.Rows)
	}
	got := fmt.Sprint(m.Disagreements())
	if want := "[{b a 5 0.8333333333333334} {a b 2 0.2} {b (other) 1 0.16666666666666666}]"; got != want {
		t.Errorf("disagreements are %s, want %s", got, want)
	}
	if h := []int{m.Rows[0].Cells[2].Heat(), m.Rows[0].Cells[1].Heat(), m.Rows[0].Cells[0].Heat(), m.Rows[2].Cells[2].Heat()}; !gocmp.Equal(h, []int{0, 2, 5, 5}) {
		t.Errorf("heats are %v", h)
	}
}

func TestQuantities(t *testing.T) {
	for _, c := range []struct {
		x    float64
		unit string
		want string
	}{{0.0512, "", "5.12%"}, {900, "bytes", "900 bytes"}, {123456.7, "bytes", "123457 bytes"}, {0.25, "seconds", "0.25 s"}, {0.012, "number", "0.012"}, {0.00001234, "number", "1.23e-05"}, {0, "number", "0"}} {
		if got := report.Quantity(c.x, c.unit); got != c.want {
			t.Errorf("%v in %q is %q, want %q", c.x, c.unit, got, c.want)
		}
	}
	if got := report.Difference(-12.5, "bytes") + report.Difference(12.5, "number") + report.Difference(0.01, ""); got != "-12.5 bytes+12.5+1.00 points" {
		t.Errorf("differences are %q", got)
	}
}
