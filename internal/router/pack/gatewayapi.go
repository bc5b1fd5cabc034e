// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// clientLeft is the status that proxies write down for a client that left.
const clientLeft = "499"

// traefik makes the pack of Traefik as an implementation of the Gateway API. It
// calls a Service's port NAMESPACE-NAME-http-PORT@kubernetesgateway; its early
// versions 3 left the protocol out.
func traefik(p *experiment.Plan, _ Options) (Pack, error) {
	const name = "traefik"
	at, err := services(p, name)
	if err != nil {
		return Pack{}, err
	}
	series := func(metric string, more ...matcher) []string {
		return each(len(at), func(v int) string {
			service := joined(at[v].namespace, at[v].service) + "-((http|grpc)-)?" + port(at[v]) + "@kubernetesgateway"
			return selector(metric, append([]matcher{like("service", service)}, more...)...)
		})
	}
	counted := notIn("code", "0|"+clientLeft)
	return Pack{
		Name:    name,
		Sees:    "the gateway's side, by Service: also requests that never arrive; what else sends to the same Service through the gateway counts too",
		Total:   series("traefik_service_requests_total", counted),
		Events:  series("traefik_service_requests_total", like("code", "5..")),
		Buckets: series("traefik_service_request_duration_seconds_bucket", counted),
		Sum:     series("traefik_service_request_duration_seconds_sum", counted),
		Count:   series("traefik_service_request_duration_seconds_count", counted),
		Unit:    time.Second, Bounds: []float64{.1, .3, 1.2, 5},
	}, nil
}

// joined joins words as Traefik does: what is neither letter nor digit becomes
// a hyphen, and hyphens do not repeat.
func joined(parts ...string) string {
	return strings.Join(strings.FieldsFunc(strings.Join(parts, "-"), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}), "-")
}

// envoyGateway makes the pack of Envoy Gateway. It calls a backend's cluster
// httproute/NAMESPACE/ROUTE/rule/I/backend/J, by its place in the route.
func envoyGateway(p *experiment.Plan, o Options) (Pack, error) {
	const name = "envoy-gateway"
	if err := only(p, name, experiment.RouterHTTPRoute); err != nil {
		return Pack{}, err
	}
	r := p.Router.HTTPRoute
	route := regexp.QuoteMeta("httproute/" + namespaceOf(p, r.Namespace) + "/" + r.Name)
	return envoy(name, "the gateway's side, by the backend's place in the route: also requests that never arrive; it needs a cluster for each backend, which Envoy Gateway makes where backends differ in settings or filters",
		each(len(p.Versions), func(v int) string {
			place := v
			if o.Order != nil {
				place = o.Order[v]
			}
			return route + "/rule/[0-9]+/backend/" + strconv.Itoa(place)
		})), nil
}

// contour makes the pack of Contour. It calls a Service's cluster
// NAMESPACE_NAME_PORT, with a hash of its settings behind.
func contour(p *experiment.Plan, _ Options) (Pack, error) {
	const name = "contour"
	at, err := services(p, name)
	if err != nil {
		return Pack{}, err
	}
	return envoy(name, "the gateway's side, by Service: also requests that never arrive; what else sends to the same Service through the gateway counts too",
		each(len(at), func(v int) string {
			return regexp.QuoteMeta(at[v].namespace+"_"+at[v].service+"_"+port(at[v])) + "(_[0-9a-f]+)?"
		})), nil
}

// envoy makes the pack of Envoy's own clusters, by a pattern of their names.
// Envoy has no code for a client that left: it counts no answer then.
func envoy(name, sees string, clusters []string) Pack {
	series := func(metric string, more ...matcher) []string {
		return each(len(clusters), func(v int) string {
			return selector(metric, append([]matcher{like("envoy_cluster_name", clusters[v])}, more...)...)
		})
	}
	return Pack{
		Name: name, Sees: sees + "; a gRPC failure inside an HTTP answer of 200 is not seen",
		Total:   series("envoy_cluster_upstream_rq_xx"),
		Events:  series("envoy_cluster_upstream_rq_xx", is("envoy_response_code_class", "5")),
		Buckets: series("envoy_cluster_upstream_rq_time_bucket"),
		Sum:     series("envoy_cluster_upstream_rq_time_sum"),
		Count:   series("envoy_cluster_upstream_rq_time_count"),
		Unit:    time.Millisecond,
		Bounds:  []float64{.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000},
	}
}

func port(at place) string { return strconv.FormatInt(at.port, 10) }

// services reads the Services of an HTTPRoute's versions.
func services(p *experiment.Plan, name string) ([]place, error) {
	if err := only(p, name, experiment.RouterHTTPRoute); err != nil {
		return nil, err
	}
	at, err := places(p)
	if err != nil {
		return nil, err
	}
	for v := range at {
		if at[v].port == 0 {
			return nil, experiment.Errorf(experiment.CodeInvalid, "metric pack %s: version %s: backend %q has no port", name, p.Versions[v].Name, p.Versions[v].Backend).
				WithHint("write it as SERVICE:PORT; the pack's series carry the port in their name")
		}
	}
	return at, nil
}
