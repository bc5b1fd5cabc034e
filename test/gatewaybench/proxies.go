// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Processors: the proxies have one for themselves.
const (
	loadCPU  = 0
	proxyCPU = 1
)

// The proxies.
const (
	nameNginx        = "nginx"
	nameHAProxy      = "HAProxy"
	nameCaddy        = "Caddy"
	nameReverseProxy = "httputil.ReverseProxy"
	nameBare         = "headgate-gateway, bare"
	nameHeadgate     = "headgate-gateway"
)

// proxy is a running proxy and what was measured of it.
type proxy struct {
	name, address string
	pid           int

	rounds []round
	paced  []time.Duration // p99 at a part of the peak, by repetition
	idle   int64           // resident memory with idle connections
}

const answer = 120 // bytes

const nginxHead = `daemon off; worker_processes 1; pid %[1]s/%[2]s.pid; error_log stderr crit;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_body_temp_path %[1]s/%[2]s-1; proxy_temp_path %[1]s/%[2]s-2; fastcgi_temp_path %[1]s/%[2]s-3;
  uwsgi_temp_path %[1]s/%[2]s-4; scgi_temp_path %[1]s/%[2]s-5;
`

func backendConfig(dir, label, address string) string {
	return fmt.Sprintf(nginxHead, dir, label) + fmt.Sprintf(`  server { listen %s; default_type application/json; return 200 "%s"; }
}
`, address, strings.Repeat("y", answer))
}

func nginxConfig(dir, label, address string, backends []string) string {
	return fmt.Sprintf(nginxHead, dir, label) + fmt.Sprintf(`  upstream models { server %s; keepalive 256; keepalive_requests 1000000000; }
  server { listen %s; location / { proxy_pass http://models; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
`, strings.Join(backends, "; server "), address)
}

func haproxyConfig(address string, backends []string) string {
	text := fmt.Sprintf(`global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 2s
  timeout client 300s
  timeout server 30s
frontend in
  bind %s
  default_backend models
backend models
  balance roundrobin
  http-reuse always
`, address)
	for i, b := range backends {
		text += fmt.Sprintf("  server m%d %s\n", i, b)
	}
	return text
}

func caddyConfig(address string, backends []string) string {
	_, port, _ := strings.Cut(address, ":")
	return fmt.Sprintf(`{
  admin off
  auto_https off
}
http://:%s {
  bind 127.0.0.1
  reverse_proxy %s {
    lb_policy round_robin
    transport http {
      keepalive_idle_conns_per_host 256
    }
  }
}
`, port, strings.Join(backends, " "))
}

// snapshot sends half of the units to each backend. Bare excludes everybody:
// the gateway then only passes requests on.
func snapshot(backends []string, bare bool) *experiment.Snapshot {
	r := experiment.Route{
		Experiment: "bench/models",
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
		Versions:   []experiment.Version{{Name: "v1", Backend: "http://" + backends[0]}, {Name: "v2", Backend: "http://" + backends[1]}},
		Epoch:      1,
		PhaseStart: time.Now(),
		Window:     10 * time.Second,
		Lag:        5 * time.Second,
		Slots:      experiment.SlotsOf(experiment.Shares{experiment.Whole / 2, experiment.Whole / 2}),
		Measures:   []experiment.Measure{{Metric: "slow", Limit: time.Millisecond}},
	}
	if bare {
		r.Segments = []experiment.Segment{{Name: "who", Header: "x-nobody", Values: []string{"nobody"}}}
		r.Where = experiment.Where{{Segment: "who", In: []string{"nobody"}}}
	}
	return &experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}}
}

// startBackends starts two equal backends.
func (h *house) startBackends(ctx context.Context) ([]string, error) {
	var addresses []string
	for i := range 2 {
		address, err := freePort()
		if err != nil {
			return nil, err
		}
		label := fmt.Sprintf("backend%d", i)
		config, err := h.write(label+".conf", backendConfig(h.dir, label, address))
		if err != nil {
			return nil, err
		}
		if _, err := h.start(ctx, loadCPU, label, address, "nginx", "-p", h.dir, "-c", config); err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// programs are the binaries that are built for this.
type programs struct{ gateway, reverseproxy string }

// startProxies starts all proxies in front of the backends, in the order in
// which they are measured: the gateway between those it is compared with.
func (h *house) startProxies(ctx context.Context, p programs, backends []string) ([]*proxy, error) {
	var urls []string
	for _, b := range backends {
		urls = append(urls, "http://"+b)
	}
	var all []*proxy
	for _, x := range []struct {
		name    string
		prepare func(label, address string) ([]string, error)
	}{
		{nameNginx, func(label, address string) ([]string, error) {
			config, err := h.write(label+".conf", nginxConfig(h.dir, label, address, backends))
			return []string{"nginx", "-p", h.dir, "-c", config}, err
		}},
		{nameReverseProxy, func(_, address string) ([]string, error) {
			return append([]string{p.reverseproxy, address}, urls...), nil
		}},
		{nameCaddy, func(label, address string) ([]string, error) {
			config, err := h.write(label+".caddyfile", caddyConfig(address, backends))
			return []string{"caddy", "run", "--config", config, "--adapter", "caddyfile"}, err
		}},
		{nameHeadgate, h.gateway(p, backends, false)},
		{nameHAProxy, func(label, address string) ([]string, error) {
			config, err := h.write(label+".cfg", haproxyConfig(address, backends))
			return []string{"haproxy", "-db", "-f", config}, err
		}},
		{nameBare, h.gateway(p, backends, true)},
	} {
		address, err := freePort()
		if err != nil {
			return nil, err
		}
		label := strings.Map(letters, x.name)
		args, err := x.prepare(label, address)
		if err != nil {
			return nil, err
		}
		pid, err := h.start(ctx, proxyCPU, label, address, args[0], args[1:]...)
		if err != nil {
			return nil, err
		}
		made := &proxy{name: x.name, address: address, pid: pid}
		if err := made.check(ctx); err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	return all, nil
}

// letters keeps what can stand in a file's name.
func letters(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		return c
	}
	return -1
}

// gateway prepares headgate-gateway.
func (h *house) gateway(p programs, backends []string, bare bool) func(label, address string) ([]string, error) {
	return func(label, address string) ([]string, error) {
		text, err := json.Marshal(snapshot(backends, bare))
		if err != nil {
			return nil, err
		}
		file, err := h.write(label+".json", string(text))
		args := []string{p.gateway, "--listen", address, "--admin", "127.0.0.1:0", "--snapshot", file, "--data", filepath.Join(h.dir, label)}
		if !bare {
			args = append(args, "--exposures", filepath.Join(h.dir, "exposures.jsonl"))
		}
		return args, err
	}
}

func (h *house) write(name, text string) (string, error) {
	path := filepath.Join(h.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// check asks once: a proxy that does not pass the backends' answer on is not
// measured.
func (p *proxy) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+"/v1/models/m:predict", strings.NewReader("x"))
	if err != nil {
		return err
	}
	req.Header.Set("X-User-Id", "user-1")
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || len(body) != answer {
		return fmt.Errorf("%s answers %s with %d bytes: want 200 with %d (%w)", p.name, res.Status, len(body), answer, err)
	}
	if exposed := res.Header.Get("X-Headgate-Exposure") != ""; exposed != (p.name == nameHeadgate) {
		return fmt.Errorf("%s: exposure token is there: %t", p.name, exposed)
	}
	return nil
}
