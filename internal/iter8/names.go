// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"slices"
	"strings"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Names are what versions and metrics are called here and there. A name that is
// none here is made one; what was given stays as it is.
type Names struct {
	// Versions are in their order, the baseline first, Metrics in the order in
	// which the experiment refers to them.
	Versions, Metrics []Name
}

// Name is one name: Iter8's, of a metric with its namespace, and the native one.
type Name struct {
	Iter8, Native string
	// Written are the ways in which the criteria refer to a metric.
	Written []string
}

// Version is the native name of a version of the experiment.
func (n *Names) Version(iter8 string) (string, bool) {
	for _, v := range n.Versions {
		if v.Iter8 == iter8 {
			return v.Native, true
		}
	}
	return "", false
}

// maxName is the length of a native name.
const maxName = 63

// native makes a name of lower-case letters, digits and '-' that is none of
// those taken, and takes it.
func native(s string, taken map[string]bool) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	base := strings.Trim(b.String(), "-")
	if base == "" {
		base = "x"
	}
	base = strings.TrimRight(base[:min(len(base), maxName)], "-")
	out := base
	for i := 2; taken[out]; i++ {
		end := fmt.Sprintf("-%d", i)
		out = strings.TrimRight(base[:min(len(base), maxName-len(end))], "-") + end
	}
	taken[out] = true
	return out
}

// NamesOf gives the names of an experiment and of the metrics that it refers to,
// also through others. The same experiment and metrics always give the same
// names.
func NamesOf(e *api.Experiment, metrics []api.Metric) *Names {
	out := &Names{}
	// A name that can stay as it is stays, whatever stands before it.
	versions := map[string]bool{}
	for _, v := range details(e) {
		if native(v.Name, map[string]bool{}) == v.Name {
			versions[v.Name] = true
		}
	}
	for _, v := range details(e) {
		name := v.Name
		if !versions[name] {
			name = native(name, versions)
		}
		out.Versions = append(out.Versions, Name{Iter8: v.Name, Native: name})
	}
	used := references(e, metrics)
	count := map[string]int{}
	for _, u := range used {
		count[u.ref.Name]++
	}
	taken := map[string]bool{}
	for _, u := range used {
		name := u.ref.Name
		if count[name] > 1 || slices.Contains(reserved, name) {
			name = u.ref.Namespace + "-" + name
		}
		out.Metrics = append(out.Metrics, Name{Iter8: u.ref.String(), Native: native(name, taken), Written: u.written})
	}
	return out
}

// reserved are names that native metrics cannot have: the engine's own.
var reserved = []string{
	experiment.CellExposures, experiment.CellMirrored, experiment.CellRequests, experiment.CellClasses, experiment.CellScores, experiment.CellTokens,
}

// metric is the native name of a metric.
func (n *Names) metric(ref Ref) string {
	for _, m := range n.Metrics {
		if m.Iter8 == ref.String() {
			return m.Native
		}
	}
	return ""
}

// reference is a metric that the experiment wants.
type reference struct {
	ref Ref
	// written are the ways in which the criteria write it; none where another
	// metric wants it.
	written []string
}

// references lists the metrics that an experiment refers to, rewards first, and
// then those that these refer to, each once.
func references(e *api.Experiment, metrics []api.Metric) []reference {
	var out []reference
	add := func(ref Ref, written string) {
		i := 0
		for ; i < len(out) && out[i].ref != ref; i++ {
		}
		if i == len(out) {
			out = append(out, reference{ref: ref})
		}
		for _, w := range out[i].written {
			if w == written {
				return
			}
		}
		if written != "" {
			out[i].written = append(out[i].written, written)
		}
	}
	c := criteria(e)
	for _, s := range written(&c) {
		add(refOf(s, namespaceOf(e)), s)
	}
	for i := 0; i < len(out); i++ {
		if m := find(metrics, out[i].ref); m != nil && m.Spec.SampleSize != nil {
			add(refOf(*m.Spec.SampleSize, out[i].ref.Namespace), "")
		}
	}
	return out
}

// find is a metric among some; nil is none.
func find(metrics []api.Metric, ref Ref) *api.Metric {
	for i := range metrics {
		if m := &metrics[i]; m.Name == ref.Name && m.Namespace == ref.Namespace {
			return m
		}
	}
	return builtin(ref)
}

// written lists the references of criteria as they stand there.
func written(c *api.Criteria) []string {
	var out []string
	for _, r := range c.Rewards {
		out = append(out, r.Metric)
	}
	for _, o := range c.Objectives {
		out = append(out, o.Metric)
	}
	if c.RequestCount != nil {
		out = append(out, *c.RequestCount)
	}
	return append(out, c.Indicators...)
}
