// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Address is what this server is called where a provider has a URL. Nothing
// listens there.
const Address = "http://embedded.invalid"

// job is the label that Prometheus would take from its configuration.
const job = "headgate"

// Options say what is scraped. Zero values mean the defaults named.
type Options struct {
	// Targets are the addresses of expositions: http://127.0.0.1:8000/metrics.
	Targets []string
	// Every is the time between two scrapes.
	Every time.Duration
	// Series and Samples bound what is kept (20,000 and 4,000,000, which take 64
	// MiB).
	Series, Samples int
}

// Server scrapes, and answers questions.
type Server struct {
	targets []*target
	every   time.Duration
	store   *store
	engine  *promql.Engine
	client  *http.Client

	mu sync.Mutex // of the targets' why
}

// New checks what is to be scraped.
func New(o Options) (*Server, error) {
	s := &Server{every: o.Every, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if o.Every <= 0 {
		return nil, experiment.Errorf(experiment.CodeInvalid, "scrape every %v", o.Every)
	}
	for _, address := range o.Targets {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "a target is no address of http or https").WithHint("for example http://127.0.0.1:8000/metrics")
		}
		s.targets = append(s.targets, &target{url: address, instance: u.Host})
	}
	if len(s.targets) == 0 {
		return nil, experiment.Errorf(experiment.CodeInvalid, "there is no target to scrape")
	}
	s.store = newStore(orElse(o.Series, 20_000), orElse(o.Samples, 4_000_000))
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: 5_000_000, Timeout: 10 * time.Second,
		LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.Every.Milliseconds() },
		Parser:                   parser.NewParser(parser.Options{}),
	})
	return s, nil
}

func orElse(v, otherwise int) int {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Run scrapes at once and then again and again, until ctx is done.
func (s *Server) Run(ctx context.Context) {
	t := time.NewTicker(s.every)
	defer t.Stop()
	for {
		s.scrapeAll(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Down says which targets could not be read last, and why.
func (s *Server) Down() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	down := make(map[string]string)
	for _, t := range s.targets {
		if t.why != "" {
			down[t.instance] = t.why
		}
	}
	return down
}

// RoundTrip answers /api/v1/query and /api/v1/query_range as Prometheus does.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	status, body := s.answer(req)
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(text)),
		Body: io.NopCloser(bytes.NewReader(text)), Request: req,
	}, nil
}

// answered is the envelope of Prometheus' answers.
type answered struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
	Data      *data  `json:"data,omitempty"`
	// Warnings are what the engine says beside a result.
	Warnings []string `json:"warnings,omitempty"`
}

type data struct {
	ResultType parser.ValueType `json:"resultType"`
	Result     parser.Value     `json:"result"`
}

func (s *Server) answer(req *http.Request) (int, answered) {
	refuse := func(status int, kind string, err error) (int, answered) {
		return status, answered{Status: "error", ErrorType: kind, Error: err.Error()}
	}
	query, err := s.query(req)
	if err != nil {
		return refuse(http.StatusBadRequest, "bad_data", err)
	}
	if query == nil {
		return http.StatusNotFound, answered{Status: "error", ErrorType: "not_found", Error: "no such question"}
	}
	defer query.Close()
	result := query.Exec(req.Context())
	if result.Err != nil {
		return refuse(http.StatusUnprocessableEntity, "execution", result.Err)
	}
	out := answered{Status: "success", Data: &data{result.Value.Type(), result.Value}}
	for _, w := range result.Warnings.AsErrors() {
		out.Warnings = append(out.Warnings, w.Error())
	}
	return http.StatusOK, out
}

// query reads a question; nil where there is no such one.
func (s *Server) query(req *http.Request) (promql.Query, error) {
	args := req.URL.Query()
	switch {
	case strings.HasSuffix(req.URL.Path, "/api/v1/query"):
		at, err := moment(args.Get("time"))
		if err != nil {
			return nil, err
		}
		return s.engine.NewInstantQuery(req.Context(), s.store, nil, args.Get("query"), at)
	case strings.HasSuffix(req.URL.Path, "/api/v1/query_range"):
		from, err := moment(args.Get("start"))
		if err != nil {
			return nil, err
		}
		to, err := moment(args.Get("end"))
		if err != nil {
			return nil, err
		}
		step, err := strconv.ParseFloat(args.Get("step"), 64)
		if err != nil {
			return nil, err
		}
		return s.engine.NewRangeQuery(req.Context(), s.store, nil, args.Get("query"), from, to, time.Duration(step*float64(time.Second)))
	}
	return nil, nil
}

// moment reads Unix seconds; now where there are none.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, err
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(part*1000))*int64(time.Millisecond)), nil
}
