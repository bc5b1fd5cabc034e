// SPDX-License-Identifier: Apache-2.0

// Command reverseproxy is the standard library's reverse proxy and nothing
// else: what a Go program gets for free, to compare the gateway with.
package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reverseproxy:", err)
		os.Exit(1)
	}
}

// run proxies from an address to backends in turn.
func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("it needs an address and at least one backend")
	}
	var targets []*url.URL
	for _, backend := range args[1:] {
		target, err := url.Parse(backend)
		if err != nil {
			return err
		}
		targets = append(targets, target)
	}
	var turn atomic.Uint64
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(targets[turn.Add(1)%uint64(len(targets))])
		},
	}
	s := &http.Server{Addr: args[0], Handler: proxy, ReadHeaderTimeout: 5 * time.Second}
	return s.ListenAndServe()
}
