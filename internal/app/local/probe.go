// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// prober asks the versions whether they are ready. It is asked only before a
// share is raised; the way back never waits for it (D3, D10).
type prober struct {
	versions []experiment.Version
	client   *http.Client
	ready    []atomic.Bool
}

// probeTimeout bounds one probe; probeEvery is the time between two.
// reachTimeout bounds the one at the start, which decides whether there is an
// experiment at all: a machine that is busy starting things is given time.
const (
	probeTimeout = 2 * time.Second
	probeEvery   = time.Second
	reachTimeout = 10 * time.Second
)

func newProber(p *experiment.Plan) prober {
	return prober{
		versions: p.Versions,
		client: &http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		ready: make([]atomic.Bool, len(p.Versions)),
	}
}

// probe asks one version by the Open Inference Protocol's readiness path. A
// server that knows no such path answers something else than 503 and counts as
// ready: it is reachable, and says nothing against it.
func (p *prober) probe(ctx context.Context, v int, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.versions[v].Backend+"/v2/health/ready", nil)
	if err != nil {
		return err
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.ready[v].Store(false)
		return err
	}
	_ = res.Body.Close()
	p.ready[v].Store(res.StatusCode != http.StatusServiceUnavailable)
	return nil
}

// reach fails if a version cannot be reached at all: at the start that is a
// mistake in the file, not a bad model.
func (p *prober) reach(ctx context.Context) error {
	for v, version := range p.versions {
		if err := p.probe(ctx, v, reachTimeout); err != nil {
			return experiment.Errorf(experiment.CodeInvalid, "reach version %s at spec.versions[%d].backend %q: %w", version.Name, v, version.Backend, err).
				WithHint("start the model server first, or correct the URL")
		}
	}
	return nil
}

// watch probes all versions until the context ends.
func (p *prober) watch(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		var wg sync.WaitGroup
		for v := range p.versions {
			wg.Go(func() { _ = p.probe(ctx, v, probeTimeout) }) // Its result is the ready flag.
		}
		wg.Wait()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// state is whether each version was ready when last asked.
func (p *prober) state() []bool {
	out := make([]bool, len(p.ready))
	for v := range p.ready {
		out[v] = p.ready[v].Load()
	}
	return out
}
