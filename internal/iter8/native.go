// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// What an experiment's annotations say beyond what Iter8 knew.
const (
	// AnnotationServiceAccount names the service account of the experiment's
	// namespace that acts; default where it is left out.
	AnnotationServiceAccount = "headgate.dev/service-account"
	// AnnotationExecImage is the image of the Jobs that run commands and scripts.
	AnnotationExecImage = "headgate.dev/exec-image"
)

// Native turns an experiment into a native one of the same name and namespace.
// metrics are those that it refers to, also through others: see Gather. An error
// is a *Problem.
//
// It is strict, unless criteria.strength asks for statistics.
func Native(e *api.Experiment, metrics []api.Metric) (*v1alpha1.Experiment, error) {
	out, _, p := turn(e, metrics)
	if p != nil {
		return nil, p
	}
	return out, nil
}

// turn is Native, with the notes on what has changed its meaning, by the part of
// the native spec.
func turn(e *api.Experiment, metrics []api.Metric) (*v1alpha1.Experiment, notes, *Problem) {
	if err := Validate(e); err != nil {
		return nil, nil, err.(*Problem)
	}
	s, p := strengthOf(e)
	if p != nil {
		return nil, nil, p
	}
	return turnWith(e, metrics, s)
}

// turnWith turns a valid experiment; s is nil for a strict one.
func turnWith(e *api.Experiment, metrics []api.Metric, s *strength) (*v1alpha1.Experiment, notes, *Problem) {
	names, clock := NamesOf(e, metrics), "Elapsed"
	if s != nil {
		clock = "Window"
	}
	vars := variablesOf(e, names, clock)
	m := &measures{e: e, names: names, vars: vars, strict: s == nil, taken: map[string]bool{}}
	if p := m.read(metrics); p != nil {
		return nil, nil, p
	}
	actions, p := actionsOf(e, names)
	if p != nil {
		return nil, nil, p
	}
	out := &v1alpha1.Experiment{
		APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.KindExperiment,
		Metadata: v1alpha1.Metadata{Name: e.Name, Namespace: e.Namespace},
		Spec: v1alpha1.Spec{
			Traffic:   traffic(e, names),
			Providers: m.providers, Metrics: m.metrics, Actions: actions,
			Objectives: m.objectives(),
		},
	}
	for i, n := range names.Versions {
		out.Spec.Versions = append(out.Spec.Versions, v1alpha1.Version{Name: n.Native, Variables: vars.native(i)})
	}
	if r := criteria(e).Rewards; len(r) > 0 {
		out.Spec.Reward = &v1alpha1.Reward{Metric: names.metric(refOf(r[0].Metric, namespaceOf(e)))}
	}
	if s != nil {
		out.Spec.Traffic = v1alpha1.Traffic{Fields: fields(e, names)}
		if p := impossible(&out.Spec); p != nil {
			return nil, nil, p
		}
		return out, s.decide(e, &out.Spec), nil
	}
	out.Spec.Strict = true
	out.Spec.Stages = []v1alpha1.Stage{{Name: "iterate", Iterate: iterate(e)}}
	return out, nil, nil
}

// objectives are the limits; of those only a strict experiment knows several at
// once, or none, and when to roll back.
func (m *measures) objectives() []v1alpha1.Objective {
	var out []v1alpha1.Objective
	c := criteria(m.e)
	for i := range c.Objectives {
		o := &c.Objectives[i]
		n := v1alpha1.Objective{Metric: m.names.metric(refOf(o.Metric, namespaceOf(m.e))), Rollback: m.strict && rollsBack(m.e, o)}
		if o.UpperLimit != nil {
			n.Max = decimal(*o.UpperLimit)
		}
		if o.LowerLimit != nil {
			n.Min = decimal(*o.LowerLimit)
		}
		out = append(out, n)
	}
	return out
}

// iterate is the stage of a strict experiment.
func iterate(e *api.Experiment) *v1alpha1.Iterate {
	l := lengthOf(e)
	out := &v1alpha1.Iterate{
		Pattern: "reward", Shift: shift(e),
		Every: v1alpha1.Duration(fmt.Sprintf("%ds", l.interval)), Times: l.iterations, Loops: l.loops,
	}
	switch pattern(e) {
	case api.Conformance:
		out.Pattern = "conformance"
	case api.Canary:
		out.Pattern = "canary"
	}
	if out.Shift == shiftGreedy {
		most, increment := weightsOf(e)
		out.Cap, out.Increment = percent(most), percent(increment)
	}
	return out
}

// What the shares do.
const (
	shiftNone   = "none"
	shiftGreedy = "greedy"
	shiftSwitch = "switch"
)

// shift is what the shares do. Where no version has a weight nothing can be
// moved. There is no switching to one of several.
func shift(e *api.Experiment) string {
	refs := 0
	for _, v := range details(e) {
		if v.WeightObjRef != nil {
			refs++
		}
	}
	switch {
	case !moves(e) || refs == 0:
		return shiftNone
	case deployment(e) == api.BlueGreen && len(details(e)) == 2:
		return shiftSwitch
	}
	return shiftGreedy
}

func percent(n int64) v1alpha1.Quantity { return v1alpha1.Quantity(fmt.Sprintf("%d%%", n)) }
