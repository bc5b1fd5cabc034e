// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// How versions are probed.
const (
	defaultProbeEvery = 5 * time.Second
	leastProbeEvery   = 100 * time.Millisecond
	// probeTimeout bounds one probe, where probes are not closer together.
	probeTimeout = 2 * time.Second
	// probesMissed is how many probes must fail one after the other; one that
	// is answered suffices to come back.
	probesMissed = 2
	// probeBody is what is read of an answer.
	probeBody = 64 << 10
)

// checkRules checks how a route treats its versions.
func checkRules(r *experiment.GatewayRules) error {
	switch {
	case r.Concurrency < 0 || r.Queue < 0:
		return fmt.Errorf("rules have concurrency %d and queue %d: want 0 or more", r.Concurrency, r.Queue)
	case r.Probe != "" && !probePath(r.Probe):
		return fmt.Errorf("probe %q is not a path such as /v2/health/ready", r.Probe)
	case r.ProbeEvery != 0 && r.ProbeEvery < leastProbeEvery:
		return fmt.Errorf("probeEvery is %s: want at least %s", r.ProbeEvery, leastProbeEvery)
	}
	return nil
}

// probePath says whether p can be asked for as it is.
func probePath(p string) bool {
	if p[0] != '/' || !headerValue(p) {
		return false
	}
	_, err := http.NewRequest(http.MethodGet, "http://version"+p, nil)
	return err == nil
}

// healths are what is known of the versions that are served, by experiment,
// name and backend. They belong to whoever holds Gateway.swapping.
type healths struct {
	known   map[string]*health
	probing sync.WaitGroup
}

// serve gives each version of a route its health, and forgets those of versions
// that are not in it. Probes of what is not served end.
func (hs *healths) serve(g *Gateway, r *route, rules *experiment.GatewayRules) {
	known := make(map[string]*health, len(r.versions))
	for i := range r.versions {
		v := &r.versions[i]
		key := r.experiment + "\x00" + v.name + "\x00" + v.target.String()
		v.health = hs.known[key]
		if v.health == nil {
			v.health = newHealth(g.metrics.health(r.experiment, v.name))
		}
		known[key] = v.health
		// A line as long as there are places takes about as long as a request.
		v.health.places.set(rules.Concurrency, cmp.Or(rules.Queue, rules.Concurrency))
		hs.probe(g, v, rules, i != baseline)
	}
	for key, h := range hs.known {
		if known[key] == nil && h.prober != nil {
			h.prober.stop()
		}
	}
	hs.known = known
}

// prober asks a version again and again whether it is well.
type prober struct {
	url   string
	every time.Duration
	// ejects says that the version is ejected while it does not answer.
	ejects bool
	stop   context.CancelFunc
}

// probe starts, changes or ends the probing of a version.
func (hs *healths) probe(g *Gateway, v *version, rules *experiment.GatewayRules, ejects bool) {
	h := v.health
	want := prober{every: cmp.Or(rules.ProbeEvery, defaultProbeEvery), ejects: ejects}
	if rules.Probe != "" {
		want.url = v.target.Scheme + "://" + v.target.Host + v.base + rules.Probe
	}
	if p := h.prober; p != nil {
		if p.url == want.url && p.every == want.every && p.ejects == want.ejects {
			return
		}
		p.stop()
		h.prober = nil
	}
	if want.url == "" || g.life.Err() != nil {
		h.probed(true) // Nobody asks any more, so nothing is held against it.
		return
	}
	var ctx context.Context
	ctx, want.stop = context.WithCancel(g.life)
	h.prober = &want
	hs.probing.Go(func() { want.run(ctx, g.full.transport, h) })
}

// run probes until ctx ends. What it learns is no evidence.
func (p *prober) run(ctx context.Context, transport http.RoundTripper, h *health) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	missed := 0
	for {
		answered := p.ask(ctx, transport)
		if ctx.Err() != nil {
			return
		}
		if answered {
			missed = 0
		} else {
			missed++
			h.metrics.probesFailed.Inc()
		}
		if p.ejects && (answered || missed >= probesMissed) {
			h.probed(answered)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask asks once, over a connection of its own: whether one can be made is half
// of the question.
func (p *prober) ask(ctx context.Context, transport http.RoundTripper) bool {
	ctx, cancel := context.WithTimeout(ctx, min(p.every, probeTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }() // Read or not, it is done with.
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, probeBody))
	return err == nil && res.StatusCode/100 == 2
}
