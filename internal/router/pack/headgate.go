// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// headgate makes the pack of Headgate's own gateways. Where they answer for
// themselves their cells are better: by unit, by slice, with every limit.
func headgate(p *experiment.Plan, _ Options) (Pack, error) {
	const name = "headgate"
	if err := only(p, name, experiment.RouterGateway); err != nil {
		return Pack{}, err
	}
	series := func(metric string, more ...matcher) []string {
		return each(len(p.Versions), func(v int) string {
			return selector(metric, append([]matcher{is("experiment", p.ID()), is("version", p.Versions[v].Name)}, more...)...)
		})
	}
	failed := series("headgate_gateway_requests_total", like("code", "5xx|none"))
	for v, fellBack := range series("headgate_gateway_fallbacks_total") {
		failed[v] += " or " + fellBack
	}
	return Pack{
		Name:    name,
		Sees:    "the gateways, by assigned version: what the baseline answered in a candidate's place is the candidate's failure; clients that left are not counted",
		Total:   series("headgate_gateway_requests_total"),
		Events:  failed,
		Buckets: series("headgate_gateway_request_seconds_bucket"),
		Sum:     series("headgate_gateway_request_seconds_sum"),
		Count:   series("headgate_gateway_request_seconds_count"),
		Unit:    time.Second, Fixed: true,
		Bounds: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, nil
}
