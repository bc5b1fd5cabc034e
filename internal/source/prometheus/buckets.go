// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
)

// bucketsOf narrows a selector of a histogram's buckets to those that matter:
// the limit's, however its server writes it, and the infinite one.
func bucketsOf(selector string, limit float64) string {
	spellings := []string{strconv.FormatFloat(limit, 'f', -1, 64), strconv.FormatFloat(limit, 'g', -1, 64), strconv.FormatFloat(limit, 'e', -1, 64)}
	if limit == math.Trunc(limit) {
		spellings = append(spellings, spellings[0]+".0")
	}
	slices.Sort(spellings)
	spellings = append(slices.Compact(spellings), "+Inf")
	pattern := strings.NewReplacer(".", "[.]", "+", "[+]").Replace(strings.Join(spellings, "|"))
	matcher := `le=~"` + pattern + `"`
	selector = strings.TrimSpace(selector)
	body, braces := strings.CutSuffix(selector, "}")
	body = strings.TrimRight(body, " \t\n,")
	switch {
	case !braces:
		return selector + "{" + matcher + "}"
	case strings.HasSuffix(body, "{"):
		return body + matcher + "}"
	default:
		return body + "," + matcher + "}"
	}
}

// exceedance counts observations above a limit: all of them less those in the
// limit's bucket.
func (r *reading) exceedance(ctx context.Context, cell string, v int, q *experiment.PrometheusQuery) error {
	text := bucketsOf(q.Buckets[v], q.Limit)
	var all, within []series
	for _, s := range r.found[text] {
		le, err := strconv.ParseFloat(s.labels["le"], 64)
		switch {
		case err != nil:
		case math.IsInf(le, 1):
			all = append(all, s)
		case le == q.Limit:
			within = append(within, s)
		}
	}
	if len(all) > 0 && len(within) == 0 {
		return r.noBound(ctx, q.Buckets[v], q.Limit)
	}
	n, below := r.grown(all, true), r.grown(within, true)
	r.missing(cell, v, n.times)
	above := make([]float64, len(n.by))
	for i := range above {
		above[i] = n.by[i] - below.by[i]
	}
	r.counts(cell, v, n, above)
	return nil
}

// noBound says which limits there are.
func (r *reading) noBound(ctx context.Context, selector string, limit float64) error {
	last := r.clock.edges[len(r.clock.edges)-1] + r.clock.hole
	list, err := r.before(ctx, selector, time.UnixMilli(last), time.Duration(3*r.clock.hole)*time.Millisecond)
	if err != nil {
		return err
	}
	var bounds []float64
	for _, s := range list {
		if le, err := strconv.ParseFloat(s.labels["le"], 64); err == nil && !math.IsInf(le, 0) && !slices.Contains(bounds, le) {
			bounds = append(bounds, le)
		}
	}
	var near []string
	for _, b := range pack.Nearest(bounds, limit) {
		near = append(near, strconv.FormatFloat(b, 'g', -1, 64))
	}
	return invalid("no bucket ends at %v", limit).WithHint("observations can be counted above %s, in the series' own unit", strings.Join(near, " or "))
}
