// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"slices"
	"strings"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// Validate reports what Iter8 found wrong with an experiment when it began to
// run, in its words; the first problem alone, as it did.
func Validate(e *api.Experiment) error {
	for _, check := range []func(*api.Experiment) *Problem{schema, tasksAreOne, versionInfo, candidateCount, uniqueNames, rewardCount, fieldPaths, weightRefs} {
		if p := check(e); p != nil {
			return p
		}
	}
	return nil
}

// schema is what the schema of the object says, for objects that come from a file
// and that no API server has looked at.
func schema(e *api.Experiment) *Problem {
	s, d := &e.Spec.Strategy, e.Spec.Duration
	switch {
	case e.Spec.Target == "":
		return invalid("spec.target is required")
	case !slices.Contains([]api.TestingPattern{api.Canary, api.AB, api.ABN, api.Conformance}, pattern(e)):
		return invalid("spec.strategy.testingPattern %s is none", shown(string(s.TestingPattern))).hint("write Canary, A/B, A/B/N or Conformance")
	case !slices.Contains([]api.DeploymentPattern{api.FixedSplit, api.Progressive, api.BlueGreen}, deployment(e)):
		return invalid("spec.strategy.deploymentPattern %s is none", shown(string(s.DeploymentPattern))).hint("write FixedSplit, Progressive or BlueGreen")
	case d != nil && (below(d.IntervalSeconds, 1) || below(d.IterationsPerLoop, 1) || below(d.MaxLoops, 1)):
		return invalid("spec.duration: want at least 1 of everything")
	case s.Weights != nil && (outside(s.Weights.MaxCandidateWeight) || outside(s.Weights.MaxCandidateWeightIncrement)):
		return invalid("spec.strategy.weights: want 0 to 100")
	}
	for _, r := range criteria(e).Rewards {
		if r.PreferredDirection != api.High && r.PreferredDirection != api.Low {
			return invalid("spec.criteria.rewards: preferredDirection %s is none", shown(string(r.PreferredDirection))).hint("write High or Low")
		}
	}
	return nil
}

func below(n *int32, least int32) bool { return n != nil && *n < least }

func outside(percent *int32) bool { return percent != nil && (*percent < 0 || *percent > 100) }

// tasksAreOne wants exactly one of task and run in every task. Iter8 ended such
// an experiment without saying that it failed; here it says so.
func tasksAreOne(e *api.Experiment) *Problem {
	for _, key := range []string{api.ActionStart, api.ActionLoop, api.ActionFinish, api.ActionRollback} {
		for i, t := range e.Spec.Strategy.Actions[key] {
			if (t.Task == "") == (t.Run == "") {
				return invalid("Experiment failed").hint("task %d of the action %s: exactly one of task and run is required", i+1, key)
			}
		}
	}
	return nil
}

func versionInfo(e *api.Experiment) *Problem {
	if e.Spec.VersionInfo == nil {
		return invalid("No versionInfo in experiment")
	}
	return nil
}

func candidateCount(e *api.Experiment) *Problem {
	n, ok := len(e.Spec.VersionInfo.Candidates), true
	switch pattern(e) {
	case api.Conformance:
		ok = n == 0
	case api.ABN:
		ok = n >= 1
	default:
		ok = n == 1
	}
	if !ok {
		return invalid("Invalid number of candidates for %s experiment", pattern(e))
	}
	return nil
}

func uniqueNames(e *api.Experiment) *Problem {
	seen := map[string]bool{}
	for _, v := range details(e) {
		if seen[v.Name] {
			return invalid("Version names are not unique")
		}
		seen[v.Name] = true
	}
	return nil
}

func rewardCount(e *api.Experiment) *Problem {
	want := 0
	if p := pattern(e); p == api.AB || p == api.ABN {
		want = 1
	}
	if len(criteria(e).Rewards) != want {
		return invalid("Invalid number of rewards for %s experiment", pattern(e))
	}
	return nil
}

func fieldPaths(e *api.Experiment) *Problem {
	for _, v := range details(e) {
		if v.WeightObjRef != nil && v.WeightObjRef.FieldPath != "" && !strings.HasPrefix(v.WeightObjRef.FieldPath, ".") {
			return invalid("Fieldpaths must start with '.'")
		}
	}
	return nil
}

// weightRefs is what can be said of weightObjRef without a cluster: each names an
// object and a field, and no more than one version is without, unless nothing is
// moved.
func weightRefs(e *api.Experiment) *Problem {
	without := 0
	for _, v := range details(e) {
		ref := v.WeightObjRef
		switch {
		case ref == nil:
			without++
		case ref.FieldPath == "" || ref.APIVersion == "" || ref.Kind == "" || ref.Name == "":
			return invalid("Specification of version weightObjectRef invalid: apiVersion, kind, name and fieldPath of %s are required", v.Name)
		}
	}
	if without > 1 && moves(e) {
		return invalid("Specification of version weightObjectRef invalid: %d versions have none, and only one share follows from the others", without).
			hint("give all but one of the versions a weightObjRef, or use deploymentPattern: FixedSplit")
	}
	return nil
}

// moves reports whether traffic is moved at all.
func moves(e *api.Experiment) bool {
	return pattern(e) != api.Conformance && deployment(e) != api.FixedSplit
}
