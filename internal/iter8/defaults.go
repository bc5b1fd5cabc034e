// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"cmp"
	"strings"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// Iter8's defaults. They stand in no object: they are filled in whenever one is
// read.
const (
	defaultInterval   = 20
	defaultIterations = 15
	defaultLoops      = 1
	defaultCap        = 100
	defaultIncrement  = 10
)

// pattern is the testing pattern, in its one spelling.
func pattern(e *api.Experiment) api.TestingPattern {
	if e.Spec.Strategy.TestingPattern == api.ABNAlias {
		return api.ABN
	}
	return e.Spec.Strategy.TestingPattern
}

// deployment is the deployment pattern.
func deployment(e *api.Experiment) api.DeploymentPattern {
	return cmp.Or(e.Spec.Strategy.DeploymentPattern, api.Progressive)
}

// or is a number, or its default where there is none.
func or(n *int32, otherwise int64) int64 {
	if n == nil {
		return otherwise
	}
	return int64(*n)
}

// text is what a pointer points at, or nothing.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// length is how long an experiment lasts.
type length struct{ interval, iterations, loops int64 }

func (l length) total() int64 { return l.iterations * l.loops }

func lengthOf(e *api.Experiment) length {
	d := e.Spec.Duration
	if d == nil {
		d = &api.Duration{}
	}
	return length{or(d.IntervalSeconds, defaultInterval), or(d.IterationsPerLoop, defaultIterations), or(d.MaxLoops, defaultLoops)}
}

// weightsOf are the most percent of a candidate, and by how much it rises.
func weightsOf(e *api.Experiment) (most, increment int64) {
	w := e.Spec.Strategy.Weights
	if w == nil {
		w = &api.Weights{}
	}
	return or(w.MaxCandidateWeight, defaultCap), or(w.MaxCandidateWeightIncrement, defaultIncrement)
}

// criteria are what the versions are compared by; none is empty.
func criteria(e *api.Experiment) api.Criteria {
	if e.Spec.Criteria == nil {
		return api.Criteria{}
	}
	return *e.Spec.Criteria
}

// details are the versions, the baseline first; none is nil.
func details(e *api.Experiment) []api.VersionDetail {
	if e.Spec.VersionInfo == nil {
		return nil
	}
	return append([]api.VersionDetail{e.Spec.VersionInfo.Baseline}, e.Spec.VersionInfo.Candidates...)
}

// rollsBack reports whether missing an objective ends the experiment.
func rollsBack(e *api.Experiment, o *api.Objective) bool {
	if o.RollbackOnFailure != nil {
		return *o.RollbackOnFailure
	}
	return deployment(e) == api.BlueGreen
}

// namespaceOf is where an experiment is.
func namespaceOf(e *api.Experiment) string { return cmp.Or(e.Namespace, "default") }

// Ref names a metric.
type Ref struct{ Namespace, Name string }

func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// refOf reads a reference; one without a namespace is in that which is given.
func refOf(s, namespace string) Ref {
	if ns, name, ok := strings.Cut(s, "/"); ok {
		return Ref{ns, name}
	}
	return Ref{namespace, s}
}
