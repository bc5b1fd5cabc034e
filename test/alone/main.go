// SPDX-License-Identifier: Apache-2.0

// Command alone is a gateway and nothing else, for the tests of module test/
// that must do what headgate-gateway does not: swap snapshots faster than a
// file is followed (twice a second), bound exchanges by other than 30 s, have
// garbage collected before the heap is measured, or serve all of HTTP/1.1 by
// the engine full. Each line of its standard input is a snapshot to serve. It
// prints the addresses of its traffic and of what can be asked of it, and ends
// with its input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/gateway"
)

func main() {
	timeout := flag.Duration("timeout", 30*time.Second, "bounds an exchange")
	full := flag.Bool("full", false, "serves every connection by the engine full")
	flag.Parse()
	if err := run(*timeout, *full); err != nil {
		log.Fatal(err)
	}
}

func run(timeout time.Duration, full bool) error {
	key, err := experiment.NewKey([]byte(strings.Repeat("k", experiment.KeySize)))
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	g, err := gateway.New(gateway.Options{Key: key, Timeout: timeout, Registry: metrics, ErrorLog: log.New(os.Stderr, "", 0)})
	if err != nil {
		return err
	}
	traffic, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	asked, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f := &folder{gateway: g, next: make(map[phase]int64)}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/process", process)
	mux.HandleFunc("/evidence", f.evidence)
	var s server = g.Server()
	if full {
		s = &http.Server{Handler: g.Handler()}
	}
	admin := &http.Server{Handler: mux}
	go func() { _ = admin.Serve(asked) }() // Ends with the process.
	served := make(chan error, 1)
	go func() { served <- s.Serve(traffic) }()
	fmt.Println(traffic.Addr(), asked.Addr())

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		snapshot := new(experiment.Snapshot)
		if err := json.Unmarshal(lines.Bytes(), snapshot); err != nil {
			return err
		}
		if err := g.Swap(snapshot); err != nil {
			return err
		}
		f.follow(&snapshot.Routes[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*timeout)
	defer cancel()
	err = errors.Join(lines.Err(), s.Shutdown(ctx), g.Close())
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// server is what carries the traffic.
type server interface {
	Serve(ln net.Listener) error
	Shutdown(ctx context.Context) error
}

// process answers with what the process holds once its garbage is gone.
func process(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.GC() // Twice: pools let go in two steps.
	runtime.GC()
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(map[string]uint64{"heap": m.HeapAlloc, "goroutines": uint64(runtime.NumGoroutine())})
}

// phase names what windows are counted in.
type phase struct{ epoch, phase int }

// folder folds cells as a ledger would, and frees their windows.
type folder struct {
	gateway *gateway.Gateway

	mu       sync.Mutex
	route    *experiment.Route
	next     map[phase]int64
	requests [experiment.MaxVersions]struct{ N, X int64 }
}

// follow folds the phases that are there, and now one more.
func (f *folder) follow(r *experiment.Route) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.route = r
	if _, known := f.next[phase{r.Epoch, r.Phase}]; !known {
		f.next[phase{r.Epoch, r.Phase}] = 0
	}
	f.fold(time.Now())
}

func (f *folder) fold(now time.Time) {
	for p, from := range f.next {
		seal, err := f.gateway.Seal(f.route.Experiment, p.epoch, p.phase, from, now)
		if err != nil {
			delete(f.next, p) // The gateway remembers the last phases only.
			continue
		}
		for _, c := range seal.Cells {
			if c.Metric == experiment.CellRequests && c.Slice == "" {
				f.requests[c.Version].N += c.Counts.N
				f.requests[c.Version].X += c.Counts.X
			}
		}
		f.next[p] = seal.To
		f.gateway.Drop(f.route.Experiment, p.epoch, p.phase, seal.To)
	}
}

// evidence answers with the requests and failures of each version in all
// windows that there are, which must have ended.
func (f *folder) evidence(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fold(time.Now().Add(24 * time.Hour))
	_ = json.NewEncoder(w).Encode(f.requests)
}
