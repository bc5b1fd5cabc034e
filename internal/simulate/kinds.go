// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// kind is the requests that are in the same group of every segment that matters.
type kind struct {
	share float64
	// groups is the group in each segment that matters, slices its name; rows
	// are the rows of evidence that these requests are counted in.
	groups []int
	slices []string
	rows   []int
	// laws is by metric, in the plan's order.
	laws []drawn
}

// drawn is a law as it is drawn.
type drawn struct {
	values []float64 // by version
	sd     float64
	// heard is the probability that a unit is heard of in time, late that an
	// outcome comes in time after the event that it is counted per.
	heard, late float64
	// separated are the scores of cases, by version, where the law is of an
	// area; shifts what moves between classes or scores, where it is of drift.
	separated []separation
	shifts    []float64
}

// segmentsThatMatter lists the segments that a decision or an assumption reads,
// by index. No decision depends on the others: they are left out.
func segmentsThatMatter(p *experiment.Plan, a *Assumptions) []int {
	read := map[string]bool{}
	for i := range p.Stages {
		s := &p.Stages[i]
		for _, g := range s.Where {
			read[g.Segment] = true
		}
		if s.Bandit != nil {
			read[s.Bandit.Per] = true
		}
	}
	for i := range p.Guardrails {
		for _, name := range p.Guardrails[i].Slices {
			read[name] = true
		}
	}
	for _, o := range limitsOf(p) {
		for _, name := range o.Slices {
			read[name] = true
		}
	}
	for _, l := range a.Laws {
		read[experiment.SegmentOf(l.Slice)] = true
	}
	for _, g := range a.Groups {
		read[experiment.SegmentOf(g.Slice)] = true
	}
	var out []int
	for i := range p.Segments {
		if read[p.Segments[i].Name] || p.Segments[i].Stratify {
			out = append(out, i)
		}
	}
	return out
}

// limitsOf lists the objectives and the gates of all stages.
func limitsOf(p *experiment.Plan) []experiment.Objective {
	limits := slices.Clone(p.Objectives)
	for i := range p.Stages {
		limits = append(limits, p.Stages[i].Require...)
	}
	return limits
}

// groupShares gives the share of each group of a segment. What is left goes
// evenly to the groups that nobody gave a share.
func groupShares(s *experiment.Segment, given []GroupShare) ([]float64, error) {
	slicesOf := s.Slices()
	out, said := make([]float64, len(slicesOf)), make([]bool, len(slicesOf))
	left, open := 1.0, len(slicesOf)
	for _, g := range given {
		i := slices.Index(slicesOf, g.Slice)
		if i < 0 {
			continue // It is of another segment.
		}
		if !(g.Share >= 0 && g.Share <= 1) {
			return nil, experiment.Errorf(experiment.CodeInvalid, "share of %s is %v: want 0 to 1", g.Slice, g.Share)
		}
		if said[i] {
			return nil, experiment.Errorf(experiment.CodeInvalid, "the share of %s is said twice", g.Slice)
		}
		out[i], said[i] = g.Share, true
		left -= g.Share
		open--
	}
	if left < -1e-9 || left > 1e-9 && open == 0 {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the shares of the groups of %s sum to %.4g%%", s.Name, 100*(1-left))
	}
	for i := range out {
		if !said[i] {
			out[i] = max(0, left) / float64(open)
		}
	}
	return out, nil
}

// layKinds crosses the groups of the segments that matter.
func (w *Fast) layKinds(a *Assumptions) error {
	p := w.plan
	if err := checkSlices(p, a); err != nil {
		return err
	}
	w.segments = segmentsThatMatter(p, a)
	w.kinds = []kind{{share: 1, rows: []int{0}}}
	w.slices = []string{""}
	for _, i := range w.segments {
		s := &p.Segments[i]
		shares, err := groupShares(s, a.Groups)
		if err != nil {
			return err
		}
		var crossed []kind
		first := len(w.slices)
		w.slices = append(w.slices, s.Slices()...)
		for _, k := range w.kinds {
			for g, share := range shares {
				if share == 0 {
					continue
				}
				crossed = append(crossed, kind{
					share:  k.share * share,
					groups: append(slices.Clone(k.groups), g),
					slices: append(slices.Clone(k.slices), s.Slice(g)),
					rows:   append(slices.Clone(k.rows), first+g),
				})
			}
		}
		if w.kinds = crossed; len(crossed) > maxKinds {
			return experiment.Errorf(experiment.CodeInvalid, "the groups of %d segments make more than %d kinds of requests", len(w.segments), maxKinds).
				WithHint("simulate with fewer slices, or give the shares of fewer groups")
		}
	}
	for i := range w.kinds {
		w.layLaws(a, &w.kinds[i])
	}
	return nil
}

// checkSlices refuses shares and laws of groups that are not there.
func checkSlices(p *experiment.Plan, a *Assumptions) error {
	check := func(slice string) error {
		s := p.Segment(experiment.SegmentOf(slice))
		if s == nil || !slices.Contains(s.Slices(), slice) {
			return experiment.Errorf(experiment.CodeInvalid, "no group is called %q", slice).WithHint("name a group of a segment of the plan, as segment=group")
		}
		return nil
	}
	for _, g := range a.Groups {
		if err := check(g.Slice); err != nil {
			return err
		}
	}
	for _, l := range a.Laws {
		if l.Slice == "" {
			continue
		}
		if err := check(l.Slice); err != nil {
			return err
		}
	}
	return nil
}

func (w *Fast) layLaws(a *Assumptions, k *kind) {
	k.laws = make([]drawn, len(w.plan.Metrics))
	for i := range w.plan.Metrics {
		m := &w.plan.Metrics[i]
		l := a.lawOf(w.plan, m, k.slices)
		d := drawn{values: l.Values, sd: l.SD, heard: 1, late: 1}
		if l.Heard > 0 {
			d.heard = l.Heard
		}
		if window := m.Matures(); window > 0 && a.Delay > 0 {
			d.late = -math.Expm1(-float64(window) / float64(a.Delay))
			d.heard *= d.late
		}
		d.layPredictions(m)
		k.laws[i] = d
	}
}

// layOrder finds, for each ratio, the metric that counts the events it is per;
// -1 where none does. Only a metric of zeros and ones counts. What counts is
// drawn before what is counted per it.
func (w *Fast) layOrder() {
	p := w.plan
	w.per = make([]int, len(p.Metrics))
	var ratios []int
	for i := range p.Metrics {
		w.per[i] = -1
		if o := p.Metrics[i].Outcomes; o != nil && o.Per != "" {
			w.per[i] = slices.IndexFunc(p.Metrics, func(m experiment.Metric) bool {
				return m.Outcomes != nil && m.Outcomes.Per == "" && m.Outcomes.Event == o.Per
			})
		}
		if base := w.per[i]; base >= 0 && slices.ContainsFunc(w.kinds, func(k kind) bool { return k.laws[base].sd > 0 }) {
			w.per[i] = -1
		}
		if w.per[i] < 0 {
			w.order = append(w.order, i)
		} else {
			ratios = append(ratios, i)
		}
	}
	w.order = append(w.order, ratios...)
}
