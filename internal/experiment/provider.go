// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"cmp"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/stats"
)

// Provider is a place that metrics are read from; exactly one kind is set.
type Provider struct {
	Name       string              `json:"name"`
	Prometheus *PrometheusProvider `json:"prometheus,omitempty"`
	HTTP       *HTTPProvider       `json:"http,omitempty"`
	SQL        *SQLProvider        `json:"sql,omitempty"`
}

// PrometheusProvider is a server that speaks Prometheus' HTTP API.
type PrometheusProvider struct {
	URL string `json:"url,omitempty"`
	// Targets are expositions that whoever runs the plan scrapes itself, in place
	// of a server at URL; only on one machine.
	Targets []string `json:"targets,omitempty"`
	// Username and Password are for basic authentication, Token is a bearer's.
	Username string  `json:"username,omitempty"`
	Password *Secret `json:"password,omitempty"`
	Token    *Secret `json:"token,omitempty"`
	// CA verifies the server, beside the system's roots; Certificate and Key
	// are the client's own. All are PEM.
	CA          *Secret `json:"ca,omitempty"`
	Certificate *Secret `json:"certificate,omitempty"`
	Key         *Secret `json:"key,omitempty"`
	// Tenant goes with every request as X-Scope-OrgID.
	Tenant string `json:"tenant,omitempty"`
	// Scrape is the longest time between two samples of a series, Delay how long
	// after a scrape its samples can be asked for at the latest. A window is read
	// two scrapes and the delay after its end.
	Scrape time.Duration `json:"scrape"`
	Delay  time.Duration `json:"delay"`
}

// Secret says where a secret stands; it never holds one. Exactly one place is
// given: a key of a Secret object in the plan's namespace, a variable of the
// process's environment, or a file.
type Secret struct {
	Name string `json:"name,omitempty"`
	Key  string `json:"key,omitempty"`
	Env  string `json:"env,omitempty"`
	File string `json:"file,omitempty"`
}

// ProviderMetric is read from a provider, window by window.
type ProviderMetric struct {
	// Provider names one of Plan.Providers; empty is DefaultProvider.
	Provider   string           `json:"provider"`
	Prometheus *PrometheusQuery `json:"prometheus,omitempty"`
	HTTP       *HTTPQuery       `json:"http,omitempty"`
	SQL        *SQLQuery        `json:"sql,omitempty"`
	// Load and Mock are of strict plans only, and of no provider.
	Load *LoadQuery `json:"load,omitempty"`
	Mock *MockQuery `json:"mock,omitempty"`
}

// PrometheusQuery says what is read, with one text for each of the plan's
// versions in every list. Exactly one form is filled: Events and Total, Sum and
// Count, Buckets, or Query.
type PrometheusQuery struct {
	// Events and Total select counters: the metric is the share of Events in
	// Total, exact counts (Evidence.Counts).
	Events []string `json:"events,omitempty"`
	Total  []string `json:"total,omitempty"`
	// Sum and Count select counters: the metric is their ratio. Nothing is
	// known of the spread within a window, so windows become the sample
	// (WindowEvidence, one for each window and version).
	Sum   []string `json:"sum,omitempty"`
	Count []string `json:"count,omitempty"`
	// Buckets selects the buckets of a classic histogram: the metric is the
	// share of observations above Limit, which must be an upper bound of a
	// bucket (in the series' unit), exact counts.
	Buckets []string `json:"buckets,omitempty"`
	Limit   float64  `json:"limit,omitempty"`
	// Query is PromQL that gives one number as of a moment; it is asked as of
	// the end of each window, and windows become the sample.
	Query []string `json:"query,omitempty"`
}

// Counted reports whether the query gives exact counts.
func (q *PrometheusQuery) Counted() bool { return len(q.Events) > 0 || len(q.Buckets) > 0 }

// Counted reports whether the metric is of exact counts; otherwise windows are
// the sample.
func (m *ProviderMetric) Counted() bool {
	switch {
	case m.Prometheus != nil:
		return m.Prometheus.Counted()
	case m.HTTP != nil:
		return m.HTTP.Events != ""
	case m.SQL != nil:
		return m.SQL.Form == SQLCounts
	}
	return false
}

// Units reports whether the metric is of units, each a sample of its own: the
// provider tells their number, sums and squares.
func (m *ProviderMetric) Units() bool {
	return m.HTTP != nil && m.HTTP.Squares != "" || m.SQL != nil && (m.SQL.Form == SQLUnits || m.SQL.Form == SQLMoments)
}

// Windowed reports whether nothing is known of the metric but one number for each
// window and version.
func (m *ProviderMetric) Windowed() bool { return !m.Counted() && !m.Units() }

// DefaultProvider is the name of the provider that whoever runs the plan gives,
// where the plan names none: it is not among Plan.Providers.
const DefaultProvider = ""

// PackProvider is the name that people give the provider which a router's pack is
// read from, where there are several.
const PackProvider = "prometheus"

// What is known of how late a provider's samples may be.
const (
	// DefaultScrape is the time between two samples where the plan does not say,
	// that of DefaultProvider included.
	DefaultScrape = 30 * time.Second
	// DefaultDelay is added to two scrapes: clocks differ, and what is scraped has
	// to be written before it can be read.
	DefaultDelay = 15 * time.Second
)

// Provider returns the provider of that name, or nil: DefaultProvider is given
// from outside.
func (p *Plan) Provider(name string) *Provider {
	i := slices.IndexFunc(p.Providers, func(x Provider) bool { return x.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Providers[i]
}

// Pack is the name of the provider that the router's pack is read from: the
// plan's one Prometheus, that called "prometheus" among several, or
// DefaultProvider. It means nothing for Headgate's own gateway.
func (p *Plan) Pack() string {
	var read []string
	for i := range p.Providers {
		if x := &p.Providers[i]; x.HTTP == nil && x.SQL == nil {
			read = append(read, x.Name)
		}
	}
	switch {
	case len(read) == 1:
		return read[0]
	case slices.Contains(read, PackProvider):
		return PackProvider
	}
	return DefaultProvider
}

// Hold is how long after its end a window is read. A delay of 0 is the default.
func (p *PrometheusProvider) Hold() time.Duration { return 2*p.Scrape + cmp.Or(p.Delay, DefaultDelay) }

// Hold is how long after its end a window is read.
func (p *HTTPProvider) Hold() time.Duration { return p.Delay }

// Hold is how long after its end a window is read.
func (p *SQLProvider) Hold() time.Duration { return p.Delay }

// hold is that of a provider of the plan, or what is taken for that of the
// provider that is given from outside.
func (p *Plan) hold(name string) time.Duration {
	switch x := p.Provider(name); {
	case x == nil:
	case x.HTTP != nil:
		return x.HTTP.Hold()
	case x.SQL != nil:
		return x.SQL.Hold()
	case x.Prometheus != nil && x.Prometheus.Scrape > 0:
		return x.Prometheus.Hold()
	}
	return 2*DefaultScrape + DefaultDelay
}

// MetricsHold is how long after its end a window is read from providers: that of
// the slowest that the plan uses, because all of a source's windows are sealed
// together.
func (p *Plan) MetricsHold() time.Duration {
	longest := time.Duration(0)
	if p.Router.Kind() != RouterGateway {
		longest = p.hold(p.Pack())
	}
	for i := range p.Metrics {
		if m := p.Metrics[i].Provider; m != nil && m.Load == nil && m.Mock == nil {
			longest = max(longest, p.hold(m.Provider))
		}
	}
	if longest == 0 {
		longest = p.hold(DefaultProvider)
	}
	return longest
}

// Moment is the evidence of one window of which a provider tells a number as of
// its end: of restarts whether there were any, else the number.
func (k BuiltinKind) Moment(value float64) Evidence {
	if k != Restarts {
		return WindowEvidence(value, 1)
	}
	c := stats.Counts{N: 1}
	if value > 0 {
		c.X = 1
	}
	return Evidence{Counts: c}
}

// WindowEvidence is the evidence of one window of a metric of windows: y by x.
// What is no ratio has 1 as x.
func WindowEvidence(y, x float64) Evidence {
	p := stats.Pair{N: 1, MeanY: y, MeanX: x}
	return Evidence{Units: p, Batches: stats.BatchOf(p)}
}
