// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"maps"
	"slices"

	"github.com/headgate-dev/headgate/stats"
)

// Report is what was sent and what came back. Times are in seconds.
type Report struct {
	// URL is the target without user and query, which may be secret.
	URL    string `json:"url"`
	Method string `json:"method"`
	// Partial says that the run was interrupted.
	Partial bool `json:"partial"`
	// Planned is the bound on requests, 0 where only time bounds.
	Planned int64 `json:"planned"`
	// Duration is the bound on the time of sending, 0 where only the number
	// of requests bounds.
	Duration float64 `json:"duration"`
	// Offered requests had their time: offered = sent + skipped.
	Offered int64 `json:"offered"`
	// Sent requests left: sent = answered + failed. While the run goes on,
	// those under way are in neither.
	Sent int64 `json:"sent"`
	// Skipped requests met the cap on concurrency.
	Skipped int64 `json:"skipped"`
	// Behind counts the sent requests that left more than 10 ms late.
	Behind   int64 `json:"behind"`
	Answered int64 `json:"answered"`
	Failed   int64 `json:"failed"`
	// Errors counts answers with a status of 400 or above.
	Errors int64 `json:"errors"`
	// Oversize counts the answers that were not read past 16 MiB.
	Oversize int64 `json:"oversize"`

	// Elapsed is the time from the start to the last answer; Sending that to
	// the end of sending. Rate is requests sent per second of Sending; of
	// Elapsed where no rate was asked for, so that answers set the pace.
	Elapsed float64 `json:"elapsed"`
	Sending float64 `json:"sending"`
	Rate    float64 `json:"rate"`
	// Asked is the rate that was asked for, 0 for as fast as possible.
	Asked float64 `json:"asked"`

	Failures []Failure `json:"failures"`
	Statuses []Status  `json:"statuses"`
	// Latency is from the intended sending to the last byte of the answer,
	// FromSent from the actual sending. Both are nil before the first answer.
	Latency  *Quantiles `json:"latency"`
	FromSent *Quantiles `json:"latencyFromSent"`
	// Histogram counts Latency in buckets from the lowest to the highest in
	// use.
	Histogram []Bucket  `json:"histogram"`
	Versions  []Version `json:"versions"`
	// UnitsSeen is how many distinct units were answered, UnitsMoved how many
	// of them by more than one version.
	UnitsSeen  int64     `json:"unitsSeen"`
	UnitsMoved int64     `json:"unitsMoved"`
	Outcomes   *Outcomes `json:"outcomes,omitempty"`
	Machine    Machine   `json:"machine"`
}

// Failure is a kind of failure to get an answer.
type Failure struct {
	// Kind is refused, timeout, dns, tls, reset, cut short, unreachable,
	// interrupted or other.
	Kind  string `json:"kind"`
	Count int64  `json:"count"`
	// Example is the first error of the kind.
	Example string `json:"example"`
}

// Status is how often a status code was answered.
type Status struct {
	Code  int   `json:"code"`
	Count int64 `json:"count"`
}

// Quantiles describe a latency: quantiles within 1 %, the greatest exact.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Bucket counts latencies from Low, included, to High; High is 0 where there
// is no bound.
type Bucket struct {
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Count int64   `json:"count"`
}

// Version is what one version answered. An empty name stands for answers that
// named none.
type Version struct {
	Name string `json:"name"`
	// From is where the name was found: header, json or text, or other for
	// the answers past 64 names.
	From    string    `json:"from"`
	Answers int64     `json:"answers"`
	Units   int64     `json:"units"`
	Share   Share     `json:"share"`
	Errors  int64     `json:"errors"`
	Latency Quantiles `json:"latency"`
}

// Share is a version's part of the answers or units, with its exact interval.
type Share struct {
	Value float64 `json:"value"`
	// Low and High bound the 95 % interval of Clopper and Pearson.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Of is units, each counted for the first version that answered it, or
	// answers, where no units were sent or most met several versions.
	Of string `json:"of"`
}

// Outcomes says what became of the outcomes that were due. The numbers sum to
// Due once the run is over.
type Outcomes struct {
	Due        int64 `json:"due"`
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Late       int64 `json:"late"`
	Unmatched  int64 `json:"unmatched"`
	// Failed outcomes were refused by the API or did not reach it.
	Failed int64 `json:"failed"`
	// Unexposed answers carried no exposure token to post under.
	Unexposed int64 `json:"unexposed"`
	// Dropped outcomes were never posted: interrupted, or too many waiting.
	Dropped int64 `json:"dropped"`
	// Example is the first failure.
	Example string `json:"example,omitempty"`
}

// Machine says whether this machine could keep up with its own load.
type Machine struct {
	// Busy is a hint that the latencies are partly this machine's.
	Busy bool `json:"busy"`
	// SchedulingP99 is how long ready work waited for a processor, at most,
	// 99 % of times.
	SchedulingP99 float64 `json:"schedulingP99"`
	// MaxLag is the longest that a request left after its time.
	MaxLag float64 `json:"maxLag"`
}

// Coarse is the histogram in at most so many buckets, which neighbours are
// merged for in pairs.
func (r Report) Coarse(most int) []Bucket {
	buckets := r.Histogram
	for len(buckets) > max(1, most) {
		var pairs []Bucket
		for i, x := range buckets {
			if i%2 == 0 {
				pairs = append(pairs, x)
				continue
			}
			last := &pairs[len(pairs)-1]
			last.High, last.Count = x.High, last.Count+x.Count
		}
		buckets = pairs
	}
	return buckets
}

// confidence of the intervals of shares.
const confidence = 0.95

// report makes the account of what was counted so far.
func (t *tally) report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.counts
	if r.Outcomes != nil {
		o := *r.Outcomes // What is counted goes on changing.
		r.Outcomes = &o
	}
	r.Statuses, r.Failures, r.Versions = []Status{}, []Failure{}, []Version{}
	for _, code := range slices.Sorted(maps.Keys(t.statuses)) {
		r.Statuses = append(r.Statuses, Status{code, t.statuses[code]})
	}
	for _, f := range t.failures {
		r.Failures = append(r.Failures, *f)
	}
	slices.SortFunc(r.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	r.Latency, r.FromSent = t.intended.quantiles(), t.actual.quantiles()
	r.Histogram = t.histogram()
	of := t.basis()
	for _, v := range t.versions {
		r.Versions = append(r.Versions, v.report(of, t.counts))
	}
	slices.SortStableFunc(r.Versions, func(a, b Version) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.From, b.From))
	})
	return r
}

// movedAtMost is the part of the units that may have met several versions
// before assignment counts as one of answers. A unit's first answer is an
// independent draw either way, so that units are never wrong, only wide.
const movedAtMost = 0.5

// basis is what the draws of a split are: units, unless they plainly do not
// stick to versions; then the answers themselves.
func (t *tally) basis() string {
	if c := t.counts; c.UnitsSeen > 0 && float64(c.UnitsMoved) <= movedAtMost*float64(c.UnitsSeen) {
		return "units"
	}
	return "answers"
}

func (v *versionTally) report(of string, all Report) Version {
	out := Version{Name: v.name, From: v.from, Answers: v.answers, Units: v.units, Errors: v.errors}
	if q := v.latency.quantiles(); q != nil {
		out.Latency = *q
	}
	c := stats.Counts{N: all.Answered, X: v.answers}
	if of == "units" {
		c = stats.Counts{N: all.UnitsSeen, X: v.units}
	}
	out.Share.Of = of
	// The counts are never impossible, and N is above 0 where a version is.
	if i, err := stats.ClopperPearson(c, confidence); err == nil {
		out.Share = Share{Value: float64(c.X) / float64(c.N), Low: i.Low, High: i.High, Of: of}
	}
	return out
}
