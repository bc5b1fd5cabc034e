// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// badShadow is a candidate that gets copies only, and is bad at it.
type badShadow struct {
	t   *testing.T
	url string
	// mood is what it does with a copy: well, resets, floods, hangs, garbage.
	mood atomic.Value
	// usually is the model that answers when it is well.
	usually string
	// copies and others count what it was asked.
	copies, others atomic.Int64
}

func newBadShadow(t *testing.T) *badShadow {
	b := &badShadow{t: t}
	b.mood.Store("well")
	s := httptest.NewServer(b)
	t.Cleanup(func() {
		s.CloseClientConnections() // It may hang, or flood.
		s.Close()
	})
	b.url = s.URL
	return b
}

var (
	flood   = bytes.Repeat([]byte("more and more "), 4096)
	garbage = append([]byte(`{"predictions":[[[{"`), bytes.Repeat([]byte{0xff, 0, '"', '[', '{'}, 400)...)
)

// ServeHTTP implements http.Handler.
func (b *badShadow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Headgate-Shadow") == "true" {
		b.copies.Add(1)
	} else {
		b.others.Add(1)
	}
	mood := b.mood.Load()
	if mood == "well" && b.usually != "" {
		target, err := url.Parse(b.usually)
		if err != nil {
			b.t.Error(err)
			return
		}
		httputil.NewSingleHostReverseProxy(target).ServeHTTP(w, r)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	switch mood {
	case "hangs":
		<-r.Context().Done()
	case "floods":
		for {
			if _, err := w.Write(flood); err != nil {
				return
			}
		}
	case "resets":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			b.t.Error(err)
			return
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // With anything left out the peer gets a reset.
		}
		_ = conn.Close()
	default: // Garbage, with a face of its own.
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(garbage)
	}
}
