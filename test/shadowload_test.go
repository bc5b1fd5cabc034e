// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
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
	// quiet is which part of the answers must count for a block to do so.
	quiet = 0.5
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

// TestSoakBadShadow does so for up to an hour: docs/reference/performance.md has
// the result.
func TestSoakBadShadow(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("make soak runs it")
	}
	badShadowSlowsNobody(t, 48, 96, 2*time.Second)
}

func badShadowSlowsNobody(t *testing.T, least, most int, long time.Duration) {
	if runtime.GOOS != "linux" {
		t.Skip("the load is exact on Linux only")
	}
	b := newShadowBench(t)
	b.serve("")
	b.pace(1000, pacedWarm)
	for i, mood := range badshadow.Moods() {
		t.Run(mood, func(t *testing.T) {
			b.t = t
			b.compare(b.shadows[i], least, most, long)
		})
	}
	b.t = t
	b.errors()
}

// compare measures rounds of three short blocks in random order: with a shadow,
// without, and without again. How far apart the two without are says how much
// the figure is worth, so rounds go on, from least to most, until these two are
// known to be as alike as the goal wants the shadow's to be, and the shadow's
// figure as exactly; what that is has no say in when they end.
func (b *shadowBench) compare(shadow string, least, most int, long time.Duration) {
	const goal, exact = 1.15, 1.25
	p99, work, calm := &trio{}, &trio{}, &trio{}
	order := rand.New(rand.NewPCG(1, 2))
	disturbed := 0
	var rate float64
	var rates []float64
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
	for p99.rounds() < least || p99.rounds() < most && !(p99.control().within(1/goal, goal) && p99.effect().spread() < exact) {
		rate = pacedLoad * b.holds()
		rates = append(rates, rate)
		var took, used, counted [3]float64
		for _, arm := range order.Perm(3) {
			got := block(arm)
			// A host that is busy otherwise has quiet moments.
			for again := 0; least > quick && float64(got.calm) < quiet*float64(got.n) && again < 3; again++ {
				disturbed++
				time.Sleep(time.Second)
				got = block(arm)
			}
			took[arm], used[arm], counted[arm] = 1e3*got.p99.Seconds(), got.cpu, 100*float64(got.calm)/float64(got.n)
		}
		p99.add(took)
		calm.add(counted)
		work.add(used)
		if p99.rounds()%12 == 0 {
			say("so far: p99", p99)
		}
	}
	alone := slices.Sorted(slices.Values(slices.Concat(p99[without], p99[withoutAgain])))
	say("p99", p99)
	say("work for a request", work)
	slices.Sort(rates)
	b.t.Logf("the load was %.0f requests a second (%.0f to %.0f)", middle(rates), rates[0], rates[len(rates)-1])
	b.t.Logf("p99 without %.3g ms (%.3g ms in the quickest tenth of blocks)", middle(alone), alone[len(alone)/10])
	b.t.Logf("answers that count, since no processor stood still: %.0f %% with the shadow, %.0f %% without; %d blocks measured again", middle(calm[withShadow]), middle(slices.Concat(calm[without], calm[withoutAgain])), disturbed)
	b.t.Logf("copies: %s", b.copies())
}

// holds is how many requests a second the gateway holds now: it is sent far more.
// A machine that lends its processors lends them faster at some times.
func (b *shadowBench) holds() float64 {
	const long = time.Second / 2
	b.serve("")
	return float64(b.pace(100_000, long).n) / long.Seconds()
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
	b.apart()
	b.shadowed()
	b.route = rankers(b.baseline(), b.shadows[0])
	b.route.Slots = experiment.SlotsOf(experiment.Shares{experiment.Whole, 0})
	return b
}

// shadowed starts the bad shadows. They get what the machine has left over: a
// shadow that has a machine of its own takes nothing from the load and the
// baseline, and neither should these.
func (b *shadowBench) shadowed() {
	args := []string{b.pacer, "-bad-shadows"}
	if idle, err := exec.LookPath("chrt"); err == nil {
		args = append([]string{idle, "--idle", "0"}, args...)
	}
	b.shadowing, b.told = b.part(args...)
	for range badshadow.Moods() {
		b.shadows = append(b.shadows, b.line(b.told))
	}
}

// baseline is one that costs next to nothing: it answers requests with bodies of
// pacedBody bytes with the first pacedAnswer of them.
func (b *shadowBench) baseline() string {
	_, told := b.part(b.pacer, "-echo")
	return b.line(told)
}

func (b *shadowBench) line(r *bufio.Reader) string {
	b.t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// part starts a process that ends with its standard input.
func (b *shadowBench) part(args ...string) (io.WriteCloser, *bufio.Reader) {
	b.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = in.Close() // It may be closed already.
		_ = cmd.Wait() // What it had to say was read.
	})
	return in, bufio.NewReader(out)
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
	calm     int     // of n, those that no stall of a processor disturbed; p99 and p50 are theirs
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
		_, err = fmt.Sscan(string(out), (*int64)(&p.p99), (*int64)(&p.p50), &p.n, &p.calm)
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
