// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// What a request may take.
const (
	maxBody = 1 << 20
	within  = 10 * time.Second
)

// server puts a model behind the protocol of KServe v1.
type server struct {
	address string
	model   *model
	// takes is how long an answer takes at least.
	takes time.Duration
	// users and shadows count the predictions that somebody got, and those that
	// were asked for by a copy.
	users, shadows atomic.Int64
}

// handler serves predictions, whether the model is ready, and how many asked.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/models/tickets:predict", s.predict)
	mux.HandleFunc("GET /v1/models/tickets", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{"name": "tickets", "ready": true})
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "tickets_predictions_total{model=%q,from=\"users\"} %d\ntickets_predictions_total{model=%[1]q,from=\"shadow\"} %[3]d\n",
			s.model.name, s.users.Load(), s.shadows.Load())
	})
	return mux
}

func (s *server) predict(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	var body struct {
		Instances []ticket `json:"instances"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		write(w, http.StatusBadRequest, map[string]any{"error": fmt.Sprintf("the body is no list of tickets: %v", err)})
		return
	}
	predictions := make([]string, len(body.Instances))
	for i := range body.Instances {
		predictions[i] = s.model.predict(&body.Instances[i])
	}
	if r.Header.Get("X-Headgate-Shadow") == "true" {
		// A copy: a real service would put no ticket into a queue here.
		s.shadows.Add(int64(len(predictions)))
	} else {
		s.users.Add(int64(len(predictions)))
	}
	select {
	case <-r.Context().Done():
	case <-time.After(s.takes - time.Since(start)):
		write(w, http.StatusOK, map[string]any{"predictions": predictions})
	}
}

// write answers. An error is the client's, who has gone.
func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}
