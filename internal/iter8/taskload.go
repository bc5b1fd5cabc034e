// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"maps"
	"slices"
	"strconv"

	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// Defaults of metrics/collect.
const (
	collectRate        = 8
	collectQueries     = 100
	collectConnections = 4
	collectTime        = "5s"
)

// collected is a version that metrics/collect asks.
type collected struct {
	Name    string            `json:"name"`
	URL     string            `json:"url"`
	Rate    *float64          `json:"qps"`
	Headers map[string]string `json:"headers"`
}

// collect makes load. In its older form each version has a rate of its own; those
// with one rate are asked together.
func (t *tasks) collect(in *inputs) ([]v1alpha1.Action, *Problem) {
	var versions []collected
	if in.read("versions", &versions); in.bad == nil && len(versions) == 0 {
		return nil, invalid("versions are required")
	}
	rate := float64(collectRate)
	older := !in.read("qps", &rate) && !in.read("numQueries", new(any)) && !t.modern
	var rates []float64
	targets := map[float64][]v1alpha1.LoadTarget{}
	for i, v := range versions {
		at := rate
		if v.Rate != nil {
			at, older = *v.Rate, true
		}
		if v.URL == "" {
			return nil, invalid("version %d has no url", i+1)
		}
		if !slices.Contains(rates, at) {
			rates = append(rates, at)
		}
		targets[at] = append(targets[at], t.target(v))
	}
	load := v1alpha1.LoadAction{
		Concurrency: in.count("connections", collectConnections),
		Body:        asIs(in.text("payloadStr", false)), BodyURL: asIs(in.text("payloadURL", false)), ContentType: in.text("contentType", false),
		Discard: in.flag("loadOnly", false),
	}
	switch {
	case load.BodyURL != "":
		load.Body = ""
	case load.Body == "":
		load.ContentType = ""
	}
	load.Requests, load.For = in.count("numQueries", 0), v1alpha1.Duration(in.text("time", false))
	switch {
	case load.Requests > 0:
		load.For = ""
	case load.For != "":
	case older:
		load.For = collectTime
	default:
		load.Requests = collectQueries
	}
	var out []v1alpha1.Action
	for _, at := range rates {
		each := load
		q := v1alpha1.Quantity(strconv.FormatFloat(at, 'f', -1, 64))
		each.Rate, each.Targets = &q, targets[at]
		retries := actionRetries
		out = append(out, v1alpha1.Action{Retries: &retries, Load: &each})
	}
	return out, nil
}

// target is where a version is asked; what is none of the experiment's is loaded
// alone.
func (t *tasks) target(v collected) v1alpha1.LoadTarget {
	out := v1alpha1.LoadTarget{URL: asIs(v.URL)}
	if name, ok := t.names.Version(v.Name); ok {
		out.Version = name
	}
	for _, name := range slices.Sorted(maps.Keys(v.Headers)) {
		out.Headers = append(out.Headers, v1alpha1.NameValue{Name: name, Value: asIs(v.Headers[name])})
	}
	return out
}
