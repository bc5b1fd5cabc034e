// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/http"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
)

// maxAnswerMetrics is how many metrics of answers a route can have: they are
// told by the bits of a number.
const maxAnswerMetrics = 32

// answerMetric is a metric of answers laid out.
type answerMetric struct {
	// header holds the number, in canonical form; else sum finds it in the body,
	// and count what it is divided by, unless that is nil.
	header     string
	sum, count *jq.Code
	// sample is the share of answers that is looked at.
	sample experiment.Share
	// tokens says that it is of the tokens that answers report.
	tokens bool
}

// newAnswers lays metrics of answers out and refuses expressions that cannot be
// compiled.
func newAnswers(from []experiment.Answer) ([]answerMetric, error) {
	if len(from) > maxAnswerMetrics {
		return nil, fmt.Errorf("%d metrics of answers: want at most %d", len(from), maxAnswerMetrics)
	}
	var out []answerMetric
	for _, a := range from {
		m := answerMetric{header: http.CanonicalHeaderKey(a.Header), sample: a.Sample, tokens: a.Metric == experiment.CellTokens}
		if a.Header != "" && !token(a.Header) {
			return nil, fmt.Errorf("metric %q: header %q is no name of a header", a.Metric, a.Header)
		}
		for _, e := range []struct {
			expression string
			into       **jq.Code
		}{{a.Sum, &m.sum}, {a.Count, &m.count}} {
			if e.expression == "" {
				continue
			}
			var err error
			if *e.into, err = jq.Compile(e.expression); err != nil {
				return nil, fmt.Errorf("metric %q: %w", a.Metric, err)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// sampled gives the metrics, by their bits, whose sample has the answer to a
// call. It is drawn by a hash of the exposure, the unit and the moment, and so
// knows nothing of the version and of the answer. A smaller sample is part of a
// larger one: fewer answers are touched.
func (c *call) sampled() (wants uint32) {
	draw := c.draw()
	for i := range c.route.answers {
		if draw < c.route.answers[i].sample {
			wants |= 1 << i
		}
	}
	return wants
}

// draw is the call's lot: it is in a sample that is larger.
func (c *call) draw() experiment.Share { return lot(mix(c.hash ^ mix(uint64(c.started.UnixNano())))) }

// lot is the part of the whole that a hash lies at.
func lot(hash uint64) experiment.Share { return experiment.Share(hash >> 32 * experiment.Whole >> 32) }

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of x
// moves about half of the bits of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// finding is what became of one metric of one answer.
type finding uint8

// The findings.
const (
	// findingRead: a number was read.
	findingRead finding = iota
	// findingInvalid: the body is not what its head says it is, or gives no
	// number.
	findingInvalid
	// findingUnfit: the answer is not JSON.
	findingUnfit
	// findingTooLarge: the body is longer than maxAnswerBody.
	findingTooLarge
	// findingSlow: evaluating it took too long.
	findingSlow
	// findingDropped: there were too many answers to look at.
	findingDropped
	// findingLate: it was looked at when its window was sealed already.
	findingLate
	findings
)

// String is the finding as metrics name it.
func (f finding) String() string {
	return [findings]string{"read", "invalid", "unfit", "too_large", "slow", "dropped", "late"}[f]
}

// reading is one metric of one answer: its sum and count, or why there are none.
type reading struct {
	metric     int
	sum, count float64
	found      finding
}
