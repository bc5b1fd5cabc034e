// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// round is one run of wrk against one proxy.
type round struct {
	requests, failed int64
	rate             float64 // requests a second
	p50, p99         time.Duration
	cpu              time.Duration // of the proxy, for each request
	busy             float64       // part of its processor that the proxy used
	rss              int64
}

// settle is how long memory may take to show: the kernel gives it late, and in
// large pages.
const settle = time.Second

// warmUp is how long every proxy is warmed up for.
const warmUp = 500 * time.Millisecond

// peaks measures all proxies in turns, and begins each turn with another one.
func (h *house) peaks(ctx context.Context, p plan, lua string, proxies []*proxy) error {
	for _, x := range proxies {
		if _, err := h.wrk(ctx, p.conns, warmUp, lua, x); err != nil {
			return err
		}
	}
	for turn := range p.rounds {
		for i := range proxies {
			x := proxies[(turn+i)%len(proxies)]
			r, err := h.wrk(ctx, p.conns, p.each, lua, x)
			if err != nil {
				return err
			}
			x.rounds = append(x.rounds, r)
			fmt.Fprintf(os.Stderr, "%d/%d %-22s %7.0f/s  %6.2f µs CPU  %3.0f %% busy\n", turn+1, p.rounds, x.name, r.rate, float64(r.cpu)/1e3, 100*r.busy)
		}
	}
	return nil
}

// wrk runs wrk once.
func (h *house) wrk(ctx context.Context, conns int, long time.Duration, lua string, x *proxy) (round, error) {
	cmd := h.command(ctx, loadCPU, "wrk", "-t1", "-c", strconv.Itoa(conns), "-d", fmt.Sprintf("%dms", long.Milliseconds()), "--timeout", "5s", "-s", lua, "http://"+x.address)
	// wrk knows no part of a second.
	cmd.Args[len(cmd.Args)-6] = fmt.Sprintf("%ds", max(1, int(long.Round(time.Second)/time.Second)))
	before := cpuOf(x.pid)
	out, err := cmd.CombinedOutput()
	used := cpuOf(x.pid) - before
	if err != nil {
		return round{}, fmt.Errorf("wrk against %s: %w\n%s", x.name, err, out)
	}
	_, line, ok := bytes.Cut(out, []byte("RESULT "))
	var r round
	var micros, p50, p99 int64
	if n, err := fmt.Sscan(string(line), &r.requests, &micros, &p50, &p99, &r.failed); !ok || n != 5 || r.requests == 0 {
		return round{}, fmt.Errorf("wrk against %s says nothing of use (%w):\n%s", x.name, err, out)
	}
	if r.failed > 0 {
		return round{}, fmt.Errorf("%s failed %d of %d requests", x.name, r.failed, r.requests)
	}
	r.rate = float64(r.requests) / (float64(micros) / 1e6)
	r.p50, r.p99 = time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	r.cpu, r.busy = used/time.Duration(r.requests), float64(used.Microseconds())/float64(micros)
	r.rss = rssOf(x.pid)
	return r, nil
}

// paces measures latency at a part of each proxy's own peak, in turns.
func (h *house) paces(ctx context.Context, p plan, proxies []*proxy) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for range p.paced {
		for _, x := range proxies {
			rate := p.partOfPeak * median(x.rounds, func(r round) float64 { return r.rate })
			out, err := h.command(ctx, loadCPU, self, "-pace", x.address, "-rate", fmt.Sprint(rate), "-for", p.pacedEach.String()).Output()
			if err != nil {
				return fmt.Errorf("pace %s: %w", x.name, withStderr(err))
			}
			first, _, _ := strings.Cut(string(out), " ")
			ns, err := strconv.ParseInt(first, 10, 64)
			if err == nil && ns == 0 {
				err = errors.New("the host took processors away all the time")
			}
			if err != nil {
				return fmt.Errorf("pace %s: %w", x.name, err)
			}
			x.paced = append(x.paced, time.Duration(ns))
		}
	}
	return nil
}

// idles measures memory with idle connections.
func (h *house) idles(ctx context.Context, proxies []*proxy) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, x := range proxies {
		if err := h.idle(ctx, self, x); err != nil {
			return fmt.Errorf("idle connections to %s: %w", x.name, withStderr(err))
		}
	}
	return nil
}

func (h *house) idle(ctx context.Context, self string, x *proxy) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	cmd := h.command(ctx, loadCPU, self, "-idle", x.address)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said, err := bufio.NewReader(stdout).ReadString('\n')
	time.Sleep(settle)
	x.idle = rssOf(x.pid)
	_ = stdin.Close() // It ends then.
	if ended := cmd.Wait(); ended != nil {
		return ended
	}
	if said != "idle\n" {
		return fmt.Errorf("it says %q (%w)", said, err)
	}
	return nil
}

// withStderr says what a program said.
func withStderr(err error) error {
	if exit, ok := err.(*exec.ExitError); ok && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
