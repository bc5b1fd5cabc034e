// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
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
	"github.com/headgate-dev/headgate/test/badshadow"
)

const (
	// pacedLoad is the part of what the gateway holds that it is put under.
	pacedLoad = 0.4
	// pacedBody and pacedAnswer are the sizes of requests and answers in bytes,
	// those of gatewaybench.
	pacedBody, pacedAnswer = 200, 120
	// pacedWarm is how long a load goes on before it is measured: until what a
	// shadow can take up is taken up.
	pacedWarm = 300 * time.Millisecond
)

// TestBadShadowSlowsNobody puts a gateway under 40 % of the load that it can
// hold, without a mirror and with one of all requests to a shadow that hangs,
// floods, resets or answers garbage (D11). No user sees an error or another
// answer, ever. How much slower the slowest hundredth of the answers is, and how
// much more the gateway works for a request, it prints: on a machine that does
// other things too these figures are not for asserting.
func TestBadShadowSlowsNobody(t *testing.T) { badShadowSlowsNobody(t, quick, quick, time.Second) }

// quick is how many rounds do for a look.
const quick = 2

// TestSoakBadShadow does so for up to an hour and a half, half of which it rests:
// docs/reference/performance.md has the result.
func TestSoakBadShadow(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("make soak runs it")
	}
	badShadowSlowsNobody(t, 24, 96, time.Second)
}

func badShadowSlowsNobody(t *testing.T, least, most int, long time.Duration) {
	if runtime.GOOS != "linux" {
		t.Skip("the load is exact on Linux only")
	}
	b := newShadowBench(t)
	b.serve("")
	b.pace(1000, pacedWarm)
	// Far more than it holds: what is answered is what it holds.
	rate := pacedLoad * float64(b.pace(100_000, 2*time.Second).n) / 2
	t.Logf("the gateway holds %.0f requests a second, so the load is %.0f", rate/pacedLoad, rate)
	for i, mood := range badshadow.Moods() {
		t.Run(mood, func(t *testing.T) {
			b.t = t
			b.compare(b.shadows[i], rate, least, most, long)
		})
	}
	b.t = t
	b.errors()
}

// compare measures rounds of three short blocks in random order: with a shadow,
// without, and without again. How far apart the two without are says how much
// the figure is worth, so rounds go on, from least to most, until these two are
// known to be as alike as the goal wants the shadow's to be; the shadow's own
// figure has no say in when they end.
func (b *shadowBench) compare(shadow string, rate float64, least, most int, long time.Duration) {
	const goal = 1.15
	p99, work := &trio{}, &trio{}
	order := rand.New(rand.NewPCG(1, 2))
	stolen := 0
	block := func(arm int) paced {
		b.serve("")
		if arm == withShadow {
			b.serve(shadow) // From its beginning, each time.
		}
		b.pace(rate, pacedWarm)
		return b.pace(rate, long)
	}
	say := func(what string, x *trio) {
		b.t.Logf("%s with the shadow %s times that without, and without again %s times (%d rounds)", what, x.effect(), x.control(), x.rounds())
	}
	for p99.rounds() < least || p99.rounds() < most && !p99.control().within(1/goal, goal) {
		began := time.Now()
		var took, used [3]float64
		for _, arm := range order.Perm(3) {
			got := block(arm)
			// A host that takes the processor away makes a p99 of its own.
			for again := 0; got.stolen > 0 && again < 3; again++ {
				stolen++
				got = block(arm)
			}
			took[arm], used[arm] = 1e3*got.p99.Seconds(), got.cpu
		}
		p99.add(took)
		work.add(used)
		if least == quick {
			continue
		}
		if p99.rounds()%12 == 0 {
			say("so far: p99", p99)
		}
		// A machine that lends its processors lends them more slowly after minutes of
		// load, and its p99 hides what a shadow does.
		time.Sleep(time.Since(began))
	}
	alone := slices.Sorted(slices.Values(slices.Concat(p99[without], p99[withoutAgain])))
	say("p99", p99)
	say("work for a request", work)
	b.t.Logf("p99 without %.3g ms (%.3g ms in the quickest tenth of blocks); %d blocks measured again, since the host took the processor away", middle(alone), alone[len(alone)/10], stolen)
	b.t.Logf("copies: %s", b.copies())
}

// shadowBench is a gateway, a fast baseline and a bad shadow.
type shadowBench struct {
	*gatewayProcess
	route experiment.Route
	// shadows are bad ones by mood, in a process of their own that ends, and
	// tells what it was asked, when shadowing is closed.
	shadows   []string
	shadowing io.WriteCloser
	told      *bufio.Reader
	pacer     string
	before    map[string]float64 // copies by result, when they were last told
}

func newShadowBench(t *testing.T) *shadowBench {
	t.Helper()
	b := &shadowBench{gatewayProcess: newGatewayProcess(t), before: map[string]float64{}}
	b.pacer = filepath.Join(t.TempDir(), "gatewaybench")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", b.pacer, "./gatewaybench")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	b.shadowed()
	b.route = rankers(newEcho(t), b.shadows[0])
	b.route.Slots = experiment.SlotsOf(experiment.Shares{experiment.Whole, 0})
	b.apart()
	return b
}

// shadowed starts the bad shadows. They get what the machine has left over: a
// shadow that has a machine of its own takes nothing from the load and the
// baseline, and neither should these.
func (b *shadowBench) shadowed() {
	b.t.Helper()
	args := []string{b.pacer, "-bad-shadows"}
	if idle, err := exec.LookPath("chrt"); err == nil {
		args = append([]string{idle, "--idle", "0"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if b.shadowing, err = cmd.StdinPipe(); err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = b.shadowing.Close() // It may be closed already.
		_ = cmd.Wait()          // What it had to say was read.
	})
	b.told = bufio.NewReader(out)
	for range badshadow.Moods() {
		line, err := b.told.ReadString('\n')
		if err != nil {
			b.t.Fatal(err)
		}
		b.shadows = append(b.shadows, strings.TrimSpace(line))
	}
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

// serve serves with a mirror of everything to a shadow, or without.
func (b *shadowBench) serve(shadow string) {
	b.t.Helper()
	r := b.route
	if shadow != "" {
		r.Versions = slices.Clone(r.Versions)
		r.Versions[1].Backend = shadow
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
	stolen   int64   // of the machine by its host, in ticks
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
	before, stolen := b.ticks(), b.stolen()
	out, err := cmd.Output()
	used := b.ticks() - before
	p.stolen = b.stolen() - stolen
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

// stolen is the time for which something ran that a host did not let run.
func (b *shadowBench) stolen() int64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		b.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n") // cpu user nice system idle iowait irq softirq steal ...
	n, err := strconv.ParseInt(strings.Fields(line)[8], 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
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
	for _, result := range []string{"answered", "failed", "timeout", "flooded", "dropped_rate", "dropped_full", "dropped_late", "dropped_hanging", "dropped_unserved"} {
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
	if err := b.shadowing.Close(); err != nil {
		b.t.Fatal(err)
	}
	var copies, others int64
	if _, err := fmt.Fscan(b.told, &copies, &others); err != nil || others != 0 || copies == 0 {
		b.t.Errorf("the shadows got %d copies and %d other requests, %v", copies, others, err)
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
