// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// requestBound is how the interval of a limit on requests depends on what was
// counted. It is the judge's own: where it does not give the verdict's
// interval, the verdict was made otherwise, and nothing is claimed by it.
type requestBound struct {
	n, x    int64
	alpha   float64
	planned float64
	limit   float64
}

// intervalMatch is how near the interval computed again must come to the
// verdict's.
const intervalMatch = 1e-6

func (x *explaining) requestBound(v *experiment.Verdict) (requestBound, bool) {
	o := limitOf(x.in, v)
	if m := x.in.Plan.Metric(v.Metric); m == nil || m.ByUnit() || m.WholeSample() {
		return requestBound{}, false // It counts no requests.
	}
	if v.Basis != experiment.BasisRequests || o == nil || o.Max == nil || v.Interval == nil || v.Estimate == nil || v.N == 0 {
		return requestBound{}, false
	}
	b := requestBound{
		n: v.N, x: int64(math.Round(*v.Estimate * float64(v.N))),
		alpha: 1 - v.Level, planned: x.in.Plan.PlannedRequests(), limit: *o.Max,
	}
	i, ok := b.interval(b.n, b.x)
	return b, ok && math.Abs(i.Low-v.Interval.Low) < intervalMatch && math.Abs(i.High-v.Interval.High) < intervalMatch
}

func (b requestBound) interval(n, x int64) (stats.Interval, bool) {
	i, err := stats.BernoulliInterval(stats.Counts{N: n, X: x}, b.alpha, b.planned)
	return i, err == nil
}

// most is the largest count up to the limit for which keep holds of its
// interval; keep holds of small counts and stops holding once. -1 is none.
func (b requestBound) most(keep func(stats.Interval) bool) int64 {
	low, high := int64(-1), b.n+1
	for low+1 < high {
		mid := low + (high-low)/2
		if i, ok := b.interval(b.n, mid); ok && keep(i) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// maxMore bounds the search for how much more evidence it takes.
const maxMore = 1 << 40

// more is how many more requests at the rate seen bring the interval under the
// limit; 0 if none do.
func (b requestBound) more() int64 {
	rate := float64(b.x) / float64(b.n)
	enough := func(n int64) bool {
		i, ok := b.interval(n, int64(math.Round(rate*float64(n))))
		return ok && i.High <= b.limit
	}
	high := b.n
	if high > maxMore {
		return 0
	}
	for !enough(high) {
		if high *= 2; high > maxMore {
			return 0
		}
	}
	low := high / 2
	for low+1 < high {
		if mid := low + (high-low)/2; enough(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return max(0, high-b.n)
}

// happened names what a metric of requests counts: "had failed".
func (x *explaining) happened(v *experiment.Verdict) (did, things string) {
	m := x.in.Plan.Metric(v.Metric)
	if m != nil && m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
		return fmt.Sprintf("had taken more than %s", m.Builtin.Limit), "slow requests"
	}
	if m != nil && m.Prediction != nil {
		return "counted in " + m.Name, "answers counted in " + m.Name
	}
	if m != nil && m.Provider != nil {
		return "counted in " + m.Name, "requests counted in " + m.Name
	}
	return "had failed", "failed requests"
}

// violated explains a limit that is broken: what the version could have had
// and kept its traffic.
func (x *explaining) violated(v *experiment.Verdict, would string) Flip {
	f := x.of(v)
	if b, ok := x.requestBound(v); ok {
		did, things := x.happened(v)
		k := b.most(func(i stats.Interval) bool { return i.Low <= b.limit })
		seen, bar := float64(b.x), float64(k+1)
		f.Quantity, f.Seen, f.Bar = things, &seen, &bar
		f.Text = fmt.Sprintf("%s %s if fewer than %s of %s requests %s (%s did)", f.Version, would, count(bar), count(float64(b.n)), did, count(seen))
		return f
	}
	return x.shifted(f, v, would, outside)
}

// value writes a value of a verdict's metric, points a difference.
func (x *explaining) value(v *experiment.Verdict, n float64) string {
	return amount(x.in.Plan.Metric(v.Metric), n)
}

func (x *explaining) points(v *experiment.Verdict, n float64) string {
	if m := x.in.Plan.Metric(v.Metric); m != nil && m.Unit() != "" {
		return fmt.Sprintf("%+.4g", n) + unit(m)
	}
	return points(n)
}

// touching is how an interval that is moved meets its limit.
type touching int

const (
	// outside is an interval that lies beyond the limit and would no more.
	outside touching = iota
	// reaching is one that crosses the limit and would lie within it.
	reaching
	// leaving is one that lies within the limit and would cross it.
	leaving
)

// shifted moves the estimate, interval and all, to where it just touches the
// limit.
func (x *explaining) shifted(f Flip, v *experiment.Verdict, would string, how touching) Flip {
	o := limitOf(x.in, v)
	if o == nil || (o.Max == nil && o.Min == nil) || v.Interval == nil || v.Estimate == nil {
		f.Text = fmt.Sprintf("%s %s with another %s", f.Version, would, about(v))
		return f
	}
	near, far := v.Interval.Low, v.Interval.High
	limit, within, beyond := o.Max, "at most", "more than"
	if o.Max == nil {
		near, far = far, near
		limit, within, beyond = o.Min, "at least", "less than"
	}
	edge, word := far, within
	switch how {
	case outside:
		edge = near
	case leaving:
		word = beyond
	}
	bar, seen := *v.Estimate+*limit-edge, *v.Estimate
	f.Quantity, f.Seen, f.Bar = "value", &seen, &bar
	f.Text = fmt.Sprintf("%s %s with %s of %s %s, its interval being as wide (it was %s)", f.Version, would, about(v), word, x.value(v, bar), x.value(v, seen))
	return f
}

// openGate explains an objective, gate or guardrail that is not known to hold.
func (x *explaining) openGate(version, metric string) {
	for i := range x.in.Judgement.Verdicts {
		v := &x.in.Judgement.Verdicts[i]
		if x.name(v.Version) != version || !names(metric, v) || v.Role == experiment.RoleReward || hides(x.in, v) {
			continue
		}
		switch v.Status {
		case experiment.Met, experiment.NotWorse, experiment.Better:
		default:
			x.add(x.unmet(v))
		}
	}
}

// names reports whether a reason's metric is that of a verdict, in its slice,
// whoever owns it.
func names(metric string, v *experiment.Verdict) bool {
	return metric == about(v) || strings.HasPrefix(metric, about(v)+" (owner: ")
}

// unmet says what an undecided limit or guardrail takes to be known to hold.
func (x *explaining) unmet(v *experiment.Verdict) Flip {
	f := x.of(v)
	if v.Role == experiment.RoleGuardrail {
		return x.notYet(f, v, -x.sign(v)*deref(v.Limit), "would be known not to worsen "+about(v))
	}
	if b, ok := x.requestBound(v); ok {
		did, things := x.happened(v)
		k := b.most(func(i stats.Interval) bool { return i.High <= b.limit })
		seen, bar := float64(b.x), float64(k)
		f.Quantity, f.Seen, f.Bar, f.More = things, &seen, &bar, v.Need
		if f.More == 0 {
			f.More = b.more()
		}
		if k >= 0 {
			f.Text = fmt.Sprintf("%s would be known to meet %s if at most %s of %s requests %s (%s did)", f.Version, about(v), count(bar), count(float64(b.n)), did, count(seen))
		} else {
			f.Bar = nil
			f.Text = fmt.Sprintf("%s cannot be known to meet %s with %s requests", f.Version, about(v), count(float64(b.n)))
		}
		if f.More > 0 {
			f.Text += fmt.Sprintf(", or with about %s more like these", count(float64(f.More)))
		}
		return f
	}
	if v.Interval == nil {
		f.Text = fmt.Sprintf("%s has too little data on %s to say", f.Version, about(v))
		return f
	}
	return x.shifted(f, v, "would be known to meet its limit", reaching)
}

// violatedBy explains an observation that found limits broken.
func (x *explaining) violatedBy(version string) {
	x.together = true
	for i := range x.in.Judgement.Verdicts {
		if v := &x.in.Judgement.Verdicts[i]; v.Status == experiment.Violated && x.name(v.Version) == version {
			x.add(x.violated(v, "would not have failed"))
		}
	}
}

// spare says how much worse the limits and guardrails of a version could have
// been.
func (x *explaining) spare(version string) {
	for i := range x.in.Judgement.Verdicts {
		v := &x.in.Judgement.Verdicts[i]
		if version != "" && x.name(v.Version) != version || version == "" && v.Version != x.in.Record.State.Winner || hides(x.in, v) {
			continue
		}
		switch {
		case v.Status == experiment.Met:
			x.add(x.met(v))
		case v.Status == experiment.NotWorse && v.Role == experiment.RoleGuardrail:
			if f, ok := x.edge(x.of(v), v, -x.sign(v)*deref(v.Limit), "would not have been known not to worsen "+about(v)); ok {
				x.add(f)
			}
		}
	}
}

func (x *explaining) met(v *experiment.Verdict) Flip {
	f := x.of(v)
	if b, ok := x.requestBound(v); ok {
		did, things := x.happened(v)
		k := b.most(func(i stats.Interval) bool { return i.High <= b.limit })
		seen, bar := float64(b.x), float64(k+1)
		f.Quantity, f.Seen, f.Bar = things, &seen, &bar
		f.Text = fmt.Sprintf("%s would not have been known to meet %s if %s or more of %s requests %s (%s did)", f.Version, about(v), count(bar), count(float64(b.n)), did, count(seen))
		return f
	}
	return x.shifted(f, v, "would not have been known to meet its limit", leaving)
}

func deref(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}
