// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// enoughWindows is how many windows of each version a metric of windows should
// have: half of them are there before its spread is known well.
const enoughWindows = 60

// computed are functions of PromQL that make one number of counters.
var computed = []string{"histogram_quantile(", "rate(", "increase(", "irate("}

// telemetry asks whether what providers tell is enough to decide by, and comes
// the right way.
func (c *checker) telemetry() {
	c.providers()
	p, read := c.plan, ""
	outside := func(provider string) bool { return p.Provider(provider) == nil }
	if kind := p.Router.Kind(); kind != experiment.RouterGateway && kind != experiment.RouterNone && !p.Strict && outside(p.Pack()) {
		read = "what the router tells"
	}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if !m.Telemetry() {
			continue
		}
		if m.Provider != nil && m.Provider.Prometheus != nil {
			c.query(fmt.Sprintf("spec.metrics[%d].from.prometheus.query", i), m)
			if read == "" && outside(m.Provider.Provider) {
				read = m.Name
			}
		}
	}
	if read != "" {
		c.add(CodeNotNamed, "spec.providers", "what", read)
	}
	i, s := c.last()
	if s == nil {
		return
	}
	for _, j := range c.judgedMetrics() {
		m := p.Metric(j.metric)
		windows := int64(s.AtMost() / p.Window)
		if m.Windowed() && (j.role == "reward" || j.role == "guardrail") && windows < enoughWindows {
			c.add(CodeFewWindows, fmt.Sprintf("spec.stages[%d]", i), "role", j.role, "metric", j.metric, "windows", windows, "stage", s.Name, "least", enoughWindows)
		}
	}
}

// query finds numbers that are computed from counters.
func (c *checker) query(path string, m *experiment.Metric) {
	for _, text := range m.Provider.Prometheus.Query {
		for _, f := range computed {
			if strings.Contains(strings.ReplaceAll(text, " ", ""), f) {
				c.add(CodeComputed, path, "metric", m.Name, "what", f+"…)")
				return
			}
		}
	}
}

// providers finds windows that are too short for a provider, and secrets that
// anybody can read.
func (c *checker) providers() {
	for i := range c.plan.Providers {
		x := &c.plan.Providers[i]
		if h := x.HTTP; h != nil && (h.Token != nil || h.Password != nil || len(h.Secrets) > 0) && bare(h.URL) {
			c.add(CodeBareSecret, fmt.Sprintf("spec.providers[%d].http.url", i), "provider", x.Name)
		}
		if x.Prometheus == nil {
			continue
		}
		path := fmt.Sprintf("spec.providers[%d].prometheus", i)
		if s := x.Prometheus.Scrape; c.plan.Window < 2*s {
			c.add(CodeThinWindow, path+".scrape", "window", design.Days(c.plan.Window), "provider", x.Name, "scrape", design.Days(s))
		}
		if secret := x.Prometheus.Token != nil || x.Prometheus.Password != nil; secret && bare(x.Prometheus.URL) {
			c.add(CodeBareSecret, path+".url", "provider", x.Name)
		}
	}
}

// placeholders are what secrets stand for in a URL.
var placeholders = regexp.MustCompile(`\$\{[^}]*\}`)

// bare says whether others than this machine can read what is sent to a URL.
func bare(s string) bool {
	u, err := url.Parse(placeholders.ReplaceAllString(s, "1"))
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback())
}
