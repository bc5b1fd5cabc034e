// SPDX-License-Identifier: Apache-2.0

package fields

import (
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// serving is what the stack reports as served, and what it still waits for. Only
// two kinds report it: Knative's Service and Route, by revision, and KServe's
// InferenceService on Knative, of the newest revision. Nil is that nobody does.
func (r *Router) serving(objects []router.Object, asked experiment.Shares) (experiment.Shares, string) {
	if len(r.refs) != 1 || asked == nil {
		return nil, ""
	}
	var serving experiment.Shares
	o, ref := objects[0], r.refs[0]
	switch {
	case ref.Group == "serving.knative.dev" && r.all(func(p router.Path) bool {
		return len(p) == 4 && p[0] == "spec" && p[1] == "traffic" && p[3] == "percent"
	}):
		if why := stale(o); why != "" {
			return nil, why
		}
		serving = r.knative(o)
	case ref.Group == "serving.kserve.io" && r.inferred >= 0 && r.all(isCanaryPercent):
		// The generation that it reports is that of what it made: of no use here.
		serving = r.kserve(o)
	default:
		return nil, ""
	}
	switch {
	case serving == nil:
		return nil, fmt.Sprintf("%s %s does not yet report what it serves", ref.Kind, ref.Name)
	case !slices.Equal(serving, asked):
		return serving, fmt.Sprintf("%s %s serves %s, asked for is %s", ref.Kind, ref.Name, serving, asked)
	}
	return serving, ""
}

// all reports whether every field's path is of a kind.
func (r *Router) all(is func(router.Path) bool) bool {
	return !slices.ContainsFunc(r.fields, func(f field) bool { return !is(f.path) })
}

// isCanaryPercent is the share of the newest revision of KServe's predictor, of
// which its status tells.
func isCanaryPercent(p router.Path) bool {
	return slices.Equal(p, router.Path{"spec", "predictor", "canaryTrafficPercent"})
}

// stale says that a status is of an older object.
func stale(o router.Object) string {
	generation, _ := router.Int(router.At(o, "metadata", "generation"))
	observed, _ := router.Int(router.At(o, "status", "observedGeneration"))
	if observed != generation {
		return fmt.Sprintf("the status is of generation %d, the object is at %d", observed, generation)
	}
	return ""
}

// knative adds up status.traffic by the revisions that spec.traffic names for the
// versions.
func (r *Router) knative(o router.Object) experiment.Shares {
	traffic, err := router.List(o, "status", "traffic")
	if err != nil || len(traffic) == 0 {
		return nil
	}
	out := make(experiment.Shares, len(r.versions))
	taken := make([]bool, len(traffic))
	for _, f := range r.fields {
		target := router.Pointed(o, f.path[:3].Pointer())
		revision := router.Text(target, "revisionName")
		latest, _ := router.At(target, "latestRevision").(bool)
		for i, s := range traffic {
			isLatest, _ := s["latestRevision"].(bool)
			if revision != "" && router.Text(s, "revisionName") == revision && !isLatest || revision == "" && latest && isLatest {
				n, _ := router.Int(s["percent"])
				out[f.version] += experiment.Share(n * 100)
				taken[i] = true
			}
		}
	}
	for i, s := range traffic {
		n, _ := router.Int(s["percent"])
		if r.inferred >= 0 && !taken[i] {
			out[r.inferred] += experiment.Share(n * 100)
		}
	}
	return out
}

// kserve reads what the newest revision of the predictor has; the version without
// a field has the rest.
func (r *Router) kserve(o router.Object) experiment.Shares {
	traffic, err := router.List(o, "status", "components", "predictor", "traffic")
	if err != nil || len(traffic) == 0 {
		return nil
	}
	out := make(experiment.Shares, len(r.versions))
	for _, s := range traffic {
		n, _ := router.Int(s["percent"])
		v := r.inferred
		if latest, _ := s["latestRevision"].(bool); latest {
			v = r.fields[0].version
		}
		out[v] += experiment.Share(n * 100)
	}
	return out
}
