// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// grpcFaults are the statuses by which gRPC says that the server is at fault:
// unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
// Such answers carry HTTP's 200.
const grpcFaults = "2|4|12|13|14|15"

// istio makes the pack of Istio's standard metrics as one side reports them.
// Versions are told apart by workload, else by Service.
func istio(name, reporter string) builder {
	return func(p *experiment.Plan, _ Options) (Pack, error) {
		if err := only(p, name, experiment.RouterVirtualService, experiment.RouterHTTPRoute, experiment.RouterFields); err != nil {
			return Pack{}, err
		}
		at, err := places(p)
		if err != nil {
			return Pack{}, err
		}
		by := func(v int) ([]matcher, error) {
			reported := is("reporter", reporter)
			// Of a request that finds no endpoint its caller knows the Service
			// that it was meant for, and no workload.
			if w := p.Versions[v].Workload; w != "" && (reporter != "source" || !ownService(at, v)) {
				return []matcher{reported, is("destination_workload_namespace", at[v].namespace), is("destination_workload", w)}, nil
			}
			switch {
			case at[v].host != "" && at[v].subset == "":
				return []matcher{reported, is("destination_service", at[v].host)}, nil
			case at[v].service == "" || at[v].subset != "":
				return nil, experiment.Errorf(experiment.CodeInvalid, "metric pack %s: nothing tells version %s apart", name, p.Versions[v].Name).
					WithHint("name its Deployment in versions[].workload: Istio's metrics know no subsets")
			}
			return []matcher{reported, is("destination_service_namespace", at[v].namespace), is("destination_service_name", at[v].service)}, nil
		}
		who := make([][]matcher, len(p.Versions))
		for v := range who {
			if who[v], err = by(v); err != nil {
				return Pack{}, err
			}
		}
		// A response code of 0 is a client that left.
		series := func(metric string) []string {
			return each(len(who), func(v int) string {
				return selector(metric, append(slices.Clip(who[v]), notIn("response_code", "0"))...)
			})
		}
		return Pack{
			Name: name, Sees: istioSees(reporter),
			Total: series("istio_requests_total"),
			Events: each(len(who), func(v int) string {
				http := selector("istio_requests_total", append(slices.Clip(who[v]), like("response_code", "5.."))...)
				grpc := selector("istio_requests_total", append(slices.Clip(who[v]), like("grpc_response_status", grpcFaults), notIn("response_code", "0"))...)
				return http + " or " + grpc
			}),
			Buckets: series("istio_request_duration_milliseconds_bucket"),
			Sum:     series("istio_request_duration_milliseconds_sum"),
			Count:   series("istio_request_duration_milliseconds_count"),
			Unit:    time.Millisecond,
			Bounds: []float64{
				.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
			},
		}, nil
	}
}

// ownService says whether a version has a Service that no other version shares.
func ownService(at []place, v int) bool {
	for other := range at {
		if other != v && at[other].service == at[v].service && at[other].namespace == at[v].namespace {
			return false
		}
	}
	return at[v].service != "" && at[v].subset == ""
}

func istioSees(reporter string) string {
	switch reporter {
	case "source":
		return "the caller's side: also requests that never arrive (503 without an endpoint), where each version has a Service of its own; callers without a sidecar or gateway are not seen"
	case "waypoint":
		return "the waypoint of an ambient mesh, before the version"
	default:
		return "the version's own sidecar: all callers and shadow requests; requests that never arrive (503 without an endpoint) are not seen"
	}
}
