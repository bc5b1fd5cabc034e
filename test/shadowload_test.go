// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// pacedLoad is the part of what the gateway holds that it is put under.
	pacedLoad = 0.4
	// pacedBody and pacedAnswer are the sizes of requests and answers in bytes,
	// those of gatewaybench.
	pacedBody, pacedAnswer = 200, 120
	// pacedWarm is how long a load goes on before it is measured: until what a
	// shadow can take up is taken up.
	pacedWarm = 500 * time.Millisecond
)

// TestBadShadowSlowsNobody puts a gateway under 40 % of the load that it can
// hold, without a mirror and with one of all requests to a shadow that hangs,
// floods, resets or answers garbage, in turns (D11). No user sees an error or
// another answer, ever. How much slower the slowest hundredth of the answers is,
// and how much more the gateway works for a request, it prints: on a machine that
// does other things too these figures are not for asserting.
func TestBadShadowSlowsNobody(t *testing.T) { badShadowSlowsNobody(t, 3, time.Second) }

// TestSoakBadShadow does so for four minutes: docs/reference/performance.md has
// the result.
func TestSoakBadShadow(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("make soak runs it")
	}
	badShadowSlowsNobody(t, 9, 2*time.Second)
}

func badShadowSlowsNobody(t *testing.T, rounds int, long time.Duration) {
	if runtime.GOOS != "linux" {
		t.Skip("the load is exact on Linux only")
	}
	b := newShadowBench(t)
	b.serve(false)
	b.pace(1000, pacedWarm)
	// Far more than it holds: what is answered is what it holds.
	rate := pacedLoad * float64(b.pace(100_000, 2*time.Second).n) / 2
	t.Logf("the gateway holds %.0f requests a second, so the load is %.0f", rate/pacedLoad, rate)
	for _, mood := range []string{"hangs", "floods", "resets", "garbage"} {
		t.Run(mood, func(t *testing.T) {
			b.t = t
			b.compare(mood, rate, rounds, long)
		})
	}
	b.t = t
	b.errors()
}

// compare measures with a shadow and without, in turns.
func (b *shadowBench) compare(mood string, rate float64, rounds int, long time.Duration) {
	b.shadow.mood.Store(mood)
	var times, work, p99s []float64
	for round := range rounds {
		var got [2]paced
		for turn := range 2 {
			with := (turn + round) % 2 // Each is first in every other round.
			b.serve(with == 1)
			b.pace(rate, pacedWarm)
			got[with] = b.pace(rate, long)
		}
		times = append(times, got[1].p99.Seconds()/got[0].p99.Seconds())
		work = append(work, got[1].cpu/got[0].cpu)
		p99s = append(p99s, 1e3*got[0].p99.Seconds())
	}
	slices.Sort(times)
	b.t.Logf("p99 with the shadow %.2f times that without (%.2f to %.2f in %d rounds), which is %.2f ms; work for a request %.2f times; copies: %s",
		middle(times), times[0], times[rounds-1], rounds, middle(p99s), middle(work), b.copies())
}

// middle is the median.
func middle(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// shadowBench is a gateway, a fast baseline and a bad shadow.
type shadowBench struct {
	*gatewayProcess
	route  experiment.Route
	shadow *badShadow
	pacer  string
	before map[string]float64 // copies by result, when they were last told
}

func newShadowBench(t *testing.T) *shadowBench {
	t.Helper()
	b := &shadowBench{gatewayProcess: newGatewayProcess(t), shadow: newBadShadow(t), before: map[string]float64{}}
	b.pacer = filepath.Join(t.TempDir(), "gatewaybench")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", b.pacer, "./gatewaybench")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	b.route = rankers(newEcho(t), b.shadow.url)
	b.route.Slots = experiment.SlotsOf(experiment.Shares{experiment.Whole, 0})
	b.apart()
	return b
}

// apart gives the gateway a processor of its own, where there are two and a
// program that can: what the load and the models take is not the gateway's.
func (b *shadowBench) apart() {
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		return
	}
	pin := func(cpus string, pid int) {
		if out, err := exec.Command(taskset, "-acp", cpus, strconv.Itoa(pid)).CombinedOutput(); err != nil {
			b.t.Logf("taskset: %v: %s", err, out)
		}
	}
	last := runtime.NumCPU() - 1
	pin(strconv.Itoa(last), b.cmd.Process.Pid)
	pin(fmt.Sprintf("0-%d", last-1), os.Getpid())
	b.t.Cleanup(func() { pin(fmt.Sprintf("0-%d", last), os.Getpid()) }) // Other tests want all of them.
}

// serve serves with a mirror of everything, or without.
func (b *shadowBench) serve(mirrored bool) {
	b.t.Helper()
	r := b.route
	if mirrored {
		r.Mirror = &experiment.MirrorRoute{
			Share: experiment.Whole, Versions: []int{1}, Timeout: time.Second,
			Pairs: []experiment.Metric{{Name: "same", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}}},
		}
	}
	b.gatewayProcess.serve(r)
}

// paced is what a load met.
type paced struct {
	p99, p50 time.Duration
	n        int
	cpu      float64 // of the gateway, for each request, in ticks
}

// pace sends so many requests a second, whatever becomes of those before, from
// a process of its own; meanwhile it checks some answers. The process fails on
// an answer that is not 200, and on a connection that ends.
func (b *shadowBench) pace(rate float64, long time.Duration) (p paced) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	var checks sync.WaitGroup
	checks.Go(func() { b.check(ctx) })
	cmd := exec.CommandContext(ctx, b.pacer, "-pace", b.traffic, "-rate", fmt.Sprint(rate), "-for", long.String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // It ends when the thread that started it does.
	defer runtime.UnlockOSThread()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	before := b.ticks()
	out, err := cmd.Output()
	used := b.ticks() - before
	cancel()
	checks.Wait()
	if err == nil {
		_, err = fmt.Sscan(string(out), (*int64)(&p.p99), (*int64)(&p.p50), &p.n)
	}
	p.cpu = float64(used) / float64(max(p.n, 1))
	if err != nil {
		b.t.Fatalf("the load: %v\n%s%s", err, out, stderr.String())
	}
	return p
}

// ticks is the processor time that the gateway has used.
func (b *shadowBench) ticks() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
	if err != nil {
		b.t.Fatal(err)
	}
	// Its name may hold anything; the 14th and 15th field come after it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	kernel, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return user + kernel
}

// check asks now and then, and wants the baseline's answer to its own question.
func (b *shadowBench) check(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
		body := fmt.Appendf(nil, "question %d ", time.Now().UnixNano())
		body = append(body, bytes.Repeat([]byte("?"), pacedBody-len(body))...)
		res, err := client.Post("http://"+b.traffic+"/v1/models/m:predict", "text/plain", bytes.NewReader(body))
		if err != nil {
			b.t.Error(err)
			return
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close() // It was read.
		if err != nil || res.StatusCode != http.StatusOK || !bytes.Equal(answer, body[:pacedAnswer]) {
			b.t.Errorf("answered %s %q, %v, want the beginning of %q", res.Status, answer, err, body)
			return
		}
	}
}

// copies says what became of the copies since it was last asked.
func (b *shadowBench) copies() string {
	var said []string
	m := b.metrics()
	for _, result := range []string{"answered", "failed", "timeout", "flooded", "dropped_rate", "dropped_full", "dropped_late", "dropped_unserved"} {
		n := m.sum("headgate_gateway_copies_total", `result="`+result+`"`)
		if d := n - b.before[result]; d > 0 {
			said = append(said, fmt.Sprintf("%s %.0f", result, d))
		}
		b.before[result] = n
	}
	return strings.Join(said, ", ")
}

// errors wants none that users saw, and a shadow that users never met.
func (b *shadowBench) errors() {
	m := b.metrics()
	all, good := m.sum("headgate_gateway_requests_total"), m.sum("headgate_gateway_requests_total", `"v1"`, `"2xx"`)
	if all != good || all == 0 {
		b.t.Errorf("of %v requests v1 answered %v", all, good)
	}
	for _, account := range []string{"refused", "cut", "fallbacks"} {
		if n := m.sum("headgate_gateway_" + account + "_total"); n != 0 {
			b.t.Errorf("%v requests are counted as %s", n, account)
		}
	}
	if b.shadow.others.Load() != 0 || b.shadow.copies.Load() == 0 {
		b.t.Errorf("the shadow got %d copies and %d other requests", b.shadow.copies.Load(), b.shadow.others.Load())
	}
}

// newEcho is a baseline that costs next to nothing: it answers requests with
// bodies of pacedBody bytes with the first pacedAnswer of them.
func newEcho(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // The test is over.
			}
			go echo(conn)
		}
	}()
	return "http://" + ln.Addr().String()
}

func echo(conn net.Conn) {
	defer func() { _ = conn.Close() }() // The gateway has gone.
	r := bufio.NewReader(conn)
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", pacedAnswer)
	answer := make([]byte, len(head)+pacedBody)
	copy(answer, head)
	for {
		for line := []byte("."); len(bytes.TrimSpace(line)) > 0; {
			var err error
			if line, err = r.ReadSlice('\n'); err != nil {
				return
			}
		}
		if _, err := io.ReadFull(r, answer[len(head):]); err != nil {
			return
		}
		if _, err := conn.Write(answer[:len(head)+pacedAnswer]); err != nil {
			return
		}
	}
}
