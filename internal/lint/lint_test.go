// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func ptr(f float64) *float64 { return &f }

// careful is a plan with nothing to complain about but what is always to be
// known of a mirror.
func careful() *experiment.Plan {
	return &experiment.Plan{
		Name: "x", Owner: "search", Hypothesis: "v2 sells more", Window: time.Minute, Lag: 10 * time.Second,
		Versions: []experiment.Version{
			{Name: "v1", Backend: "http://a:1", Cost: experiment.Cost{PerRequest: .001}},
			{Name: "v2", Backend: "http://b:1", Cost: experiment.Cost{PerRequest: .001}},
		},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user"}},
		Segments:   []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium"}}},
		Metrics: []experiment.Metric{
			{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: 24 * time.Hour, Joined: .9}},
			{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund", Per: "purchase", Window: 72 * time.Hour}},
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "p99", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .99, Limit: time.Second}},
			{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking}},
		},
		Reward:     &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Relative: .05}, Range: &experiment.Range{High: 5}},
		Objectives: []experiment.Objective{{Metric: "errors", Max: ptr(.01)}, {Metric: "p99", Max: ptr(.01)}},
		Guardrails: []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Relative: .2}, Slices: []string{"tier"}}},
		Stages: []experiment.Stage{
			{
				Name: "shadow", Require: []experiment.Objective{{Metric: "overlap", Min: ptr(.5)}},
				Mirror: &experiment.Mirror{Share: 1000, Until: experiment.Until{Pairs: 20_000, AtMost: 3 * day}},
			},
			{Name: "canary", Ramp: &experiment.Ramp{
				Steps: []experiment.Share{0, 100, 1000}, AtMost: 30 * day,
				Hold: experiment.Hold{Requests: 5000, Windows: 2, Settle: 2 * time.Minute},
			}},
			{Name: "ab", Split: &experiment.Split{
				Shares: experiment.Shares{5000, 5000}, Otherwise: experiment.KeepBaseline,
				Until: experiment.Until{Decided: true, AtLeast: 14 * day, AtMost: 28 * day},
			}},
		},
		Promote:   experiment.Promotion{How: experiment.PromotePointer, KeepWarm: &experiment.KeepWarm{AtLeast: day, Matured: []string{"refund"}}, Loser: experiment.LoserScaleDown},
		Budget:    &experiment.Budget{Cost: 1e6, Duration: 90 * day, OnExceeded: experiment.PolicyHold},
		Analysis:  experiment.Analysis{Method: experiment.Sequential, Alpha: .05, HarmAlpha: .05, Looks: 5, Power: .8},
		OnUnknown: experiment.OnUnknown{After: day, Do: experiment.PolicyHold},
	}
}

// busy is traffic at which the careful plan works.
func busy() *design.Assumptions {
	return &design.Assumptions{Requests: 100, PerUnit: 10, Values: []design.Value{{Metric: "purchase", Mean: .1}, {Metric: "refund", Mean: .1}, {Metric: "errors", Mean: .002}}}
}

// learning is the careful plan with a bandit in place of its split.
func learning() *experiment.Plan {
	p := careful()
	p.Stages[2] = experiment.Stage{Name: "learn", Bandit: &experiment.Bandit{
		Policy: experiment.Thompson, Every: 24 * time.Hour, Explore: 500,
		Min: experiment.Shares{100, 100}, Max: experiment.Shares{9000, 9000}, Step: 2000,
		Until: experiment.Until{AtMost: 28 * day}, Otherwise: experiment.KeepBaseline,
	}}
	return p
}

// labelled is the careful plan with a reward of labels, and a limit of drift.
func labelled() *experiment.Plan {
	p := careful()
	p.Predictions, p.Retention.Rows = &experiment.Predictions{Sample: experiment.Whole}, 100_000_000
	p.Metrics[0].Outcomes.Joined = 0
	p.Metrics = append(p.Metrics[1:],
		experiment.Metric{Name: "shift", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}},
		experiment.Metric{Name: "right", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.Accuracy, Window: 72 * time.Hour, Joined: .5}})
	p.Reward = &experiment.Reward{Metric: "right", MinimumEffect: experiment.Margin{Relative: .05}, Range: &experiment.Range{High: 1}}
	p.Objectives = append(p.Objectives, experiment.Objective{Metric: "shift", Max: ptr(.2)})
	return p
}

// telling is the careful plan with a guardrail and a limit that a provider tells.
func telling() *experiment.Plan {
	p := careful()
	p.Providers = []experiment.Provider{{Name: "team", Prometheus: &experiment.PrometheusProvider{
		URL: "https://prometheus:9090", Token: &experiment.Secret{Env: "TOKEN"}, Scrape: 30 * time.Second,
	}}}
	told := func(name string, q experiment.PrometheusQuery) experiment.Metric {
		return experiment.Metric{Name: name, Goal: experiment.Decrease, Provider: &experiment.ProviderMetric{Provider: "team", Prometheus: &q}}
	}
	p.Metrics = append(p.Metrics,
		told("mesh-errors", experiment.PrometheusQuery{Events: []string{"a1", "a2"}, Total: []string{"b1", "b2"}}),
		told("depth", experiment.PrometheusQuery{Query: []string{"max(queue1)", "max(queue2)"}}))
	p.Objectives = append(p.Objectives, experiment.Objective{Metric: "mesh-errors", Max: ptr(.01)})
	p.Guardrails = append(p.Guardrails, experiment.Guardrail{Metric: "depth", NoWorseThan: experiment.Margin{Relative: .2}})
	return p
}

// switching is the careful plan with a switch at its end, which it is all for.
func switching() *experiment.Plan {
	p := careful()
	p.Stages[2] = experiment.Stage{Name: "cut", Switch: &experiment.Switch{Warm: time.Minute, Soak: 8 * day}}
	p.OnUnknown.Do = experiment.PolicyRollback
	return p
}

func TestCarefulPlans(t *testing.T) {
	for name, c := range map[string]struct {
		plan *experiment.Plan
		a    *design.Assumptions
		want []Code
	}{
		"an A/B test":            {careful(), nil, []Code{CodeSideEffects}},
		"an A/B test at traffic": {careful(), busy(), []Code{CodeSideEffects}},
		"a bandit":               {learning(), nil, []Code{CodeSideEffects}},
		"a provider":             {telling(), nil, []Code{CodeSideEffects}},
		"labels":                 {labelled(), nil, []Code{CodeSideEffects}},
		"a switch":               {switching(), nil, []Code{CodeRewardUndecided, CodeSideEffects}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Code
			for _, f := range Check(c.plan, c.a) {
				got = append(got, f.Code)
				if f.Severity != Info {
					t.Errorf("%s %s: %s", f.Code, f.Path, f.Message)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v", got, c.want)
			}
		})
	}
}

// fault is one change of a careful plan, and what it is to be found by.
type fault struct {
	name string
	from func() *experiment.Plan
	do   func(*experiment.Plan)
	a    *design.Assumptions
	code Code
	path string
	says string
}

var faults = []fault{
	{"no owner", careful, func(p *experiment.Plan) { p.Owner = "" }, nil, CodeNoOwner, "spec.owner", "nobody"},
	{"no hypothesis", careful, func(p *experiment.Plan) { p.Hypothesis = "" }, nil, CodeNoHypothesis, "spec.hypothesis", ""},
	{"asks a person, and holds for ever", careful, func(p *experiment.Plan) { p.Stages[2].Split.Otherwise, p.Budget.Duration = experiment.AskPerson, 0 }, nil, CodeNoEnd, "spec.stages[2]", "a person's decision"},
	{"a switch with an approval and no end", switching, func(p *experiment.Plan) {
		p.Stages[2].Approval, p.OnUnknown.Do, p.Budget.Duration = "ann", experiment.PolicyHold, 0
	}, nil, CodeNoEnd, "spec.stages[2]", "the approval of ann"},
	{"a gate behind a switch and no end", switching, func(p *experiment.Plan) {
		p.Stages[2].Require, p.OnUnknown.Do, p.Budget = p.Objectives, experiment.PolicyHold, nil
	}, nil, CodeNoHorizon, "spec.stages[2]", "cut has no horizon"},
	{"warm until somebody says so", careful, func(p *experiment.Plan) { p.Promote.KeepWarm.Approval, p.Budget.Duration = "ann", 0 }, nil, CodeNoEnd, "spec.promote.keepWarm", "the approval of ann"},
	{"an approval for nobody", careful, func(p *experiment.Plan) { p.Owner, p.Stages[1].Approval = "", "ann" }, nil, CodeApprovalOfNobody, "spec.stages[1].approval", "canary waits for ann"},
	{"half a year", careful, func(p *experiment.Plan) { p.Stages[2].Split.Until.AtMost = 180 * day }, nil, CodeFork, "spec.stages[2]", "180d"},

	{"no guardrail", careful, func(p *experiment.Plan) { p.Guardrails = nil }, nil, CodeNoGuardrail, "spec.guardrails", ""},
	{"no slice", careful, func(p *experiment.Plan) { p.Guardrails[0].Slices = nil }, nil, CodeNoSlice, "spec.guardrails", "though the plan has segments"},
	{"no segment", careful, func(p *experiment.Plan) { p.Guardrails[0].Slices, p.Segments = nil, nil }, nil, CodeNoSlice, "spec.guardrails", "no segments"},
	{"only health decides", careful, func(p *experiment.Plan) {
		p.Reward, p.Guardrails, p.Stages = nil, nil, p.Stages[1:2]
	}, nil, CodeQualityBlind, "spec.metrics", "wrong"},
	{"a late guardrail in a short canary", careful, func(p *experiment.Plan) {
		p.Stages = p.Stages[1:2]
		p.Stages[0].Ramp.AtMost = 2 * day
	}, nil, CodeImmature, "spec.stages[0]", "guardrail refund takes 3d to be known, and canary lasts at most 2d"},
	{"an objective that cannot mature", switching, func(p *experiment.Plan) {
		p.Reward, p.Guardrails = nil, nil
		p.Objectives = append(p.Objectives, experiment.Objective{Metric: "purchase", Min: ptr(.01)})
		p.Stages[2].Switch.Soak = 10 * time.Hour
	}, nil, CodeImmature, "spec.stages[2]", "objective purchase takes 24h"},
	{"half of the units are never judged", careful, func(p *experiment.Plan) { p.Stages[2].Split.Until.AtMost = 5 * day }, nil, CodeHalfUnjudged, "spec.stages[2]", "refund takes 3d"},
	{"requests instead of users", careful, func(p *experiment.Plan) {
		p.Assignment.Unit = experiment.Unit{Request: true}
		p.Metrics[0].Outcomes.Joined = 0
	}, nil, CodePerRequest, "spec.assignment.unit", "reward purchase is a user's"},
	{"nothing but a mirror", careful, func(p *experiment.Plan) { p.Stages = p.Stages[:1] }, nil, CodeMirrorOnly, "spec.stages", ""},
	{"a reward that nothing decides", careful, func(p *experiment.Plan) { p.Stages = p.Stages[:2] }, nil, CodeRewardUndecided, "spec.reward", "purchase"},
	{"no objective", careful, func(p *experiment.Plan) { p.Objectives = nil }, nil, CodeNoObjective, "spec.objectives", ""},
	{"a metric for nothing", careful, func(p *experiment.Plan) { p.Objectives = p.Objectives[:1] }, nil, CodeUnused, "spec.metrics[3]", "p99"},

	{"labels that may go missing", labelled, func(p *experiment.Plan) { p.Metrics[5].Labels.Joined = 0 }, nil, CodeNotLabelled, "spec.metrics[5].from.labels", "right"},
	{"rows that go before their labels come", labelled, func(p *experiment.Plan) { p.Retention.Rows = 0 }, &design.Assumptions{Requests: 100}, CodeRowsGone, "spec.ledger.retention.rows", "1,000,000 rows last 2.8h at this traffic, and right takes 3d"},
	{"few rows", labelled, func(p *experiment.Plan) { p.Retention.Rows = 2000 }, &design.Assumptions{Units: 86400, PerUnit: 2}, CodeRowsGone, "spec.ledger.retention.rows", "2,000 rows last 17m"},
	{"a number of counters", telling, func(p *experiment.Plan) {
		p.Metrics[6].Provider.Prometheus.Query = []string{"sum (rate (x1[1m]))", "sum(rate(x2[1m]))"}
	}, nil, CodeComputed, "spec.metrics[6].from.prometheus.query", "depth asks the provider for rate(…)"},
	{"a quantile of a histogram", telling, func(p *experiment.Plan) {
		p.Metrics[6].Provider.Prometheus.Query = []string{"histogram_quantile(.99, x1)", "histogram_quantile(.99, x2)"}
	}, nil, CodeComputed, "spec.metrics[6].from.prometheus.query", "histogram_quantile"},
	{"a provider that is not listed", telling, func(p *experiment.Plan) { p.Providers = nil }, nil, CodeNotNamed, "spec.providers", "mesh-errors is read"},
	{"a router whose figures come from nowhere", careful, func(p *experiment.Plan) { p.Router.HTTPRoute = &experiment.RouteObject{Name: "x"} }, nil, CodeNotNamed, "spec.providers", "what the router tells"},
	{"windows that are too short", telling, func(p *experiment.Plan) { p.Providers[0].Prometheus.Scrape = 45 * time.Second }, nil, CodeThinWindow, "spec.providers[0].prometheus.scrape", "window of 60s"},
	{"a router whose figures come from nowhere beside another provider", careful, func(p *experiment.Plan) {
		p.Router.HTTPRoute = &experiment.RouteObject{Name: "x"}
		p.Providers = []experiment.Provider{{Name: "api", HTTP: &experiment.HTTPProvider{URL: "https://api"}}}
	}, nil, CodeNotNamed, "spec.providers", "what the router tells"},
	{"a secret in a header that all can read", telling, func(p *experiment.Plan) {
		p.Providers = append(p.Providers, experiment.Provider{Name: "api", HTTP: &experiment.HTTPProvider{URL: "http://${host}.example.org", Secrets: []experiment.NamedSecret{{Name: "host"}}}})
	}, nil, CodeBareSecret, "spec.providers[1].http.url", "api is sent a secret"},
	{"a secret that all can read", telling, func(p *experiment.Plan) { p.Providers[0].Prometheus.URL = "http://prometheus:9090" }, nil, CodeBareSecret, "spec.providers[0].prometheus.url", "team is sent a secret"},
	{"a guardrail of few windows", telling, func(p *experiment.Plan) { p.Window = 12 * time.Hour }, nil, CodeFewWindows, "spec.stages[2]", "guardrail depth has 56 windows"},
	{"a drift that is none", labelled, func(p *experiment.Plan) { p.Objectives[2].Max = ptr(.5) }, nil, CodeLooseDrift, "spec.objectives[2].max", "shift may reach 0.5"},
	{"a gate on a drift that is none", labelled, func(p *experiment.Plan) {
		p.Stages[2].Require = []experiment.Objective{{Metric: "shift", Max: ptr(1)}}
	}, nil, CodeLooseDrift, "spec.stages[2].require[0].max", "shift may reach 1"},
	{"labels that come after the split", labelled, func(p *experiment.Plan) {
		p.Stages = p.Stages[1:2]
		p.Stages[0].Ramp.AtMost = 2 * day
	}, nil, CodeImmature, "spec.stages[0]", "reward right takes 3d to be known, and canary lasts at most 2d"},
	{"labels that come after the old version went", labelled, func(p *experiment.Plan) {
		p.Promote.KeepWarm.Matured, p.Guardrails = nil, nil
	}, nil, CodeRetiredEarly, "spec.promote.keepWarm", "before right is known: that takes 3d"},
	{"a bandit that learns before labels come", labelled, func(p *experiment.Plan) {
		p.Stages[2] = learning().Stages[2]
	}, nil, CodeTooEager, "spec.stages[2].bandit.every", "right takes 3d"},
	{"broken answers are no quality", careful, func(p *experiment.Plan) {
		p.Metrics[4] = experiment.Metric{Name: "bad", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.InvalidOutput}}
		p.Reward, p.Guardrails, p.Stages = nil, nil, p.Stages[1:2]
		p.Objectives = append(p.Objectives, experiment.Objective{Metric: "bad", Max: ptr(.01)})
	}, nil, CodeQualityBlind, "spec.metrics", "wrong"},
	{"a group whose limit stays open", careful, func(p *experiment.Plan) { p.Objectives[0].Slices = []string{"tier"} }, &design.Assumptions{
		Requests: 100, PerUnit: 10, Groups: []design.Group{{Slice: "tier=premium", Share: 1e-6}},
	}, CodeUnshown, "spec.objectives[0]", "errors in tier=premium"},

	{"a large alpha", careful, func(p *experiment.Plan) { p.Analysis.Alpha = .2 }, nil, CodeAlpha, "spec.analysis.alpha", "alpha is 20%"},
	{"a large alpha for harm", careful, func(p *experiment.Plan) { p.Analysis.HarmAlpha = .5 }, nil, CodeAlpha, "spec.analysis.harmAlpha", "harmAlpha is 50%"},
	{"more looks than units", careful, func(p *experiment.Plan) { p.Stages[2].Split.Until.Units, p.Analysis.Looks = 4000, 50 }, nil, CodeLooks, "spec.analysis.looks", "50 looks leave 40 units"},
	{"years", careful, func(p *experiment.Plan) { p.Reward.MinimumEffect.Relative = .0005 }, busy(), CodeYears, "spec.reward.minimumEffect", "years at this traffic"},
	{"centuries", careful, func(p *experiment.Plan) { p.Reward.MinimumEffect.Relative = 1e-6 }, busy(), CodeYears, "spec.reward.minimumEffect", "centuries"},
	{"a tiny effect", careful, func(p *experiment.Plan) { p.Reward.MinimumEffect.Relative = .0005 }, nil, CodeTiny, "spec.reward.minimumEffect", "0.05%"},
	{"units that do not come", careful, func(p *experiment.Plan) { p.Stages[2].Split.Until.Units = 1e9 }, busy(), CodeNeverReached, "spec.stages[2]", "ab reaches its horizon of 28d"},
	{"requests that do not come", careful, func(p *experiment.Plan) { p.Stages[1].Ramp.Hold.Requests = 1e9 }, busy(), CodeNeverReached, "spec.stages[1]", "canary"},
	{"pairs that do not come", careful, func(p *experiment.Plan) { p.Stages[0].Mirror.Until.Pairs = 1e9 }, busy(), CodeNeverReached, "spec.stages[0]", "shadow"},
	{"too few units for the effect", careful, func(p *experiment.Plan) { p.Stages[2].Split.Until.Units = 5000 }, busy(), CodeUnderpowered, "spec.reward.minimumEffect", "5,000 units find"},
	{"a threshold", careful, func(p *experiment.Plan) { p.Analysis.Method = experiment.Threshold }, nil, CodeNoErrorRate, "spec.analysis.method", "threshold"},
	{"a probability of being better that is watched", careful, func(p *experiment.Plan) {
		p.Analysis.Method, p.Stages[2].Split.Until.AtLeast = experiment.Bayesian, day
	}, nil, CodePeeking, "spec.stages[2].until", "ab stops at the first look that pleases, from 24h on"},
	{"less than a week", careful, func(p *experiment.Plan) { p.Stages[2].Split.Until.AtLeast = 3 * day }, nil, CodeShort, "spec.stages[2].until", "3d"},
	{"a group that is too small", careful, func(*experiment.Plan) {}, &design.Assumptions{
		Requests: 100, PerUnit: 10, Values: busy().Values, Groups: []design.Group{{Slice: "tier=premium", Share: .0001}},
	}, CodeTooFew, "spec.guardrails[0]", "tier=premium"},
	{"an uneven split", careful, func(p *experiment.Plan) { p.Stages[2].Split.Shares = experiment.Shares{9900, 100} }, nil, CodeUneven, "spec.stages[2].split", "1%"},
	{"many tests", careful, func(p *experiment.Plan) {
		p.Versions = append(p.Versions, p.Versions[1], p.Versions[1], p.Versions[1], p.Versions[1], p.Versions[1])
		p.Stages[2].Split.Shares = experiment.Shares{4000, 1000, 1000, 1000, 1000, 1000, 1000}
		p.Segments[0].Values = []string{"a", "b", "c", "d"}
	}, nil, CodeManyTests, "spec.guardrails", "60 tests"},
	{"a limit that stays open", careful, func(p *experiment.Plan) {
		p.Stages, p.Reward = p.Stages[1:2], nil
		p.Stages[0].Ramp.Hold = experiment.Hold{Requests: 10, Windows: 1, Settle: time.Second}
	}, &design.Assumptions{Requests: 1}, CodeUnshown, "spec.objectives[0]", "errors"},
	{"a limit that is broken already", careful, func(p *experiment.Plan) { p.Objectives[0].Max = ptr(.001) }, busy(), CodeAlreadyOver, "spec.objectives[0]", "stands at 0.2% today"},
	{"promotes anyway", careful, func(p *experiment.Plan) { p.Stages[2].Split.Otherwise = experiment.PromoteCandidate }, nil, CodePromotesAnyway, "spec.stages[2].otherwise", ""},

	{"held by time alone", careful, func(p *experiment.Plan) { p.Stages[1].Ramp.Hold = experiment.Hold{For: time.Hour, Settle: time.Minute} }, nil, CodeNoRequests, "spec.stages[1].hold", "canary"},
	{"a large first step", careful, func(p *experiment.Plan) { p.Stages[1].Ramp.Steps = []experiment.Share{0, 2500} }, nil, CodeFirstStep, "spec.stages[1]", "25%"},
	{"halves at once", careful, func(p *experiment.Plan) { p.Stages = p.Stages[2:] }, nil, CodeFirstStep, "spec.stages[0]", "50%"},
	{"a bandit at once", learning, func(p *experiment.Plan) { p.Stages = p.Stages[2:] }, nil, CodeFirstStep, "spec.stages[0]", "50%"},
	{"no time to settle", careful, func(p *experiment.Plan) { p.Stages[1].Ramp.Hold.Settle = 0 }, nil, CodeNoSettle, "spec.stages[1].hold", "canary"},
	{"no step of nothing", careful, func(p *experiment.Plan) { p.Stages[1].Ramp.Steps = []experiment.Share{100} }, nil, CodeNoProbe, "spec.stages[1].ramp.steps", "canary"},
	{"a leap", careful, func(p *experiment.Plan) {
		p.Stages = p.Stages[:2]
		p.Stages[1].Ramp.Steps = []experiment.Share{0, 100}
	}, nil, CodeLeap, "spec.stages[1].ramp.steps", "from 1% to everything"},
	{"a group that never met it", careful, func(p *experiment.Plan) {
		for i := range p.Stages {
			p.Stages[i].Where = experiment.Where{{Segment: "tier", Not: []string{"premium"}}}
		}
	}, nil, CodeLeftOut, "spec.stages", "premium of tier"},
	{"a cold switch", switching, func(p *experiment.Plan) { p.Stages[2].Switch.Warm = 0 }, nil, CodeCold, "spec.stages[2].switch", "cut"},
	{"a switch that nobody watches", switching, func(p *experiment.Plan) { p.Stages[2].Switch.Soak = time.Minute }, nil, CodeNoSoak, "spec.stages[2].switch", "cut"},
	{"a switch first of all", switching, func(p *experiment.Plan) { p.Stages = p.Stages[2:] }, nil, CodeSwitchFirst, "spec.stages[0]", "cut"},

	{"everything is copied", careful, func(p *experiment.Plan) { p.Stages[0].Mirror.Share = experiment.Whole }, nil, CodeUnlimited, "spec.stages[0].mirror", "about 2 times"},
	{"a shadow for months", careful, func(p *experiment.Plan) { p.Stages[0].Mirror.Until.AtMost = 80 * day }, nil, CodeShadowForever, "spec.stages[0].until.atMost", "80d"},
	{"a mirror without a gate", careful, func(p *experiment.Plan) { p.Stages[0].Require = nil }, nil, CodeNoGate, "spec.stages[0].require", "shadow"},
	{"a mirror writes", careful, func(*experiment.Plan) {}, nil, CodeSideEffects, "spec.stages[0].mirror", "for real"},
	{"another model's name", careful, func(p *experiment.Plan) {
		p.Versions[0].Backend, p.Versions[1].Backend = "http://churn-predictor-default.ml:80", "http://churn-v3-predictor-default.ml:80"
	}, nil, CodeModelName, "spec.versions[1].backend", "churn and churn-v3"},
	{"another model's path", careful, func(p *experiment.Plan) {
		p.Versions[0].Backend, p.Versions[1].Backend = "http://a/v1/models/one", "http://b/v1/models/two:predict"
	}, nil, CodeModelName, "spec.versions[1].backend", "one and two"},

	{"a version that may starve", learning, func(p *experiment.Plan) { p.Stages[2].Bandit.Min = experiment.Shares{100, 0} }, nil, CodeNoMinimum, "spec.stages[2].bandit.min", "v2"},
	{"a reward without range", learning, func(p *experiment.Plan) { p.Reward.Range = nil }, nil, CodeNoRange, "spec.reward.range", "purchase"},
	{"updates before anything matures", learning, func(p *experiment.Plan) { p.Stages[2].Bandit.Every = time.Hour }, nil, CodeTooEager, "spec.stages[2].bandit.every", "every 60m"},
	{"a bandit alone", learning, func(p *experiment.Plan) { p.Guardrails = nil }, nil, CodeBanditAlone, "spec.guardrails", ""},
	{"groups without caps", learning, func(p *experiment.Plan) { p.Stages[2].Bandit.Per = "tier" }, nil, CodeNoCaps, "spec.stages[2].bandit.caps", "tier"},
	{"outcomes that may go missing", learning, func(p *experiment.Plan) { p.Metrics[0].Outcomes.Joined = 0 }, nil, CodeNotJoined, "spec.metrics", "purchase"},
	{"a candidate to fall back to", learning, func(p *experiment.Plan) { p.Stages[2].Bandit.Fallback = 1 }, nil, CodeFallback, "spec.stages[2].bandit.fallback", "v2"},
	{"all traffic in one update", learning, func(p *experiment.Plan) { p.Stages[2].Bandit.Step = experiment.Whole }, nil, CodeNoStep, "spec.stages[2].bandit.step", ""},
	{"no time to explore", learning, func(p *experiment.Plan) { p.Stages[2].Bandit.Explore = 5 }, nil, CodeExplore, "spec.stages[2].bandit.explore", "5 units"},
	{"an exit by P(best)", learning, func(p *experiment.Plan) { p.Stages[2].Bandit.Until.Best = .95 }, nil, CodeNoErrorRate, "spec.stages[2].until.best", "probability of being best"},

	{"the loser is deleted at once", careful, func(p *experiment.Plan) { p.Promote.KeepWarm, p.Promote.Loser = nil, experiment.LoserDelete }, nil, CodeDeleted, "spec.promote.loser", "v1 is deleted"},
	{"the loser is scaled down at once", careful, func(p *experiment.Plan) { p.Promote.KeepWarm = nil }, nil, CodeGoneCold, "spec.promote", "scaled down"},
	{"nothing is kept warm", careful, func(p *experiment.Plan) { p.Promote = experiment.Promotion{} }, nil, CodeGoneCold, "spec.promote", "while refund takes another 3d"},
	{"the loser goes before the refunds come", careful, func(p *experiment.Plan) { p.Promote.KeepWarm.Matured = nil }, nil, CodeRetiredEarly, "spec.promote.keepWarm", "(scaleDown) after 24h, before refund"},
	{"warm for too short", careful, func(p *experiment.Plan) { p.Promote.KeepWarm.Matured, p.Promote.Loser = nil, experiment.LoserKeep }, nil, CodeShortWarm, "spec.promote.keepWarm", "24h, and refund takes 3d"},
	{"two parts at once", careful, func(p *experiment.Plan) {
		p.Versions[1].Parts = []experiment.Part{{Name: "model", Value: "b"}, {Name: "transformer", Value: "b"}}
	}, nil, CodeParts, "spec.versions[1].parts", "model, transformer"},
	{"costs without a budget", careful, func(p *experiment.Plan) { p.Budget.Cost = 0 }, nil, CodeNoBudget, "spec.budget", ""},
	{"a budget that is too small", careful, func(p *experiment.Plan) { p.Budget.Cost = 5 }, busy(), CodeOverBudget, "spec.budget.cost", "the budget is 5.00"},
	{"too few units to expose", careful, func(p *experiment.Plan) { p.Budget.Units = 1000 }, busy(), CodeOverBudget, "spec.budget.units", "the budget is 1,000"},
	{"too little time", careful, func(p *experiment.Plan) { p.Budget.Duration = day }, busy(), CodeOverBudget, "spec.budget.duration", "the budget is 24h"},
	{"a copy at once", careful, func(p *experiment.Plan) { p.Promote.How, p.Promote.KeepWarm = experiment.PromoteCopy, nil }, nil, CodeCopied, "spec.promote.how", "v1"},
}

func find(findings []Finding, code Code, path string) *Finding {
	i := slices.IndexFunc(findings, func(f Finding) bool { return f.Code == code && f.Path == path })
	if i < 0 {
		return nil
	}
	return &findings[i]
}

func TestEachFaultIsFound(t *testing.T) {
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			p := c.from()
			if before := find(Check(p, c.a), c.code, c.path); before != nil && c.code != CodeSideEffects && c.name != "a group that is too small" {
				t.Fatalf("the careful plan has it already: %+v", before)
			}
			c.do(p)
			f := find(Check(p, c.a), c.code, c.path)
			switch {
			case f == nil:
				t.Errorf("%s at %s is not among %+v", c.code, c.path, Check(p, c.a))
			case !strings.Contains(f.Message, c.says):
				t.Errorf("it says %q, want %q in it", f.Message, c.says)
			case strings.ContainsAny(f.Message+f.Remedy, "{}") && !strings.Contains(f.Remedy, ": "):
				t.Errorf("placeholders are left in %q, %q", f.Message, f.Remedy)
			}
		})
	}
}

// TestStrictPlans: of what Iter8's rules decide there is nothing to check but who
// answers for it.
func TestStrictPlans(t *testing.T) {
	p := careful()
	p.Strict, p.Stages = true, []experiment.Stage{{Name: "iterate", Iterate: &experiment.Iterate{Every: time.Minute, Times: 10, Loops: 1}}}
	got := Check(p, busy())
	if len(got) != 1 || got[0].Code != CodeNoErrorRate || got[0].Path != "spec.strict" || got[0].Severity != Info {
		t.Errorf("%+v", got)
	}
	if p.Owner = ""; find(Check(p, nil), CodeNoOwner, "spec.owner") == nil {
		t.Error("nobody misses an owner")
	}
}

func TestNoGroupsAreAskedOfWhatCountsNone(t *testing.T) {
	p := careful()
	p.Guardrails[0].Slices, p.Segments = nil, nil
	p.Router = experiment.Router{HTTPRoute: &experiment.RouteObject{Name: "ranker"}}
	if f := find(Check(p, nil), CodeNoSlice, "spec.guardrails"); f != nil {
		t.Errorf("%+v", f)
	}
}

func TestCopiesThatOthersSendAreTheirs(t *testing.T) {
	p := careful()
	p.Stages[0].Mirror.Share, p.Stages[0].Mirror.ByEvents = experiment.Whole, true
	if f := find(Check(p, nil), CodeUnlimited, "spec.stages[0].mirror"); f != nil {
		t.Errorf("%+v", f)
	}
}

func TestModelNamesThatAreRewrittenAreFine(t *testing.T) {
	p := careful()
	p.Versions[0].Backend, p.Versions[1].Backend = "http://churn-predictor.ml:80", "http://churn-v3-predictor.ml:80"
	p.Versions[1].Model = "churn-v3"
	if f := find(Check(p, nil), CodeModelName, "spec.versions[1].backend"); f != nil {
		t.Errorf("%+v", f)
	}
}

func TestEveryCodeHasAFault(t *testing.T) {
	for _, e := range Catalogue() {
		if e.Code != CodeRefused && !slices.ContainsFunc(faults, func(f fault) bool { return f.code == e.Code }) {
			t.Errorf("no case has %s: %s", e.Code, e.Text)
		}
	}
}

func TestRefusedCarriesTheValidatorsWords(t *testing.T) {
	f := Refused("spec.stages[0]", 7, "shares must sum to 100%", "give every version {its} share")
	if f.Code != CodeRefused || f.Severity != Error || f.Line != 7 || f.Message != "shares must sum to 100%" || f.Remedy != "give every version {its} share" || f.Why == "" {
		t.Errorf("%+v", f)
	}
	if f := Refused("x", 0, "unknown", ""); f.Remedy == "" {
		t.Error("without a hint there is no remedy")
	}
}

func TestErrorsComeFirst(t *testing.T) {
	p := careful()
	p.Owner, p.Hypothesis, p.Stages[1].Ramp.Steps = "", "", []experiment.Share{2000}
	rank, last := []Severity{Error, Warning, Info}, 0
	for _, f := range Check(p, nil) {
		at := slices.Index(rank, f.Severity)
		if at < last {
			t.Errorf("%s comes after a lesser finding", f.Code)
		}
		last = at
	}
	if last != 2 {
		t.Error("the example has no information to come last")
	}
}
