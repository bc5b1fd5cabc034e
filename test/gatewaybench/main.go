// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

//go:embed load.lua
var script string

// plan is how much is measured.
type plan struct {
	rounds         int
	each           time.Duration
	paced          int
	pacedEach      time.Duration
	conns, idlers  int
	partOfPeak     float64
	atMost         time.Duration
	gateway, other string
}

func main() {
	// Children end when the thread that started them does.
	runtime.LockOSThread()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gatewaybench:", err)
		os.Exit(1)
	}
}

func run() error {
	p := plan{conns: 32, idlers: 2000, partOfPeak: .4}
	flag.StringVar(&p.gateway, "gateway", "bin/headgate-gateway", "the gateway's `binary`")
	flag.StringVar(&p.other, "reverseproxy", "bin/reverseproxy", "the reverse proxy's `binary`")
	quick := flag.Bool("quick", false, "measure less, in less than 90 seconds")
	only := flag.String("pace", "", "send to this `address` at --rate, and print how long it took (a part of the whole)")
	idlers := flag.String("idle", "", "hold connections to this `address` (a part of the whole)")
	shadows := flag.Bool("bad-shadows", false, "serve bad shadows until standard input ends (a part of another test)")
	echoes := flag.Bool("echo", false, "serve a baseline until the process ends (a part of another test)")
	rate := flag.Float64("rate", 1000, "requests a second of --pace")
	long := flag.Duration("for", time.Second, "how long --pace takes")
	flag.Parse()
	switch {
	case *only != "":
		return pace(*only, *rate, p.conns, *long)
	case *echoes:
		return echo()
	case *shadows:
		return badShadows()
	case *idlers != "":
		return idle(*idlers, p.idlers)
	}
	p.rounds, p.each, p.paced, p.pacedEach, p.atMost = 7, 4*time.Second, 5, 2*time.Second, 8*time.Minute
	if *quick {
		p.rounds, p.each, p.paced, p.pacedEach, p.atMost = 3, 1500*time.Millisecond, 1, time.Second, 90*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, p.atMost, errors.New("it took too long"))
	defer cancel()
	return measure(ctx, p)
}

// measure runs everything and prints the report.
func measure(ctx context.Context, p plan) error {
	if err := have("nginx", "haproxy", "caddy", "wrk"); err != nil {
		return fmt.Errorf("%w: make bench-gateway installs them on Debian", err)
	}
	dir, err := os.MkdirTemp("", "gatewaybench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // Left behind, it harms nobody.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err // nginx' worker is somebody else.
	}
	_, err = exec.LookPath("taskset")
	h := &house{dir: dir, pin: err == nil && runtime.NumCPU() > proxyCPU}
	defer h.end()
	backends, err := h.startBackends(ctx)
	if err != nil {
		return err
	}
	bin := programs{absolute(p.gateway), absolute(p.other)}
	proxies, err := h.startProxies(ctx, bin, backends)
	if err != nil {
		return err
	}
	about := describe(ctx, p, h.pin)
	lua, err := h.write("load.lua", script)
	if err != nil {
		return err
	}
	if err := h.peaks(ctx, p, lua, proxies); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if err := h.paces(ctx, p, proxies); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if err := h.idles(ctx, proxies); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	report(os.Stdout, about, p, proxies)
	return nil
}
