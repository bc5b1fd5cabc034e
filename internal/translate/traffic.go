// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

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

// traffic reads the router and how it treats the versions.
func (t *translator) traffic() {
	g, path := t.api.Spec.Traffic.Gateway, "spec.traffic.gateway"
	if g == nil {
		t.fail("spec.traffic", "", "one router is required", "write traffic: {gateway: {}}")
		return
	}
	t.listen(path+".listen", g.Listen)
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
