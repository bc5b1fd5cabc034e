// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routerkube "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/test/servers"
)

const (
	// callsPerStep are the calls that are counted at each step of a ramp.
	callsPerStep = 20_000
	// unlikely is how often a right split is called wrong, for each step.
	unlikely = 1e-6
	// callers are how many call at the same time.
	callers = 8
	// settleLimit is how long a change may take to be served, on a machine that is
	// busy with other things.
	settleLimit = 2 * time.Minute
)

// route is a route of a real cluster with two versions behind it, v1 and v2,
// and a caller.
type route struct {
	c      *servers.Cluster
	plan   experiment.Plan
	r      router.Router
	kube   *routerkube.Cluster
	counts [2]atomic.Int64 // Of calls that a version has got.
	// call makes one call with headers; an error is one that was not served.
	call func(ctx context.Context, headers map[string]string) error
	// teething is what the caller itself says of calls that meet a version in the
	// moment in which the caller learns of it; empty is that there is no such
	// moment.
	teething string
}

// open makes the route's router.
func (s *route) open(t *testing.T, create func(*experiment.Plan) (router.Router, error)) {
	t.Helper()
	var err error
	if s.r, err = create(&s.plan); err != nil {
		t.Fatal(err)
	}
	s.kube = routerkube.New(s.c.Client, s.c.Client, routerkube.Options{})
}

// shares is traffic that gives v2 a percentage.
func (s *route) shares(percent float64) router.Traffic {
	candidate := experiment.Share(percent * 100)
	return router.Traffic{Experiment: s.plan.ID(), Versions: s.plan.Versions, Shares: experiment.Shares{experiment.Whole - candidate, candidate}}
}

// apply writes traffic as the controller does.
func (s *route) apply(t *testing.T, traffic router.Traffic) {
	t.Helper()
	if _, err := s.kube.Apply(t.Context(), s.r, traffic); err != nil {
		t.Fatal(err)
	}
}

// load makes n calls, several at a time, and returns how many v2 got. Every
// call must be served, once.
func (s *route) load(t *testing.T, n int, headers map[string]string) int64 {
	t.Helper()
	before := [2]int64{s.counts[0].Load(), s.counts[1].Load()}
	var failed atomic.Int64
	var first atomic.Value
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := s.call(t.Context(), headers); err != nil && failed.Add(1) == 1 {
					first.Store(err)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d calls failed, the first: %v", failed.Load(), n, first.Load())
	}
	v1, v2 := s.counts[0].Load()-before[0], s.counts[1].Load()-before[1]
	if v1+v2 != int64(n) {
		t.Errorf("the versions got %d and %d calls of %d: some were lost or sent again", v1, v2, n)
	}
	return v2
}

// turned waits until a few calls say that the split is no longer from, but may
// be to. None of them may fail, but for the caller's own teething.
func (s *route) turned(t *testing.T, from, to float64) {
	t.Helper()
	missed := 0
	var last error
	eventually(t, func() error {
		before := [2]int64{s.counts[0].Load(), s.counts[1].Load()}
		for range 100 {
			if err := s.call(t.Context(), nil); err != nil {
				missed, last = missed+1, err
				if s.teething == "" || !strings.Contains(err.Error(), s.teething) {
					t.Errorf("from %v to %v a call failed: %v", from, to, err)
				}
				return err
			}
		}
		return s.since(before, from, to)
	})
	if missed > 0 {
		t.Logf("from %v to %v %d calls failed before the change was served: %v", from, to, missed, last)
	}
}

// since reports calls after a moment, whose counts are before, that cannot have
// met the split to, or may have met the split from.
func (s *route) since(before [2]int64, from, to float64) error {
	v1, v2 := s.counts[0].Load()-before[0], s.counts[1].Load()-before[1]
	in, err := stats.ClopperPearson(stats.Counts{N: v1 + v2, X: v2}, 1-1e-9)
	switch {
	case err != nil:
		return err
	case from != to && from >= in.Low && from <= in.High, to < in.Low || to > in.High:
		return fmt.Errorf("of %d calls v2 has between %.3f and %.3f, want %.3f and no longer %.3f", v1+v2, in.Low, in.High, to, from)
	}
	return nil
}

// turnedUnderLoad waits for the same in the calls that others make.
func (s *route) turnedUnderLoad(t *testing.T, from, to float64) {
	t.Helper()
	eventually(t, func() error {
		before := [2]int64{s.counts[0].Load(), s.counts[1].Load()}
		eventually(t, func() error {
			if n := s.counts[0].Load() + s.counts[1].Load() - before[0] - before[1]; n < 300 {
				return fmt.Errorf("%d calls so far", n)
			}
			return nil
		})
		return s.since(before, from, to)
	})
}

// underLoad has callers call without a pause while do changes what they call,
// and for a moment longer. No call may fail.
func (s *route) underLoad(t *testing.T, do func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var served, failed atomic.Int64
	var first atomic.Value
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				// A call that has begun is ended: stopping is no failure.
				if err := s.call(context.WithoutCancel(ctx), nil); err == nil {
					served.Add(1)
				} else if failed.Add(1) == 1 {
					first.Store(err)
				}
			}
		})
	}
	do()
	at := served.Load()
	eventually(t, func() error {
		if n := served.Load() - at; n < 1000 {
			return fmt.Errorf("%d calls after the last change", n)
		}
		return nil
	})
	stop()
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d calls failed of %d, the first: %v", failed.Load(), served.Load()+failed.Load(), first.Load())
	}
	t.Logf("%d calls under load", served.Load())
}

// wantOnly sends calls of each kind and compares the versions that get them with
// what the traffic means. The first round of each waits for the route.
func (s *route) wantOnly(t *testing.T, traffic router.Traffic, meant func(map[string]string) experiment.Shares, requests []map[string]string) {
	t.Helper()
	s.apply(t, traffic)
	check := func(n int, headers map[string]string) error {
		want := int64(0)
		if meant(headers)[1] == experiment.Whole {
			want = int64(n)
		} else if meant(headers)[1] != 0 {
			t.Fatalf("%v: %v is no single version", headers, meant(headers))
		}
		before := s.counts[1].Load()
		for range n {
			if err := s.call(t.Context(), headers); err != nil {
				return err
			}
		}
		if got := s.counts[1].Load() - before; got != want {
			return fmt.Errorf("with %v v2 has %d of %d calls, want %d", headers, got, n, want)
		}
		return nil
	}
	eventually(t, func() error {
		for _, headers := range requests {
			if err := check(1, headers); err != nil {
				return err
			}
		}
		return nil
	})
	for _, headers := range requests {
		if err := check(200, headers); err != nil {
			t.Error(err)
		}
	}
}

// eventually tries until try succeeds.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.NewTimer(settleLimit)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %v", settleLimit, err)
		case <-tick.C:
		}
	}
}

// service is a Service without a selector.
func service(namespace, name, portName string, port int) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec: {ports: [{name: %s, port: %d}]}
`, name, namespace, portName, port)
}

// backend is a Service and where it is found.
func backend(namespace, name, portName string, port int, addr net.Addr) string {
	host, number, _ := strings.Cut(addr.String(), ":")
	return service(namespace, name, portName, port) + fmt.Sprintf(`
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, namespace: %[5]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: %[4]s, port: %[3]s, protocol: TCP}]
endpoints: [{addresses: [%[2]s], conditions: {ready: true}}]
`, name, host, number, portName, namespace)
}
