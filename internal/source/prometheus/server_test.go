// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// scrape is how often the real server scrapes here.
const scrape = 500 * time.Millisecond

// server is a real Prometheus that scrapes the pods of a cluster.
type server struct {
	t    *testing.T
	bin  string
	dir  string
	addr string
	cmd  *exec.Cmd
}

// binary finds Prometheus, or skips the test.
func binary(t *testing.T) string {
	t.Helper()
	if os.Getenv("HEADGATE_E2E") == "" {
		t.Skip("needs HEADGATE_E2E=1 and a Prometheus")
	}
	if bin := os.Getenv("HEADGATE_PROMETHEUS"); bin != "" {
		return bin
	}
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus on the path; Debian's package of that name is enough, or name one by HEADGATE_PROMETHEUS")
	}
	return bin
}

// startServer starts a Prometheus with the targets of a file, and waits until it
// answers.
func startServer(t *testing.T, targets string) *server {
	t.Helper()
	s := &server{t: t, bin: binary(t), dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	_ = l.Close()
	config := fmt.Sprintf("global: {scrape_interval: %v, scrape_timeout: %v}\nscrape_configs:\n- job_name: pods\n  honor_labels: true\n  file_sd_configs: [{files: [%q]}]\n", scrape, scrape, targets)
	if err := os.WriteFile(filepath.Join(s.dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) url() string { return "http://" + s.addr }

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.bin, "--config.file="+filepath.Join(s.dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(s.dir, "data"),
		"--web.listen-address="+s.addr, "--log.level=error")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, 30*time.Second, "Prometheus answers", func() bool {
		resp, err := http.Get(s.url() + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// kill ends the server as a crash does.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// eventually waits until something real has happened.
func eventually(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// pod serves requests and counts them, as a sidecar does.
type pod struct {
	name, version string

	mu     sync.Mutex
	codes  map[string]int64
	slow   int64
	total  int64
	sum    float64
	paused bool
	broken bool // answers no scrape
	scrape int64
}

// handle counts a request, unless the pod takes none.
func (p *pod) handle(code string, seconds float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		return false
	}
	p.codes[code]++
	p.total++
	p.sum += seconds
	if seconds > .25 {
		p.slow++
	}
	return true
}

func (p *pod) set(change func(*pod)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *pod) scrapes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.scrape
}

// metrics writes what the pod counted.
func (p *pod) metrics() (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return "", false
	}
	p.scrape++
	var b strings.Builder
	for code, n := range p.codes {
		fmt.Fprintf(&b, "requests_total{version=%q,pod=%q,code=%q} %d\n", p.version, p.name, code, n)
	}
	for le, n := range map[string]int64{"0.25": p.total - p.slow, "1": p.total, "+Inf": p.total} {
		fmt.Fprintf(&b, "seconds_bucket{version=%q,pod=%q,le=%q} %d\n", p.version, p.name, le, n)
	}
	fmt.Fprintf(&b, "seconds_sum{version=%q,pod=%q} %g\nseconds_count{version=%q,pod=%q} %d\n", p.version, p.name, p.sum, p.version, p.name, p.total)
	return b.String(), true
}

// cluster is a set of pods that a Prometheus finds in a file.
type cluster struct {
	t    *testing.T
	file string
	web  *httptest.Server

	mu   sync.Mutex
	pods map[string]*pod
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, file: filepath.Join(t.TempDir(), "targets.json"), pods: make(map[string]*pod)}
	c.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c.mu.Lock()
		p := c.pods[strings.TrimPrefix(req.URL.Path, "/")]
		c.mu.Unlock()
		if p == nil {
			http.NotFound(w, req)
			return
		}
		text, ok := p.metrics()
		if !ok {
			http.Error(w, "broken", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(c.web.Close)
	c.publish()
	return c
}

// join adds a pod; it is known to the server a moment later.
func (c *cluster) join(version, name string) *pod {
	p := &pod{name: name, version: version, codes: make(map[string]int64)}
	c.mu.Lock()
	c.pods[name] = p
	c.mu.Unlock()
	c.publish()
	return p
}

// leave takes a pod away whose requests have ended and have been scraped.
func (c *cluster) leave(p *pod) {
	c.mu.Lock()
	delete(c.pods, p.name)
	c.mu.Unlock()
	c.publish()
}

func (c *cluster) publish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var groups []string
	for name := range c.pods {
		groups = append(groups, fmt.Sprintf(`{"targets":[%q],"labels":{"__metrics_path__":"/%s","instance":%q}}`, c.web.Listener.Addr(), name, name))
	}
	tmp := c.file + ".new"
	if err := os.WriteFile(tmp, []byte("["+strings.Join(groups, ",")+"]"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(tmp, c.file); err != nil {
		c.t.Fatal(err)
	}
}

// settled waits until a pod that takes no requests has been scraped.
func settled(t *testing.T, pods ...*pod) {
	t.Helper()
	for _, p := range pods {
		before := p.scrapes()
		eventually(t, 20*time.Second, "pod "+p.name+" is scraped", func() bool { return p.scrapes() >= before+3 })
	}
}
