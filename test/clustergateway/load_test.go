// SPDX-License-Identifier: Apache-2.0

package clustergateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// users is how many units there are.
const users = 400

// answer is what a unit was answered by a gateway.
type answer struct {
	unit, gateway int
	version       string
	at            time.Time
}

// load is users who ask both gateways, in turn, without end.
type load struct {
	t      *testing.T
	client *http.Client
	urls   []string

	mu      sync.Mutex
	answers []answer
	failed  int
	why     error
}

// asking starts the load; it ends with the test.
func (s *site) asking() *load {
	s.t.Helper()
	l := &load{t: s.t, client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	for _, g := range s.gateways {
		l.urls = append(l.urls, "http://"+g.traffic)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			t := time.NewTicker(10 * time.Millisecond) // 400 requests a second in all.
			defer t.Stop()
			for n := worker; ; n += 4 {
				select {
				case <-ctx.Done():
					return
				case <-t.C:
					l.ask(ctx, n%users, (n/users+n)%2)
				}
			}
		})
	}
	s.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return l
}

// version asks a gateway for a unit's answer. A model that fails answers all the
// same.
func (l *load) version(ctx context.Context, unit, gateway int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.urls[gateway], nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-User-Id", fmt.Sprintf("user-%d", unit))
	res, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if text := string(body); err == nil && text != "v1" && text != "v2" {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	return string(body), err
}

func (l *load) ask(ctx context.Context, unit, gateway int) {
	version, err := l.version(ctx, unit, gateway)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed++
		l.why = err
		return
	}
	l.answers = append(l.answers, answer{unit, gateway, version, time.Now()})
}

// take gives the answers since the last call, and wants no request to have
// failed.
func (l *load) take() []answer {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed > 0 {
		l.t.Errorf("%d requests failed, the last with %v", l.failed, l.why)
	}
	out := l.answers
	l.answers, l.failed = nil, 0
	return out
}

// forgive forgets the answers since the last call, and what failed.
func (l *load) forgive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers, l.failed = nil, 0
}

// shares are the parts of some answers that v2 gave, by gateway.
func shares(answers []answer) (v2 [2]float64, n [2]int) {
	for _, a := range answers {
		n[a.gateway]++
		if a.version == "v2" {
			v2[a.gateway]++
		}
	}
	for i := range v2 {
		v2[i] /= float64(max(1, n[i]))
	}
	return v2, n
}

// sticky wants each unit to have moved from v1 to v2 at most once, over both
// gateways. One learns of a step a moment after the other, on a machine that is
// busy with other things too.
func sticky(t *testing.T, answers []answer) {
	t.Helper()
	const moment = 5 * time.Second
	moved := map[int]time.Time{}
	wrong := 0
	for _, a := range answers {
		at, ok := moved[a.unit]
		switch {
		case a.version == "v2" && !ok:
			moved[a.unit] = a.at
		case a.version == "v1" && ok && a.at.Sub(at) > moment:
			wrong++
		}
	}
	if wrong > 0 || len(moved) == 0 {
		t.Errorf("%d of %d answers are of a version that the unit had left; %d units moved", wrong, len(answers), len(moved))
	}
}
