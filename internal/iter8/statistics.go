// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/suggest"
)

// strength is criteria.strength in Headgate's words: how sure one wants to be.
type strength struct {
	alpha, harmAlpha, power v1alpha1.Quantity
	method, pack            string
	looks                   int64
	minimumEffect           *v1alpha1.Margin
}

// strengthWords are the words of a strength.
var strengthWords = []string{"alpha", "harmAlpha", "power", "method", "looks", "minimumEffect", "pack"}

// guessedEffect is the smallest effect that matters where nobody says.
const guessedEffect = v1alpha1.Quantity("5%")

// strengthOf reads criteria.strength: nil where it is not an object that has one
// of the words. What Iter8's users wrote there before asks for nothing.
func strengthOf(e *api.Experiment) (*strength, *Problem) {
	var fields map[string]json.RawMessage
	raw := criteria(e).Strength
	if raw == nil || json.Unmarshal(raw.Raw, &fields) != nil {
		return nil, nil
	}
	if !slices.ContainsFunc(strengthWords, func(w string) bool { return fields[w] != nil }) {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(strengthWords, name) {
			p := invalid("criteria.strength: unknown field %s", shown(name)).hint("known: %s", strings.Join(strengthWords, ", "))
			if best := suggest.Closest(name, strengthWords); best != "" {
				p.hint("did you mean %s?", best)
			}
			return nil, p
		}
	}
	out := &strength{}
	for _, f := range []struct {
		name string
		into *v1alpha1.Quantity
	}{{"alpha", &out.alpha}, {"harmAlpha", &out.harmAlpha}, {"power", &out.power}} {
		if !quantity(fields[f.name], f.into) {
			return nil, invalid("criteria.strength.%s is no number", f.name).hint("for example %s: 5%%", f.name)
		}
	}
	for name, into := range map[string]any{"method": &out.method, "pack": &out.pack, "looks": &out.looks} {
		if fields[name] != nil && json.Unmarshal(fields[name], into) != nil {
			return nil, invalid("criteria.strength: method and pack are texts, and looks is a number")
		}
	}
	var effect map[string]json.RawMessage
	if fields["minimumEffect"] == nil {
		return out, nil
	}
	out.minimumEffect = &v1alpha1.Margin{}
	if json.Unmarshal(fields["minimumEffect"], &effect) != nil || len(effect) != 1 ||
		!quantity(effect["relative"], &out.minimumEffect.Relative) || !quantity(effect["absolute"], &out.minimumEffect.Absolute) ||
		*out.minimumEffect == (v1alpha1.Margin{}) {
		return nil, invalid("criteria.strength.minimumEffect is relative or absolute").hint("for example minimumEffect: {relative: 1%%}")
	}
	return out, nil
}

// quantity reads a number, or a text such as "1%"; nothing is nothing.
func quantity(raw json.RawMessage, into *v1alpha1.Quantity) bool {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return true
	case raw[0] == '"':
		return json.Unmarshal(raw, into) == nil
	case strings.IndexByte("-0123456789", raw[0]) >= 0:
		*into = v1alpha1.Quantity(raw)
		return true
	}
	return false
}

// impossible says why an experiment cannot be decided by statistics; nil is that
// it can.
func impossible(spec *v1alpha1.Spec) *Problem {
	for _, m := range spec.Metrics {
		if m.From.HTTP == nil {
			return invalid("the metric %s has no sample that statistics could be made of", m.Name).hint("leave criteria.strength out, or read the metric from a provider")
		}
		asked := map[string]bool{}
		for i := range spec.Versions {
			asked[question(m.From.HTTP, &spec.Versions[i])] = true
		}
		if len(asked) < len(spec.Versions) {
			return invalid("the metric %s asks the same of several versions, which it does not tell apart", m.Name).hint("write $name, or a variable that each version has, into its params or body")
		}
	}
	if len(spec.Traffic.Fields) == 0 {
		return invalid("no version has a weightObjRef, so that nothing can be moved").hint("leave criteria.strength out, or say where the weights are")
	}
	return nil
}

// question is what is asked of a version.
func question(q *v1alpha1.HTTP, v *v1alpha1.Version) string {
	with := []string{"{{.Version}}", v.Name}
	for name, value := range v.Variables {
		with = append(with, "{{.Variables."+name+"}}", value)
	}
	fill := strings.NewReplacer(with...)
	out := []string{fill.Replace(q.Body)}
	for _, p := range q.Params {
		out = append(out, fill.Replace(p.Value))
	}
	return strings.Join(out, "\x00")
}

// notes say what has changed its meaning, by the place in the native spec.
type notes map[string][]string

func (n notes) add(at, format string, args ...any) {
	n[at] = append(n[at], fmt.Sprintf(format, args...))
}

// Bounds of what is asked for in time: a window has to hold some samples of a
// provider, and a decision by windows needs some dozens of them.
const (
	leastWindow  = 30
	leastHorizon = 24 * 60 * 60
	maxRampSteps = 50
)

// decide makes a spec one that is decided by statistics: windows of evidence in
// place of point values, and stages in place of iterations. It notes what that
// changes.
func (s *strength) decide(e *api.Experiment, spec *v1alpha1.Spec) notes {
	n, l := notes{}, lengthOf(e)
	window, total := max(l.interval, leastWindow), l.interval*l.total()
	horizon := max(2*total, leastHorizon)
	spec.Assignment = v1alpha1.Assignment{Unit: v1alpha1.Unit{Request: true}}
	spec.Evidence = v1alpha1.Evidence{Window: seconds(window)}
	spec.Analysis = v1alpha1.Analysis{Method: s.method, Alpha: s.alpha, HarmAlpha: s.harmAlpha, Power: s.power, Looks: s.looks}
	n.add("spec.evidence", "Iter8 read each metric over all of the time since the start, every %d s. Here it is read for every window of %d s, and the windows are the sample.", l.interval, window)
	n.add("spec.stages", "Iter8 compared the numbers of its last iteration, whatever their noise. Here a version wins when it is better with confidence.")
	if spec.Reward != nil {
		spec.Reward.MinimumEffect = s.minimumEffect
		if s.minimumEffect == nil {
			spec.Reward.MinimumEffect = &v1alpha1.Margin{Relative: guessedEffect}
			n.add("spec.reward.minimumEffect", "Guessed: Iter8 asked for none. Say how small an effect still matters to you.")
		}
	}
	s.requests(e, spec, n)
	s.limits(e, spec, n)
	s.stages(e, spec, n, window, total, horizon)
	if spec.Actions != nil && len(spec.Actions.OnFinish) > 0 {
		spec.Drift = "alert"
		n.add("spec.actions.onFinish", "Iter8 gave the winner all of the traffic by this. Here the winner has it before: what only did that can be deleted.")
		n.add("spec.drift", "What onFinish applies may change the route, and is left as it is. Without it, correct is better.")
	}
	if spec.Actions != nil && len(spec.Actions.OnStep) > 0 {
		n.add("spec.actions.onStep", "Iter8 did this after every loop of %d iterations. Here it is done after every step of the shares.", l.iterations)
	}
	return n
}

func seconds(n int64) v1alpha1.Duration { return v1alpha1.Duration(fmt.Sprintf("%ds", n)) }

// workloadVariable is the variable that names a version's Deployment.
const workloadVariable = "workload"

// requests says where the versions' requests are counted, which statistics need
// to trust their numbers and Iter8 did not: by the serving stack's own metrics, in
// the Prometheus that the experiment asks anyway.
func (s *strength) requests(e *api.Experiment, spec *v1alpha1.Spec, n notes) {
	spec.Traffic.Pack = cmp.Or(s.pack, defaultPack)
	if s.pack == "" {
		n.add("spec.traffic.pack", "Guessed: the metrics of the serving stack that tell how many requests each version had.")
	}
	guessed := false
	for i := range spec.Versions {
		v := &spec.Versions[i]
		v.Workload = v.Variables[workloadVariable]
		if v.Workload == "" {
			v.Workload, guessed = v.Name, true
		}
	}
	if guessed {
		n.add("spec.versions", "Guessed: workload is the Deployment that serves a version.")
	}
	for i := range spec.Metrics {
		spec.Metrics[i].Trust = "observed"
	}
	n.add("spec.metrics", "Trust is observed: who counts is taken not to be the version itself. Write self-reported where it is.")
	for _, p := range spec.Providers {
		base, ok := strings.CutSuffix(p.HTTP.URL, "/api/v1/query")
		if !ok || len(p.HTTP.Headers)+len(p.HTTP.Secrets) > 0 {
			continue
		}
		spec.Providers = append(spec.Providers, v1alpha1.Provider{Name: experiment.PackProvider, Prometheus: &v1alpha1.PrometheusProvider{URL: base}})
		return
	}
}

// defaultPack is the pack where nobody says: what clients in the mesh, and its
// gateways, see of the versions.
const defaultPack = "istio-source"

// limits makes every objective one limit, as those of statistics are.
func (s *strength) limits(e *api.Experiment, spec *v1alpha1.Spec, n notes) {
	var out []v1alpha1.Objective
	seen := map[string]bool{}
	for _, o := range spec.Objectives {
		switch {
		case o.Max == "" && o.Min == "":
			n.add("spec.objectives", "%s had no limit in Iter8, which only wanted a number: left out.", o.Metric)
			continue
		case o.Max != "" && o.Min != "":
			n.add("spec.objectives", "%s had a lower limit too, %s: left out.", o.Metric, o.Min)
			o.Min = ""
		}
		if seen[o.Metric] {
			n.add("spec.objectives", "%s had several limits: the first is kept.", o.Metric)
			continue
		}
		seen[o.Metric] = true
		out = append(out, o)
	}
	spec.Objectives = out
	if len(out) > 0 && slices.ContainsFunc(criteria(e).Objectives, func(o api.Objective) bool { return !rollsBack(e, &o) }) {
		n.add("spec.objectives", "Iter8 only kept a version that breaks a limit from winning. Here a candidate that is known to break one is taken out at once; one of which that is not yet known stays.")
	}
}

// stages are a careful way up and then a comparison, as the patterns ask for.
func (s *strength) stages(e *api.Experiment, spec *v1alpha1.Spec, n notes, window, total, horizon int64) {
	names := make([]string, len(spec.Versions))
	for i := range names {
		names[i] = spec.Versions[i].Name
	}
	switch {
	case pattern(e) == api.Conformance:
		spec.Stages = []v1alpha1.Stage{{Name: "observe", Observe: &v1alpha1.Observe{For: seconds(max(total, 2*window))}}}
		return
	case deployment(e) == api.BlueGreen && len(names) == 2 && spec.Reward == nil:
		spec.Stages = []v1alpha1.Stage{{Name: "switch", Switch: &v1alpha1.Switch{Soak: seconds(max(total, 2*window))}}}
		return
	case spec.Reward == nil:
		spec.Stages = []v1alpha1.Stage{s.ramp(e, n, 100, window, horizon)}
		return
	}
	most, _ := weightsOf(e)
	share := min(100/int64(len(names)), max(most, 1))
	if deployment(e) != api.FixedSplit && len(names) == 2 && share > 10 {
		spec.Stages = append(spec.Stages, s.ramp(e, n, share, window, horizon))
	}
	split := map[string]v1alpha1.Quantity{}
	for _, name := range names[1:] {
		split[name] = percent(share)
	}
	split[names[0]] = percent(100 - share*int64(len(names)-1))
	spec.Stages = append(spec.Stages, v1alpha1.Stage{
		Name: "compare", Split: split, Until: &v1alpha1.Until{Decided: true, AtMost: seconds(horizon)},
	})
	n.add("spec.stages", "Iter8 ended after %d iterations, whatever they said. Here it ends when the reward is decided, or after %d h without a winner.", lengthOf(e).total(), horizon/3600)
	if deployment(e) == api.FixedSplit {
		n.add("spec.stages", "Iter8 left the shares as they were: write them here as they are.")
	}
}

// ramp gives the candidate more from window to window, up to a share, by as much
// at once as Iter8 did.
func (s *strength) ramp(e *api.Experiment, n notes, upto, window, horizon int64) v1alpha1.Stage {
	most, by := weightsOf(e)
	upto, by = min(upto, max(most, 1)), max(by, (upto+maxRampSteps-1)/maxRampSteps)
	var steps []v1alpha1.Quantity
	for at := by; at < upto; at += by {
		steps = append(steps, percent(at))
	}
	steps = append(steps, percent(upto))
	n.add("spec.stages", "Each step waits for two windows; while a limit is known to be broken nothing is raised.")
	return v1alpha1.Stage{
		Name: "ramp", Ramp: &v1alpha1.Ramp{Steps: steps}, Hold: &v1alpha1.Hold{Windows: 2}, Until: &v1alpha1.Until{AtMost: seconds(horizon + int64(len(steps))*4*window)},
	}
}
