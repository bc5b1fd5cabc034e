// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of how the gateway treats versions.
const (
	defaultProbeEvery = 5 * time.Second
	leastProbeEvery   = 100 * time.Millisecond
	maxAtOnce         = 100_000
)

// pathForm is what stands in a request's path, up to its query: RFC 3986,
// section 3.3, without empty segments.
var pathForm = regexp.MustCompile(`^/$|^(/([0-9A-Za-z._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+/?$`)

const pathMessage, pathHint = "not a path", "begin it with a slash, and write no query, blank or empty part, for example /v2/health/ready"

// routersOf lists the routers that an experiment names.
func routersOf(in v1alpha1.Traffic) []experiment.RouterKind {
	var kinds []experiment.RouterKind
	for _, k := range []struct {
		on   bool
		kind experiment.RouterKind
	}{
		{in.Gateway != nil, experiment.RouterGateway},
		{in.VirtualService != nil, experiment.RouterVirtualService},
		{in.HTTPRoute != nil, experiment.RouterHTTPRoute},
		{in.Fields != nil, experiment.RouterFields},
		{in.None != nil, experiment.RouterNone},
	} {
		if k.on {
			kinds = append(kinds, k.kind)
		}
	}
	return kinds
}

// router is the kind of router that the experiment names; Headgate's gateway
// where it names none.
func (t *translator) router() experiment.RouterKind {
	if kinds := routersOf(t.api.Spec.Traffic); len(kinds) > 0 {
		return kinds[0]
	}
	return experiment.RouterGateway
}

// unrouted says that nobody knows which router it is, so that nothing is to be
// said of what only some can do. It is reported.
func (t *translator) unrouted() bool { return len(routersOf(t.api.Spec.Traffic)) != 1 }

// own says whether the router is Headgate's gateway, which sees each request.
func (t *translator) own() bool { return t.router() == experiment.RouterGateway }

// traffic reads the router.
func (t *translator) traffic() {
	in, path := t.api.Spec.Traffic, "spec.traffic"
	kinds := routersOf(in)
	switch {
	case len(kinds) == 0:
		t.fail(path, "", "one router is required", "write traffic: {gateway: {}}")
		return
	case len(kinds) > 1:
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = string(k)
		}
		t.fail(path, strings.Join(names, " and "), "exactly one router carries the traffic", "leave the others out")
	}
	switch kinds[0] {
	case experiment.RouterVirtualService:
		t.plan.Router.VirtualService = t.virtualService(path+".virtualService", in.VirtualService)
	case experiment.RouterHTTPRoute:
		t.plan.Router.HTTPRoute = t.httpRoute(path+".httpRoute", in.HTTPRoute)
	case experiment.RouterFields:
		t.plan.Router.Fields = t.shareFields(path+".fields", in.Fields)
	case experiment.RouterNone:
		t.plan.Router.None = true
		t.nothing(path + ".none")
	default:
		t.gateway(path+".gateway", in.Gateway)
	}
	t.policies()
	if t.own() && in.Pack != "" && !t.unrouted() {
		t.fail(path+".pack", quote(in.Pack), "the gateway counts its requests itself", "leave pack out")
	}
	t.plan.Router.Pack = in.Pack
}

// nothing reports an experiment that would move shares which nothing carries.
func (t *translator) nothing(path string) {
	if !t.plan.Strict || !t.shiftsNothing() {
		t.fail(path, "", "nothing carries the shares, so that nothing can move them", "name a router; none is for strict experiments with shift: none")
	}
}

// policies reads what is done when others change the route, and when the
// experiment is deleted. The empty answers are the defaults.
func (t *translator) policies() {
	s, r := t.api.Spec, &t.plan.Router
	t.option("spec.drift", s.Drift, string(experiment.DriftCorrect), string(experiment.DriftHold), string(experiment.DriftAlert))
	t.option("spec.onDelete", s.OnDelete, string(experiment.OnDeleteRestore), string(experiment.OnDeleteLeave))
	switch {
	case s.Drift != "" && t.own():
		t.fail("spec.drift", quote(s.Drift), "nobody else writes the gateway's shares", "leave drift out")
	case s.Drift != "" && t.router() == experiment.RouterNone:
		t.fail("spec.drift", quote(s.Drift), "no shares are written", "leave drift out")
	case s.OnDelete != "" && t.router() == experiment.RouterNone:
		t.fail("spec.onDelete", quote(s.OnDelete), "no shares are written", "leave onDelete out")
	}
	r.Drift, r.OnDelete = experiment.OnDrift(s.Drift), experiment.OnDelete(s.OnDelete)
}

// gateway reads how Headgate's gateway treats the versions.
func (t *translator) gateway(path string, g *v1alpha1.GatewayTraffic) {
	t.listen(path+".listen", g.Listen)
	if g.Name != "" || t.given(path+".name") {
		t.objectName(path+".name", g.Name, experiment.DefaultMap)
	}
	t.plan.Router.Map = g.Name
	t.option(path+".fallback", g.Fallback, "unsent", "idempotent")
	rules := experiment.GatewayRules{
		Idempotent:  g.Fallback == "idempotent",
		Concurrency: int(t.some(path+".concurrency", g.Concurrency, 0, maxAtOnce)),
		Queue:       int(t.some(path+".queue", g.Queue, 0, maxAtOnce)),
	}
	if t.given(path+".queue") && !t.given(path+".concurrency") {
		t.fail(path+".queue", fmt.Sprint(g.Queue), "a queue goes with concurrency", "say how many requests a version may have under way")
	}
	if p := g.Probe; p != nil {
		t.required(path+".probe.path", p.Path, "a probe asks a path", "for example probe: {path: /v2/health/ready}")
		t.form(path+".probe.path", p.Path, pathForm, pathMessage, pathHint)
		rules.Probe, rules.ProbeEvery = p.Path, t.duration(path+".probe.every", p.Every, defaultProbeEvery, leastProbeEvery)
	}
	t.plan.Gateway = rules
}

// required reports a text that is not there.
func (t *translator) required(path, s, message, hint string) {
	if s == "" {
		t.fail(path, "", message, hint)
	}
}

// listen checks an address to listen on.
func (t *translator) listen(path, address string) {
	if address == "" {
		return
	}
	host, port, ok := strings.Cut(address, ":")
	if strings.HasPrefix(address, "[") {
		host, port, ok = strings.Cut(address, "]:")
	}
	if _, err := strconv.ParseUint(port, 10, 16); !ok || err != nil || strings.ContainsAny(host, "/@ ") {
		t.fail(path, quote(address), "not an address to listen on", "write HOST:PORT, for example 127.0.0.1:8080")
		return
	}
	t.plan.Listen = address
}
