// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// PairReport is how two endpoints answered the same requests. Times are in
// seconds; intervals are of 95 % at one look, each by itself.
type PairReport struct {
	Method    string  `json:"method"`
	Baseline  PairEnd `json:"baseline"`
	Candidate PairEnd `json:"candidate"`
	// Partial says that the run was interrupted.
	Partial bool `json:"partial"`
	// Planned is the number of bodies, Pairs how many of them both endpoints
	// were asked, Answered how many of these neither failed, Accepted how many
	// both answered with a status of 2xx.
	Planned  int64 `json:"planned"`
	Pairs    int64 `json:"pairs"`
	Answered int64 `json:"answered"`
	Accepted int64 `json:"accepted"`
	// CandidateFirst is for how many pairs the candidate was asked first.
	CandidateFirst int64   `json:"candidateFirst"`
	Elapsed        float64 `json:"elapsed"`
	// Took compares the latencies of pairs that were answered; nil without two.
	Took       *PairTook  `json:"took,omitempty"`
	Confidence float64    `json:"confidence"`
	Metrics    []PairMean `json:"metrics"`
	// LeftOut are usual metrics that most pairs gave nothing to compare by.
	LeftOut []string       `json:"leftOut,omitempty"`
	Gates   []GateReport   `json:"gates,omitempty"`
	Shown   []Disagreement `json:"disagreements,omitempty"`
	// Disagreeing is how many pairs disagree by any metric but latency.
	Disagreeing int64 `json:"disagreeing"`
	// Notes say what of the experiment is not used here.
	Notes   []string `json:"notes,omitempty"`
	Machine Machine  `json:"machine"`
}

// PairEnd is what one endpoint did.
type PairEnd struct {
	// URL is without user and query, which may be secret.
	URL string `json:"url"`
	// Answered requests have an answer of any status. Failed ones have none, or
	// one with a status of 500 or above.
	Answered int64 `json:"answered"`
	Failed   int64 `json:"failed"`
	// Unread answers did not fail but hold no JSON, or are coded or oversize;
	// Oversize ones are longer than 1 MiB and not compared.
	Unread   int64     `json:"unread"`
	Oversize int64     `json:"oversize"`
	Failures []Failure `json:"failures"`
	Statuses []Status  `json:"statuses"`
	// Latency is of the pairs that were answered, from each request's sending.
	Latency *PairLatency `json:"latency"`
}

// PairLatency describes a latency: quantiles within 1 %, the greatest exact.
type PairLatency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// PairTook is how much longer the candidate took, pair by pair: the mean
// difference, and the ratio of geometric means, by Student's t of the
// differences and of those of the logarithms.
type PairTook struct {
	Pairs      int64    `json:"pairs"`
	Difference Interval `json:"difference"`
	Ratio      Interval `json:"ratio"`
}

// Interval is an estimate with its interval.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// PairMean is what one metric says on average.
type PairMean struct {
	Metric  string                `json:"metric"`
	Compare experiment.Comparison `json:"compare"`
	Goal    experiment.Goal       `json:"goal"`
	// Tolerance is the metric's, where it has one.
	Tolerance float64 `json:"tolerance,omitempty"`
	PairShare
	Agreement *PairMatrix `json:"agreement,omitempty"`
	// Slices are the worst first; those without pairs come last.
	Slices []PairSlice `json:"slices,omitempty"`
}

// PairSlice is the same of one slice.
type PairSlice struct {
	Slice string `json:"slice"`
	PairShare
}

// PairShare is the mean over the pairs that were compared, nil without any.
type PairShare struct {
	Pairs int64    `json:"pairs"`
	Blank int64    `json:"blank"`
	Mean  *float64 `json:"mean"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
	// Interval is how the interval was made: exact (Clopper and Pearson) where
	// every value is 0 or 1, t (Student) where they are not, binomial where too
	// few lie off an end for that: exact for the sum rounded outwards, which is
	// wider.
	Interval string `json:"interval,omitempty"`
}

// tFrom is how many values must lie off 0, and off 1, for Student's t.
const tFrom = 30

// share is the mean and its interval.
func (v *valueTally) share() PairShare {
	n := v.values.N
	out := PairShare{Pairs: n, Blank: v.blank}
	if n == 0 {
		return out
	}
	mean := v.values.Mean
	out.Interval = "t"
	var i stats.Interval
	m, err := paired.Difference(v.values)
	if err == nil {
		i, err = m.Interval(confidence)
	}
	switch {
	case v.ones+v.zeros == n:
		out.Interval, mean = "exact", float64(v.ones)/float64(n)
		i, err = stats.ClopperPearson(stats.Counts{N: n, X: v.ones}, confidence)
	case err != nil || n-v.ones < tFrom || n-v.zeros < tFrom:
		out.Interval = "binomial"
		i, err = roundedOut(mean*float64(n), n)
	}
	if err != nil { // The counts are possible, so that there is always one.
		return PairShare{Pairs: n, Blank: v.blank, Mean: &mean}
	}
	low, high := max(0, i.Low), min(1, i.High)
	out.Mean, out.Low, out.High = &mean, &low, &high
	return out
}

// roundedOut is the exact interval of a sum of values from 0 to 1, which spread
// no more than 0 and 1 of the same mean would.
func roundedOut(sum float64, n int64) (stats.Interval, error) {
	const rounding = 1e-6
	low, err := stats.ClopperPearson(stats.Counts{N: n, X: max(0, int64(math.Floor(sum+rounding)))}, confidence)
	if err != nil {
		return low, err
	}
	high, err := stats.ClopperPearson(stats.Counts{N: n, X: min(n, int64(math.Ceil(sum-rounding)))}, confidence)
	return stats.Interval{Low: low.Low, High: high.High}, err
}

// report makes the account.
func (r *pairRun) report() PairReport {
	t := r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	out := PairReport{
		Method: r.ends[0].o.Method, Planned: int64(len(r.o.Lines)), Pairs: t.pairs, Answered: t.answered, Accepted: t.accepted, CandidateFirst: t.candidateFirst,
		Elapsed: time.Since(r.began).Seconds(), Confidence: confidence, Metrics: []PairMean{},
		Took: t.took(), Shown: t.shown, Disagreeing: t.disagreeing, Notes: t.plan.notes,
	}
	for i, end := range []*PairEnd{&out.Baseline, &out.Candidate} {
		*end = t.ends[i].report()
		end.URL = shown(r.ends[i].o.target)
	}
	for i := range t.plan.metrics {
		m := &t.plan.metrics[i]
		if t.leftOut(i) {
			out.LeftOut = append(out.LeftOut, m.Name)
			continue
		}
		mean := PairMean{
			Metric: m.Name, Compare: m.Pairs.Compare, Goal: m.Goal, Tolerance: m.Pairs.Tolerance,
			PairShare: t.everybody[i].share(), Agreement: t.everybody[i].matrix(),
		}
		for s, name := range t.plan.slices {
			mean.Slices = append(mean.Slices, PairSlice{name, t.slices[s][i].share()})
		}
		slices.SortStableFunc(mean.Slices, func(a, b PairSlice) int { return worse(a.PairShare, b.PairShare, m.Goal) })
		out.Metrics = append(out.Metrics, mean)
	}
	out.Gates = t.plan.check(out.Metrics)
	return out
}

// worse orders means, the worst first and none last.
func worse(a, b PairShare, goal experiment.Goal) int {
	switch {
	case a.Mean == nil && b.Mean == nil:
		return 0
	case a.Mean == nil:
		return 1
	case b.Mean == nil:
		return -1
	}
	return cmp.Compare(goal.Sign()**a.Mean, goal.Sign()**b.Mean)
}

// leftOut says whether a usual metric says nothing of most pairs that could be
// compared. Failures and latency stay, and what is required.
func (t *pairTally) leftOut(i int) bool {
	m := &t.plan.metrics[i]
	c := m.Pairs.Compare
	return t.plan.usual && c != experiment.CompareFailures && c != experiment.CompareLatency &&
		!slices.Contains(t.plan.required, m.Name) && 2*t.everybody[i].values.N <= t.answered
}

func (e *endTally) report() PairEnd {
	out := PairEnd{Answered: e.answered, Failed: e.failed, Unread: e.unread, Oversize: e.oversize, Failures: []Failure{}, Statuses: []Status{}}
	for _, f := range e.kinds.failures {
		out.Failures = append(out.Failures, *f)
	}
	slices.SortFunc(out.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	for _, code := range slices.Sorted(maps.Keys(e.kinds.statuses)) {
		out.Statuses = append(out.Statuses, Status{code, e.kinds.statuses[code]})
	}
	if q := e.latency.quantiles(); q != nil {
		p90, _ := e.latency.sketch.Quantile(0.9) // There is one where there are others.
		out.Latency = &PairLatency{P50: q.P50, P90: min(p90, q.Max), P99: q.P99, Max: q.Max}
	}
	return out
}

// took compares the times, nil where there are too few or all are alike.
func (t *pairTally) took() *PairTook {
	gap, ratio, ok := meanOf(t.gap), meanOf(t.ratio), t.gap.N > 1
	if !ok || gap == nil || ratio == nil {
		return nil
	}
	for _, f := range []*float64{&ratio.Value, &ratio.Low, &ratio.High} {
		*f = math.Exp(*f)
	}
	return &PairTook{Pairs: t.gap.N, Difference: *gap, Ratio: *ratio}
}

func meanOf(m stats.Moments) *Interval {
	mean, err := paired.Difference(m)
	if err != nil {
		return nil
	}
	i, err := mean.Interval(confidence)
	if err != nil {
		return nil
	}
	return &Interval{Value: mean.Value, Low: i.Low, High: i.High}
}
