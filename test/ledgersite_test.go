// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/test/servers"
)

const keptPlan = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker, namespace: shop}
spec:
  versions: [{name: v1, backend: %q}, {name: v2, backend: %q}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: purchase, from: {outcomes: {event: purchase, window: 4s}}}
  - {name: same, from: {pairs: {compare: class}}}
  reward: {metric: purchase, minimumEffect: {relative: 5%%}}
  stages:
  - {name: shadow, mirror: {share: 100%%, rate: 5000, concurrency: 64, timeout: 1s}, until: {pairs: 1000000, atMost: 1d}, require: [{metric: same, min: 1%%}]}
  - {name: ab, split: {v1: 50%%, v2: 50%%}, until: {atMost: 1d}}
  evidence: {window: 1s, lag: 1s, stale: 5s}
`

// kept is two gateways, the ledger that keeps what they see, and two models.
type kept struct {
	t             *testing.T
	dir, database string
	plan          *experiment.Plan
	start         time.Time
	key           *experiment.Key
	gateways      []*keptGateway
	client        *http.Client

	headgate, api string
	ledger        *process
	kills         int

	mu   sync.Mutex
	told map[string]told
	// refused are requests, unanswered tellings that had no answer.
	refused, unanswered atomic.Int64
}

// newKept builds and starts everything; without a database it is SQLite.
func newKept(t *testing.T, database string) *kept {
	t.Helper()
	k := &kept{t: t, dir: t.TempDir(), database: database, headgate: build(t), api: servers.FreeAddr(t), told: map[string]told{}}
	k.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	gateway := filepath.Join(k.dir, "headgate-gateway")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", gateway, "./cmd/headgate-gateway")
	cmd.Dir = ".." // The program belongs to the product's module.
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	k.declare()
	secret := make([]byte, experiment.KeySize)
	_, _ = rand.Read(secret) // Never fails.
	var err error
	if k.key, err = experiment.NewKey(secret); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ledger", "g1", "g2"} {
		k.write(filepath.Join(name, "exposure.key"), secret)
	}
	for i := range 2 {
		g := &keptGateway{kept: k, number: i, binary: gateway, given: map[string]map[uint64]*experiment.Batch{}, died: map[string]uint64{}}
		g.proxy = httptest.NewServer(g.forward())
		t.Cleanup(g.proxy.Close)
		g.start()
		k.gateways = append(k.gateways, g)
	}
	k.startLedger()
	return k
}

// declare writes the experiment, and the snapshot that both gateways serve: its
// mirror, with users on both versions.
func (k *kept) declare() {
	k.t.Helper()
	var urls []any
	for _, class := range []string{"cat", "dog"} {
		m := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"predictions":[%q]}`, class)
		}))
		k.t.Cleanup(m.Close)
		urls = append(urls, m.URL)
	}
	text := fmt.Appendf(nil, keptPlan, urls...)
	k.write("experiment.yaml", text)
	var err error
	if k.plan, err = translate.Plan(text); err != nil {
		k.t.Fatal(err)
	}
	k.start = time.Now().UTC().Truncate(time.Millisecond)
	route := experiment.RouteOf(k.plan, &experiment.State{
		Condition: experiment.Running, Epoch: 1, Phase: 1, PhaseStart: k.start,
		Slots: experiment.SlotsOf(experiment.Shares{experiment.Whole / 2, experiment.Whole / 2}),
	})
	snapshot, err := json.Marshal(experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{route}})
	if err != nil {
		k.t.Fatal(err)
	}
	k.write("snapshot.json", snapshot)
}

func (k *kept) write(name string, text []byte) {
	k.t.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// process is a program that runs, and what it has said.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu    sync.Mutex
	said  []string
	lines chan string // dropped when nobody reads
}

// run starts a program that logs to stderr.
func (k *kept) run(binary string, args ...string) *process {
	k.t.Helper()
	p := &process{cmd: exec.Command(binary, args...), ended: make(chan struct{}), lines: make(chan string, 100)}
	p.cmd.Dir = k.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			p.mu.Lock()
			p.said = append(p.said, lines.Text())
			p.mu.Unlock()
			select {
			case p.lines <- lines.Text():
			default:
			}
		}
	}()
	k.t.Cleanup(p.kill)
	return p
}

// kill ends it as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It may have ended.
	<-p.ended
	_ = p.cmd.Wait()
}

func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.said, "\n")
}

// keptGateway is a gateway that is killed and started anew, each time at another
// address and under another name; its proxy, by which the ledger reaches it,
// notes what it gives.
type keptGateway struct {
	*kept
	number int
	binary string
	proxy  *httptest.Server
	*process
	traffic, admin atomic.Value

	mu sync.Mutex
	// given are the batches that it gave, by its name and their number; died is
	// the last that the ledger has, of those that are dead.
	given map[string]map[uint64]*experiment.Batch
	died  map[string]uint64
	again int
}

func (g *keptGateway) start() {
	g.t.Helper()
	g.process = g.run(g.binary, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", fmt.Sprintf("g%d", g.number+1), "--snapshot", "snapshot.json")
	timeout := time.After(time.Minute)
	for {
		select {
		case line := <-g.lines:
			if m := servingLine.FindStringSubmatch(line); m != nil {
				g.traffic.Store(m[1])
				g.admin.Store(m[2])
				return
			}
		case <-timeout:
			g.t.Fatalf("gateway %d does not serve:\n%s", g.number+1, g.process)
		}
	}
}

// kill kills it, waits until the ledger has noticed, and starts it anew.
func (g *keptGateway) kill() {
	g.t.Helper()
	g.kills++
	before := g.healthy(g.number)
	taken := g.metrics().sum("headgate_gateway_spool_taken_total")
	g.process.kill()
	last := g.state(g.number, func(s pullState) bool { return s.Failing != "" })
	if last.Gateway != before.Gateway {
		g.t.Fatalf("%+v became %+v without a restart", before, last)
	}
	g.mu.Lock()
	g.died[last.Gateway] = last.Sequence
	var rows float64
	for n, b := range g.given[last.Gateway] {
		if n <= last.Sequence {
			rows += float64(rowsOf(b))
		}
	}
	g.mu.Unlock()
	if taken > rows {
		g.t.Errorf("%s says that %v rows were taken over, the ledger has %v", last.Gateway, taken, rows)
	}
	g.start()
	g.state(g.number, func(s pullState) bool { return s.Failing == "" && s.Gateway != last.Gateway })
}

func rowsOf(b *experiment.Batch) int { return len(b.Exposures) + len(b.Pairs) + len(b.Predictions) }

// ask sends a unit's request, and gives its token.
func (g *keptGateway) ask(ctx context.Context, unit string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s/v1/models/m:predict", g.traffic.Load()), strings.NewReader(`{"instances":[1]}`))
	if err != nil {
		return "", err
	}
	req.Header.Set("X-User-Id", unit)
	res, err := g.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	token := res.Header.Get("X-Headgate-Exposure")
	if err == nil && token == "" {
		err = fmt.Errorf("answered %s without a token", res.Status)
	}
	return token, err
}

func (g *keptGateway) metrics() series {
	g.t.Helper()
	return scrape(g.t, g.client, fmt.Sprint(g.admin.Load()))
}

// forward is a proxy to wherever the gateway is now.
func (g *keptGateway) forward() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: fmt.Sprint(g.admin.Load())})
		},
		ModifyResponse: g.note,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// note reads a batch on its way. Given again, it must be the same.
func (g *keptGateway) note(res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // It was read.
	if err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	var b experiment.Batch
	if err := json.NewDecoder(z).Decode(&b); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	batches := g.given[b.Gateway]
	if batches == nil {
		batches = map[uint64]*experiment.Batch{}
		g.given[b.Gateway] = batches
	}
	before := batches[b.Sequence]
	if before == nil {
		batches[b.Sequence] = &b
		return nil
	}
	g.again++
	was, err1 := json.Marshal(before)
	is, err2 := json.Marshal(&b)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(was, is) {
		g.t.Errorf("batch %d of %s is another when it is given again: %v", b.Sequence, b.Gateway, err)
	}
	return nil
}
