// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"slices"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// maxMetrics is how many metrics an experiment may refer to.
const maxMetrics = 24

// Gather finds the metrics that an experiment refers to, and those that these
// refer to, each once. get gives one, and nil where there is none; an error of it
// is a metric that could not be read. Of each way in which the criteria write a
// metric there is one entry, as status.metrics wants it; the order is that of the
// criteria.
func Gather(e *api.Experiment, get func(Ref) (*api.Metric, error)) ([]api.MetricInfo, error) {
	var metrics []api.Metric
	for {
		wanted := references(e, metrics)
		i := slices.IndexFunc(wanted, func(r reference) bool {
			return !slices.ContainsFunc(metrics, func(m api.Metric) bool { return m.Namespace == r.ref.Namespace && m.Name == r.ref.Name })
		})
		switch {
		case len(wanted) > maxMetrics:
			return nil, invalid("%d metrics are referred to, want at most %d", len(wanted), maxMetrics)
		case i < 0:
			return infos(wanted, metrics), nil
		}
		m, err := get(wanted[i].ref)
		if err == nil && m == nil {
			m = builtin(wanted[i].ref)
		}
		switch {
		case err != nil:
			return nil, unreadable(wanted[i].ref.String(), "%v", err)
		case m == nil:
			return nil, &Problem{Reason: MetricUnavailable, Message: "Unable to find metric " + wanted[i].ref.String()}
		}
		found := *m.DeepCopy()
		found.Namespace, found.Name = wanted[i].ref.Namespace, wanted[i].ref.Name
		metrics = append(metrics, found)
	}
}

// infos lists metrics as status.metrics does: by the names that the criteria
// write.
func infos(wanted []reference, metrics []api.Metric) []api.MetricInfo {
	var out []api.MetricInfo
	for _, w := range wanted {
		m := find(metrics, w.ref)
		obj := *m.DeepCopy()
		obj.APIVersion, obj.Kind = api.APIVersion, api.KindMetric
		obj.ManagedFields = nil
		if len(w.written) == 0 {
			w.written = []string{w.ref.String()}
		}
		for _, name := range w.written {
			out = append(out, api.MetricInfo{Name: name, MetricObj: obj})
		}
	}
	return out
}

// MetricsOf gives the metrics of status.metrics, each once: those that the
// experiment began with, whatever became of them since.
func MetricsOf(infos []api.MetricInfo) []api.Metric {
	var out []api.Metric
	for i := range infos {
		m := &infos[i].MetricObj
		if !slices.ContainsFunc(out, func(x api.Metric) bool { return x.Namespace == m.Namespace && x.Name == m.Name }) {
			out = append(out, *m)
		}
	}
	return out
}
