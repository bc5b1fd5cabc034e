// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"cmp"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// mirror draws copies of requests to each candidate, how their answers compare,
// and what is read in them. A bound on copies per second is divided among kinds by
// their shares. met are the units that asked for the first time, asked all
// requests.
func (f *flow) mirror(b *batch, r *experiment.MirrorRoute, k *kind, met, asked int64, seconds float64) {
	n := len(f.w.plan.Versions)
	for _, v := range r.Versions {
		copies := f.dice.binomial(asked, r.Share.Fraction())
		if !r.ByEvents && f.w.plan.Router.Kind() == experiment.RouterGateway {
			copies = min(copies, int64(cmp.Or(r.Rate, experiment.DefaultCopyRate)*seconds))
		}
		f.sum.cost += float64(copies) * f.w.plan.Versions[v].Cost.PerRequest
		f.copied(met, asked, copies)
		for i := range f.w.plan.Metrics {
			m, ok := f.answered(i, &k.laws[i], v)
			if !ok {
				continue
			}
			for _, row := range k.rows {
				b.tallies[row*n+v].metrics[i].merge(&m)
			}
		}
		for _, row := range k.rows {
			b.tallies[row*n+v].copies += copies
		}
	}
}

// copied makes copies what is being drawn. A unit has one prediction, and a label
// of it: of its first request. So its shadow's prediction is there if that request
// was copied, which is as likely as for every other request.
func (f *flow) copied(met, asked, copies int64) {
	f.one.requests, f.one.units = copies, copies
	switch {
	case met == asked || copies == 0: // Each request is another unit's.
	case slices.ContainsFunc(f.w.plan.Metrics, func(m experiment.Metric) bool { return m.Labels != nil }):
		f.one.units = min(copies, f.dice.binomial(met, float64(copies)/float64(asked)))
	}
}

// answered draws a metric of the copies that are being drawn; false where copies
// tell nothing of it: outcomes, errors and latency are of what users got.
func (f *flow) answered(metric int, law *drawn, version int) (measured, bool) {
	m := &f.w.plan.Metrics[metric]
	switch {
	case m.Pairs != nil:
		return measured{pair: f.pair(f.one.requests, f.one.requests, law.values[version], law.sd, false)}, true
	case m.Labels != nil:
		return f.labelled(metric, law, version), true
	case m.Prediction != nil || m.Drift != nil:
		return f.predicted(metric, law, version), true
	}
	return measured{}, false
}
