// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func (t *translator) metrics() {
	ms := t.api.Spec.Metrics
	if len(ms) > maxMetrics {
		t.fail("spec.metrics", fmt.Sprintf("%d metrics", len(ms)), fmt.Sprintf("want at most %d metrics", maxMetrics), "")
	}
	t.names("spec.metrics", len(ms), func(i int) string { return ms[i].Name })
	for i, m := range ms {
		path := fmt.Sprintf("spec.metrics[%d]", i)
		if slices.Contains(ownCells, m.Name) {
			t.fail(path+".name", quote(m.Name), "the name is taken by Headgate itself", "choose another")
		}
		if m.Ref != nil {
			t.plan.Metrics = append(t.plan.Metrics, t.referred(path, m))
			continue
		}
		if len(m.Params) > 0 {
			t.fail(path+".params", "", "parameters are a reusable metric's", "name one in ref, or write the values where they belong")
		}
		t.plan.Metrics = append(t.plan.Metrics, t.metric(path, m))
	}
}

// ownCells are the names that the engine's own cells have. Those of digests and
// agreements hold a colon, which no name does.
var ownCells = []string{
	experiment.CellExposures, experiment.CellMirrored, experiment.CellRequests, experiment.CellClasses, experiment.CellScores, experiment.CellTokens,
}

// sourcesOf lists the sources that a metric names, in people's words.
func sourcesOf(from *v1alpha1.From) []string {
	var out []string
	for _, s := range []struct {
		on   bool
		name string
	}{
		{from.Builtin != "", "builtin"},
		{from.Outcomes != nil, "outcomes"},
		{from.Pairs != nil, "pairs"},
		{from.Output != nil, "output"},
		{from.Response != nil, "response"},
		{from.Prediction != "", "prediction"},
		{from.Drift != nil, "drift"},
		{from.Labels != nil, "labels"},
		{from.Prometheus != nil, "prometheus"},
		{from.HTTP != nil, "http"},
		{from.SQL != nil, "sql"},
		{from.Load != "", "load"},
		{from.Mock != nil, "mock"},
	} {
		if s.on {
			out = append(out, s.name)
		}
	}
	return out
}

// Sources of strict experiments: those that give one number as of a moment.
var (
	pointSources  = []string{"http", "sql", "prometheus", "load", "mock"}
	strictSources = []string{"load", "mock"}
)

func (t *translator) metric(path string, m v1alpha1.Metric) experiment.Metric {
	out := experiment.Metric{Name: m.Name, Goal: experiment.Goal(m.Goal)}
	from, sources := m.From, sourcesOf(&m.From)
	t.option(path+".goal", m.Goal, string(experiment.Increase), string(experiment.Decrease))
	switch {
	case len(sources) == 0 && t.nulls[path+".from.prediction"]:
		t.fail(path+".from.prediction", "", "YAML reads null as nothing", `put it in quotes: prediction: "null"`)
	case len(sources) != 1:
		t.fail(path+".from", "", "exactly one of builtin, outcomes, pairs, output, response, prediction, drift, labels, prometheus, http and sql is required", "for example from: {builtin: error-rate}; of a strict experiment load and mock too")
	case t.plan.Strict && !slices.Contains(pointSources, sources[0]):
		t.fail(path+".from."+sources[0], "", "a strict experiment asks for single numbers", "write from: "+oneOf(pointSources))
	case !t.plan.Strict && slices.Contains(strictSources, sources[0]):
		t.fail(path+".from."+sources[0], "", sources[0]+" is for strict experiments", "measure what users meet, for example from: {builtin: error-rate}")
	default:
		t.source(path, m, sources[0], &out)
	}
	if from.Quantile != "" && from.Builtin != string(experiment.Latency) && from.Load != string(experiment.LoadLatency) {
		t.fail(path+".from.quantile", quote(string(from.Quantile)), "a quantile goes with builtin: latency and load: latency only", "leave quantile out")
	}
	out.Trusted = t.trust(path+".trust", m)
	return out
}

// source reads where a metric comes from.
func (t *translator) source(path string, m v1alpha1.Metric, source string, out *experiment.Metric) {
	from, at := m.From, path+".from."+source
	switch source {
	case "outcomes":
		out.Outcomes = t.outcomes(at, from.Outcomes)
		out.Goal = cmp.Or(out.Goal, experiment.Increase)
	case "pairs":
		out.Pairs = t.pairs(at, from.Pairs)
		out.Goal = t.naturalGoal(path+".goal", m.Goal, pairsGoal(out.Pairs), "the comparison says which way is better")
	case "output":
		out.Output = t.output(at, from.Output)
		out.Goal = cmp.Or(out.Goal, experiment.Increase)
	case "response":
		out.Response = t.response(at, from.Response)
		out.Goal = cmp.Or(out.Goal, experiment.Increase)
	case "prometheus", "http", "sql", "load", "mock":
		t.measured(path, m, source, out)
	case "builtin":
		out.Builtin = t.builtin(path+".from", from)
		if k := out.Builtin.Kind; k == experiment.RequestRate || k == experiment.ReadyReplicas {
			out.Goal = t.naturalGoal(path+".goal", m.Goal, experiment.Increase, "requests and replicas are better when there are more")
		} else {
			out.Goal = t.naturalGoal(path+".goal", m.Goal, experiment.Decrease, "errors, latency and restarts are better when they decrease")
		}
	default:
		t.predicted(path, m, out)
	}
}

// measured reads a metric of a provider, of load, or made up.
func (t *translator) measured(path string, m v1alpha1.Metric, source string, out *experiment.Metric) {
	at := path + ".from." + source
	switch source {
	case "prometheus":
		out.Provider = t.provided(at, m.From.Prometheus)
	case "http":
		out.Provider = t.httpMetric(at, m.From.HTTP)
	case "sql":
		out.Provider = t.sqlMetric(at, m.From.SQL)
	case "load":
		out.Provider = t.load(path+".from", m.From)
	case "mock":
		out.Provider = t.mock(at, m.From.Mock)
	}
	if m.Goal == "" && !t.plan.Strict {
		t.fail(path+".goal", "", "which way is better is required", "write goal: decrease, for example of errors, or goal: increase")
	}
}

// naturalGoal is the goal of a metric that knows its own; another is refused.
func (t *translator) naturalGoal(path, given string, goal experiment.Goal, why string) experiment.Goal {
	if given == string(experiment.Increase) && goal == experiment.Decrease || given == string(experiment.Decrease) && goal == experiment.Increase {
		t.fail(path, quote(given), why, "leave goal out")
	}
	return goal
}

func (t *translator) builtin(path string, from v1alpha1.From) *experiment.BuiltinMetric {
	b := &experiment.BuiltinMetric{Kind: experiment.BuiltinKind(from.Builtin)}
	t.choice(path+".builtin", from.Builtin, string(experiment.ErrorRate), string(experiment.Latency), string(experiment.MeanLatency),
		string(experiment.RequestRate), string(experiment.ReadyReplicas), string(experiment.Restarts))
	if b.Kind.OfCluster() && t.own() {
		t.fail(path+".builtin", quote(from.Builtin), "Headgate's gateway does not tell it, only routers of a cluster do", "it has error-rate, and latency with a quantile; read others from: {prometheus: …}")
	}
	if b.Kind.OfWorkload() {
		t.deployments(path+".builtin", from.Builtin)
	}
	if b.Kind == experiment.Latency {
		if from.Quantile == "" {
			t.fail(path+".quantile", "", "latency needs a quantile", "for example quantile: 0.99")
		}
		b.Quantile = t.probability(path+".quantile", from.Quantile, 0, mostProbability)
	}
	return b
}

// leastTime is the shortest latency or outcome window that means anything.
const leastTime = time.Microsecond

func (t *translator) outcomes(path string, o *v1alpha1.Outcomes) *experiment.OutcomesMetric {
	if o.Event == "" {
		t.fail(path+".event", "", "an event is required", "the name that outcomes are posted under")
	}
	t.text(path+".event", o.Event, experiment.MaxOutcomeText)
	t.text(path+".per", o.Per, experiment.MaxOutcomeText)
	out := &experiment.OutcomesMetric{Event: o.Event, Per: o.Per, Joined: t.within(path+".joined", o.Joined, 0, 0, 1)}
	if out.Joined > 0 && o.Per == "" {
		t.fail(path+".joined", quote(string(o.Joined)), "without per, a unit is heard of only by the event itself",
			"a version that truly changes how often it comes would be called unequal: name an event that every unit has in per")
	}
	if o.Window == "" {
		t.fail(path+".window", "", "an outcome window is required", "how long after a unit's first exposure its outcomes count, for example 72h")
		return out
	}
	out.Window = t.duration(path+".window", o.Window, 0, leastTime)
	return out
}

// Bounds and defaults of comparisons.
const (
	maxPlaces               = 1000
	defaultPlaces           = 10
	maxTolerance            = 10
	defaultNumberTolerance  = 0.01
	defaultVectorTolerance  = 0.01
	defaultLatencyTolerance = 0.1
)

// Which comparisons a field goes with.
var (
	withValue     = []string{"class", "number", "vector", "ranking", "text", "json"}
	withTolerance = []string{"number", "vector", "latency"}
)

func (t *translator) pairs(path string, in *v1alpha1.Pairs) *experiment.PairsMetric {
	out := &experiment.PairsMetric{Compare: experiment.Comparison(in.Compare), Value: in.Value}
	t.choice(path+".compare", in.Compare, string(experiment.CompareFailures), string(experiment.CompareLatency), string(experiment.CompareClass),
		string(experiment.CompareNumber), string(experiment.CompareVector), string(experiment.CompareRanking), string(experiment.CompareText), string(experiment.CompareJSON))
	if !t.clean(path) {
		return out
	}
	if in.Value != "" && !slices.Contains(withValue, in.Compare) {
		t.fail(path+".value", quote(in.Value), in.Compare+" are of the whole answer", "leave value out")
	}
	t.jq(path+".value", in.Value)
	t.comparable(path+".value", in)
	t.ranking(path, in, out)
	switch {
	case out.Compare == experiment.CompareNumber:
		out.Tolerance = t.within(path+".tolerance", in.Tolerance, defaultNumberTolerance, 0, maxTolerance)
	case out.Compare == experiment.CompareVector:
		out.Tolerance = t.number(path+".tolerance", in.Tolerance, defaultVectorTolerance, 0, maxAmount)
	case out.Compare == experiment.CompareLatency:
		out.Tolerance = t.within(path+".tolerance", in.Tolerance, defaultLatencyTolerance, 0, maxTolerance)
	case t.given(path + ".tolerance"):
		t.fail(path+".tolerance", quote(string(in.Tolerance)), "a tolerance goes with compare: "+oneOf(withTolerance)+" only", "leave tolerance out")
	}
	return out
}

// comparable reports a comparison of predictions that answers do not tell.
func (t *translator) comparable(path string, in *v1alpha1.Pairs) {
	if in.Value != "" {
		return
	}
	can, ok := t.readable(), true
	switch experiment.Comparison(in.Compare) {
	case experiment.CompareClass:
		ok = can.class
	case experiment.CompareNumber:
		ok = can.score
	case experiment.CompareVector:
		ok = can.list || can.score // A score is a vector of one.
	case experiment.CompareRanking:
		ok = can.list
	}
	if !ok {
		t.fail(path, "", fmt.Sprintf("answers of the protocol %s tell no %s", t.api.Spec.Predictions.Protocol, in.Compare), "a jq expression on the answer says what is compared, for example value: .label")
	}
}

// ranking reads what goes with rankings.
func (t *translator) ranking(path string, in *v1alpha1.Pairs, out *experiment.PairsMetric) {
	if out.Compare == experiment.CompareRanking {
		out.K = int(t.some(path+".k", in.K, defaultPlaces, maxPlaces))
		out.By = experiment.Similarity(in.By)
		t.option(path+".by", in.By, string(experiment.Overlap), string(experiment.RBO), string(experiment.Tau))
		return
	}
	if t.given(path + ".k") {
		t.fail(path+".k", fmt.Sprint(in.K), "k goes with compare: ranking only", "leave k out")
	}
	if t.given(path + ".by") {
		t.fail(path+".by", quote(in.By), "by goes with compare: ranking only", "leave by out")
	}
}

// pairsGoal says which way a comparison is better.
func pairsGoal(p *experiment.PairsMetric) experiment.Goal {
	if p.Compare == experiment.CompareFailures || p.Compare == experiment.CompareLatency {
		return experiment.Decrease
	}
	return experiment.Increase
}

// known looks a metric up and says so when there is none.
func (t *translator) known(path, name string) *experiment.Metric {
	if name == "" {
		t.fail(path, "", "the name of a metric is required", "")
		return nil
	}
	if m := t.plan.Metric(name); m != nil {
		return m
	}
	names := make([]string, len(t.plan.Metrics))
	for i, m := range t.plan.Metrics {
		names[i] = m.Name
	}
	hint := "spec.metrics defines none"
	if len(names) > 0 {
		hint = nearest(name, names)
	}
	t.fail(path, quote(name), "no such metric", hint)
	return nil
}
