// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// Describe writes what an experiment's status says, in the sections and the words
// that Iter8's users know.
func Describe(w io.Writer, e *api.Experiment) error {
	d := &describer{e: e, versions: details(e)}
	d.overview()
	if s := e.Status.CompletedIterations; s != nil && *s >= 1 && len(d.versions) > 0 {
		d.winner()
		d.rewards()
		d.objectives()
		d.metrics()
	}
	_, err := io.WriteString(w, d.b.String())
	return err
}

type describer struct {
	e        *api.Experiment
	versions []api.VersionDetail
	b        strings.Builder
}

func (d *describer) section(name string) { fmt.Fprintf(&d.b, "****** %s ******\n", name) }

func (d *describer) say(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n", args...) }

func (d *describer) overview() {
	e := d.e
	d.say("")
	d.section("Overview")
	d.say("Experiment name: %s", e.Name)
	d.say("Experiment namespace: %s", namespaceOf(e))
	d.say("Target: %s", e.Spec.Target)
	d.say("Testing pattern: %s", e.Spec.Strategy.TestingPattern)
	d.say("Deployment pattern: %s", deployment(e))
	d.say("")
	d.section("Progress Summary")
	if e.Status.Stage != nil {
		d.say("Experiment stage: %s", *e.Status.Stage)
	}
	d.say("Number of completed iterations: %d", or(e.Status.CompletedIterations, 0))
	d.say("")
}

// explanations say by pattern what makes a version the winner.
var explanations = map[api.TestingPattern][]string{
	api.Canary: {
		"> If the candidate version satisfies the experiment objectives, then it is the winner.",
		"> Otherwise, if the baseline version satisfies the experiment objectives, it is the winner.",
		"> Otherwise, there is no winner.",
	},
	api.Conformance: {
		"> If the version being validated; i.e., the baseline version, satisfies the experiment objectives, it is the winner.",
		"> Otherwise, there is no winner.",
	},
}

func (d *describer) winner() {
	d.section("Winner Assessment")
	for _, line := range explanations[pattern(d.e)] {
		d.say("%s", line)
	}
	conformance := pattern(d.e) == api.Conformance
	if !conformance {
		d.say("App versions in this experiment: [%s]", strings.Join(d.names(), " "))
	}
	winner := "not found"
	if a := d.e.Status.Analysis; a != nil && a.WinnerAssessment != nil && a.WinnerAssessment.Data.WinnerFound && a.WinnerAssessment.Data.Winner != nil {
		winner = *a.WinnerAssessment.Data.Winner
	}
	d.say("Winning version: %s", winner)
	if v := d.e.Status.VersionRecommendedForPromotion; v != nil && !conformance {
		d.say("Version recommended for promotion: %s", *v)
	}
	d.say("")
}

func (d *describer) names() []string {
	out := make([]string, len(d.versions))
	for i, v := range d.versions {
		out[i] = v.Name
	}
	return out
}

// value is the newest value of a metric of a version, as the criteria write the
// metric; nil is none. Others that write statuses name metrics otherwise.
func (d *describer) value(metric, version string) *resource.Quantity {
	a := d.e.Status.Analysis
	if a == nil || a.AggregatedMetrics == nil {
		return nil
	}
	for _, name := range []string{metric, refOf(metric, namespaceOf(d.e)).String(), strings.TrimPrefix(metric, namespaceOf(d.e)+"/")} {
		if m, ok := a.AggregatedMetrics.Data[name]; ok {
			return m.Data[version].Value
		}
	}
	return nil
}

// rounded writes a number with three decimals, rounded up.
func rounded(q *resource.Quantity) string {
	if q == nil {
		return "unavailable"
	}
	c := q.DeepCopy()
	dec := c.AsDec()
	n, scale := new(big.Int).Set(dec.UnscaledBig()), int64(dec.Scale())-3
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(max(scale, -scale)), nil)
	if scale <= 0 {
		n.Mul(n, power)
	} else { // Up is what down is of the opposite.
		n.Neg(n.Div(n.Neg(n), power))
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	digits := n.Abs(n).String()
	digits = strings.Repeat("0", max(0, 4-len(digits))) + digits
	return sign + digits[:len(digits)-3] + "." + digits[len(digits)-3:]
}

func (d *describer) rewards() {
	rewards := criteria(d.e).Rewards
	if len(rewards) == 0 {
		return
	}
	d.section("Reward Assessment")
	d.say("> Identifies values of reward metrics for each version. The best version is marked with a '*'.")
	var rows [][]string
	for _, r := range rewards {
		label, low := "higher better", r.PreferredDirection == api.Low
		if low {
			label = "lower better"
		}
		row := []string{fmt.Sprintf("%s (%s)", r.Metric, label)}
		best := d.best(r.Metric, low)
		for _, v := range d.names() {
			cell := rounded(d.value(r.Metric, v))
			if slices.Contains(best, v) {
				cell += " *"
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	d.b.WriteString(table(append([]string{"Reward"}, d.names()...), rows))
	d.say("")
}

// best lists the versions of the best value.
func (d *describer) best(metric string, low bool) []string {
	var out []string
	var top *resource.Quantity
	for _, v := range d.names() {
		q := d.value(metric, v)
		if q == nil {
			continue
		}
		compared := 1
		if top != nil {
			compared = q.Cmp(*top)
			if low {
				compared = -compared
			}
		}
		switch {
		case compared > 0:
			out, top = []string{v}, q
		case compared == 0:
			out = append(out, v)
		}
	}
	return out
}

func (d *describer) objectives() {
	objectives := criteria(d.e).Objectives
	if len(objectives) == 0 {
		return
	}
	d.section("Objective Assessment")
	d.say("> Identifies whether or not the experiment objectives are satisfied by the most recently observed metrics values for each version.")
	var rows [][]string
	for i, o := range objectives {
		label := o.Metric
		if o.LowerLimit != nil {
			label = rounded(o.LowerLimit) + " <= " + label
		}
		if o.UpperLimit != nil {
			label += " <= " + rounded(o.UpperLimit)
		}
		row := []string{label}
		for _, v := range d.names() {
			cell := "unavailable"
			if a := d.e.Status.Analysis; a != nil && a.VersionAssessments != nil && i < len(a.VersionAssessments.Data[v]) {
				cell = fmt.Sprint(a.VersionAssessments.Data[v][i])
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	d.b.WriteString(table(append([]string{"Objective"}, d.names()...), rows))
	d.say("")
}

func (d *describer) metrics() {
	d.section("Metrics Assessment")
	d.say("> Most recently read values of experiment metrics for each version.")
	infos := slices.Clone(d.e.Status.Metrics)
	slices.SortStableFunc(infos, func(a, b api.MetricInfo) int { return strings.Compare(a.Name, b.Name) })
	var rows [][]string
	for _, m := range infos {
		label := m.Name
		if units := text(m.MetricObj.Spec.Units); units != "" {
			label += " (" + units + ")"
		}
		row := []string{label}
		for _, v := range d.names() {
			row = append(row, rounded(d.value(m.Name, v)))
		}
		rows = append(rows, row)
	}
	d.b.WriteString(table(append([]string{"Metric"}, d.names()...), rows))
	d.say("")
}
