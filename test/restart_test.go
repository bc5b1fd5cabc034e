// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
	"github.com/headgate-dev/headgate/test/servers"
)

// site is a `headgate run` that can be killed and started again: fixed ports,
// one data directory, two model servers that outlive it.
type site struct {
	t            *testing.T
	binary, dir  string
	traffic, api string
	cmd          *exec.Cmd
	out          *bytes.Buffer
	client       *http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, binary: build(t), dir: t.TempDir(), traffic: servers.FreeAddr(t), api: servers.FreeAddr(t)}
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var urls []any
	for _, name := range []string{"v1", "v2"} {
		m := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		t.Cleanup(m.Close)
		urls = append(urls, m.URL)
	}
	yaml := fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: site}
spec:
  versions: [{name: v1, backend: %q}, {name: v2, backend: %q}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: purchase, from: {outcomes: {event: purchase, window: 1h}}}
  - {name: errors, from: {builtin: error-rate}}
  reward: {metric: purchase, minimumEffect: {relative: 5%%}}
  objectives: [{metric: errors, max: 50%%}]
  stages:
  - {name: canary, ramp: {steps: [30%%]}, hold: {for: 10h}}
  - {name: ab, split: {v1: 50%%, v2: 50%%}, until: {atMost: 10h}}
  evidence: {window: 200ms, lag: 100ms}
`, urls...)
	if err := os.WriteFile(filepath.Join(s.dir, "experiment.yaml"), []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// start starts the process without waiting for it.
func (s *site) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "run", "-f", "experiment.yaml", "--data", "d", "--listen", s.traffic, "--api", s.api)
	s.cmd.Dir = s.dir
	s.out = &bytes.Buffer{}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// serves waits until the process answers. Where so much was interrupted that more
// evidence is missing than is there, the candidate waits for its share for long.
func (s *site) serves() {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		st, err := s.state()
		if err == nil && st.Stage.Name == "canary" {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it does not serve: %+v, %v\n%s", st, err, s.out.String())
		}
	}
}

// ready waits until the candidate has its share.
func (s *site) ready() state {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		st, err := s.state()
		if err == nil && st.Versions[1].Share > 0 {
			return st
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not ready: %+v, %v\n%s", st, err, s.out.String())
		}
	}
}

// state is what must be the same after a restart.
type state struct {
	Stage struct {
		Name string `json:"name"`
		Step int    `json:"step"`
	} `json:"stage"`
	Versions []struct {
		Name  string  `json:"name"`
		Share float64 `json:"share"`
	} `json:"versions"`
}

func (s *site) state() (st state, err error) {
	res, err := s.client.Get("http://" + s.api + "/v1/experiment")
	if err != nil {
		return st, err
	}
	defer func() { _ = res.Body.Close() }()
	return st, json.NewDecoder(res.Body).Decode(&st)
}

// ask sends a unit's request; an error means that nobody answered.
func (s *site) ask(ctx context.Context, unit string) (version, token string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.traffic, nil)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("X-User-Id", unit)
	res, err := s.client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return string(body), res.Header.Get("X-Headgate-Exposure"), err
}

// outcome posts one outcome and says how it was counted.
func (s *site) outcome(ctx context.Context, token, key string) (receipt struct{ Accepted, Duplicates, Late, Unmatched int }, err error) {
	body := fmt.Sprintf(`{"token":%q,"event":"purchase","key":%q}`, token, key)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.api+"/v1/outcomes", strings.NewReader(body))
	if err != nil {
		return receipt, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return receipt, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusAccepted {
		return receipt, fmt.Errorf("answered %s", res.Status)
	}
	return receipt, json.NewDecoder(res.Body).Decode(&receipt)
}

// poll asks for n units.
func (s *site) poll(n int) []string {
	s.t.Helper()
	out := make([]string, n)
	for i := range out {
		v, _, err := s.ask(s.t.Context(), fmt.Sprintf("polled-%d", i))
		if err != nil {
			s.t.Fatalf("poll: %v\n%s", err, s.out.String())
		}
		out[i] = v
	}
	return out
}

// acknowledged are outcomes that were answered 202, by key.
type acknowledged struct {
	mu     sync.Mutex
	tokens map[string]string
}

// load sends requests and outcomes until the context ends, and remembers what
// was acknowledged.
func (s *site) load(ctx context.Context, round int, acks *acknowledged) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("%d-%d-%d", round, w, i)
				_, token, err := s.ask(ctx, "user-"+key)
				if err != nil || token == "" {
					continue
				}
				if r, err := s.outcome(ctx, token, key); err == nil && r.Accepted == 1 {
					acks.mu.Lock()
					acks.tokens[key] = token
					acks.mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

// TestKillNine kills a run under load at 20 random moments. After each restart
// it stands where it stood, every acknowledged outcome is found, and of 2,000
// units none has moved. At the end its journal replays.
func TestKillNine(t *testing.T) { killNine(t, 20) }

// TestSoakKillNine does so 300 times, in about ten minutes.
func TestSoakKillNine(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("make soak runs it")
	}
	killNine(t, 300)
}

func killNine(t *testing.T, rounds int) {
	rng := rand.New(rand.NewPCG(9, 9))
	s := newSite(t)
	acks := &acknowledged{tokens: map[string]string{}}
	s.start()
	before := s.ready()
	units := s.poll(2000)
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.load(ctx, round, acks); close(done) }()
		time.Sleep(time.Duration(50+rng.IntN(700)) * time.Millisecond) // The moment is the subject here.
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait() // It was killed: the error says so.
		cancel()
		<-done
		s.start()
		after := s.ready()
		if fmt.Sprint(before) != fmt.Sprint(after) {
			t.Fatalf("round %d: %+v became %+v", round, before, after)
		}
	}
	if after := s.poll(2000); !slices.Equal(units, after) {
		t.Errorf("units moved")
	}
	for key, token := range acks.tokens {
		r, err := s.outcome(t.Context(), token, key)
		if err != nil || r.Duplicates != 1 {
			t.Fatalf("outcome %s was acknowledged and is lost: %+v, %v", key, r, err)
		}
	}
	t.Logf("%d kills; %d acknowledged outcomes, all found; 2,000 units, none moved", rounds, len(acks.tokens))
	s.interrupt(5 * time.Second)
	replaySite(t, filepath.Join(s.dir, "d", "site", "record.db"))
}

func replaySite(t *testing.T, file string) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	n, err := engine.Replay(store.Journal(t.Context(), "site", 0))
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d journal entries replayed", n)
}

// heedInterrupts has the programs that a test starts obey Ctrl-C from their first
// moment on, also where the test program itself was started to ignore it, as what
// a shell runs in the background is: they would inherit that.
func heedInterrupts(t *testing.T) {
	t.Helper()
	if signal.Ignored(os.Interrupt) {
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
		t.Cleanup(func() { signal.Ignore(os.Interrupt) })
	}
}

// stopSlack is what a machine that is busy with other things is given. One that
// waits for its users' requests, which nobody ends, takes longer.
const stopSlack = 20 * time.Second

// interrupt sends Ctrl-C and wants the process gone in time.
func (s *site) interrupt(within time.Duration) {
	s.t.Helper()
	start := time.Now()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	timer := time.AfterFunc(within+stopSlack, func() { _ = s.cmd.Process.Signal(syscall.SIGQUIT) })
	defer timer.Stop()
	_ = s.cmd.Wait() // Exit code 130 or 0; what matters here is when and what is left.
	if took := time.Since(start); took > within+stopSlack {
		s.t.Errorf("it took %s to stop, want at most %s\n%s", took, within, s.out.String())
	}
}

// TestCtrlC interrupts a run under load at 50 random moments: it is gone within
// two seconds and leaves no socket, lock or temporary file that would keep the
// next one from starting.
func TestCtrlC(t *testing.T) {
	heedInterrupts(t)
	rng := rand.New(rand.NewPCG(3, 3))
	s := newSite(t)
	acks := &acknowledged{tokens: map[string]string{}}
	for round := range 50 {
		s.start()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.load(ctx, round, acks); close(done) }()
		time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond) // The moment is the subject here.
		s.interrupt(2 * time.Second)
		cancel()
		<-done
		entries, err := os.ReadDir(filepath.Join(s.dir, "d"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if n := e.Name(); n != "exposure.key" && n != "site" {
				t.Errorf("round %d left %s behind", round, n)
			}
		}
	}
	s.start()
	s.serves()
	s.poll(10)
	s.interrupt(2 * time.Second)
}
