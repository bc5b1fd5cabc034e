// SPDX-License-Identifier: Apache-2.0

// Package badshadow is a model server that gets copies of requests, and is bad
// at it: it hangs, floods, resets or answers garbage. Tests show with it that no
// shadow reaches a user (D11).
package badshadow

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// Moods are the ways to be bad.
func Moods() []string { return []string{"hangs", "floods", "resets", "garbage"} }

// Handler is a bad model server.
type Handler struct {
	// Mood is one of Moods; Well is asked in any other.
	Mood atomic.Value
	Well http.Handler
	// Copies count requests that are marked as copies, Others the rest.
	Copies, Others atomic.Int64
}

var (
	flood   = bytes.Repeat([]byte("more and more "), 4096)
	garbage = append([]byte(`{"predictions":[[[{"`), bytes.Repeat([]byte{0xff, 0, '"', '[', '{'}, 400)...)
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Headgate-Shadow") == "true" {
		h.Copies.Add(1)
	} else {
		h.Others.Add(1)
	}
	mood := h.Mood.Load()
	if mood == "well" {
		h.Well.ServeHTTP(w, r)
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
			http.Error(w, err.Error(), http.StatusInternalServerError)
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
