// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// matcher is one condition on a label.
type matcher struct{ label, op, value string }

// The conditions of PromQL.
func is(label, value string) matcher    { return matcher{label, "=", value} }
func like(label, value string) matcher  { return matcher{label, "=~", value} }
func notIn(label, value string) matcher { return matcher{label, "!~", value} }

// selector writes a selector of series.
func selector(name string, matchers ...matcher) string {
	var b strings.Builder
	b.WriteString(name)
	b.WriteByte('{')
	for i, m := range matchers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.label + m.op + strconv.Quote(m.value))
	}
	b.WriteByte('}')
	return b.String()
}

// place is where a version's requests go, as far as its backend says it. Host
// is set for what is no Service of the cluster.
type place struct {
	namespace, service, subset, host string
	port                             int64
}

// placeOf reads a version's backend in the terms of the plan's router.
func placeOf(p *experiment.Plan, v int) (place, error) {
	backend := p.Versions[v].Backend
	switch p.Router.Kind() {
	case experiment.RouterVirtualService:
		d, err := router.ParseDestination(backend)
		if err != nil {
			return place{}, fmt.Errorf("version %s: %w", p.Versions[v].Name, err)
		}
		at := place{namespace: namespaceOf(p, p.Router.VirtualService.Namespace), subset: d.Subset, port: d.Port}
		// A host without a dot is a Service beside the route; with dots it is
		// taken as it is.
		switch parts := strings.Split(d.Host, "."); {
		case len(parts) == 1:
			at.service = d.Host
		case len(parts) > 2 && parts[2] == "svc":
			at.service, at.namespace = parts[0], parts[1]
		default:
			at.host = d.Host
		}
		return at, nil
	case experiment.RouterHTTPRoute:
		s, err := router.ParseService(backend)
		if err != nil {
			return place{}, fmt.Errorf("version %s: %w", p.Versions[v].Name, err)
		}
		at := place{namespace: s.Namespace, service: s.Name, port: s.Port}
		if at.namespace == "" {
			at.namespace = namespaceOf(p, p.Router.HTTPRoute.Namespace)
		}
		return at, nil
	default:
		return place{namespace: namespaceOf(p, "")}, nil
	}
}

// namespaceOf is where a name without a namespace belongs: the route's, else
// the plan's, else the default one.
func namespaceOf(p *experiment.Plan, routes string) string {
	for _, ns := range []string{routes, p.Namespace} {
		if ns != "" {
			return ns
		}
	}
	return "default"
}

// places reads all versions' backends.
func places(p *experiment.Plan) ([]place, error) {
	out := make([]place, len(p.Versions))
	for v := range out {
		at, err := placeOf(p, v)
		if err != nil {
			return nil, err
		}
		out[v] = at
	}
	return out, nil
}

// only refuses a plan whose router the pack does not belong to.
func only(p *experiment.Plan, name string, kinds ...experiment.RouterKind) error {
	for _, k := range kinds {
		if p.Router.Kind() == k {
			return nil
		}
	}
	return experiment.Errorf(experiment.CodeInvalid, "metric pack %s does not belong to the %s router", name, p.Router.Kind())
}

// workloads asks kube-state-metrics about the versions' Deployments.
func workloads(p *experiment.Plan) (ready, restarts []string) {
	ask := func(v int, text func(ns, name string) string) string {
		if p.Versions[v].Workload == "" {
			return ""
		}
		at, err := placeOf(p, v)
		if err != nil {
			return ""
		}
		return text(at.namespace, p.Versions[v].Workload)
	}
	ready = each(len(p.Versions), func(v int) string {
		return ask(v, func(ns, name string) string {
			return "sum(" + selector("kube_deployment_status_replicas_ready", is("namespace", ns), is("deployment", name)) + ")"
		})
	})
	restarts = each(len(p.Versions), func(v int) string {
		return ask(v, func(ns, name string) string {
			// A Deployment's pods are called NAME-<hash of the template>-<five characters>.
			pods := like("pod", regexp.QuoteMeta(name)+"-[a-z0-9]{6,10}-[a-z0-9]{5}")
			return "sum(increase(" + selector("kube_pod_container_status_restarts_total", is("namespace", ns), pods) + over(p.Window) + "))"
		})
	})
	return ready, restarts
}
