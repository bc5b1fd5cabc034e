// SPDX-License-Identifier: Apache-2.0

// Package ledger asks headgate ledger what Headgate's own gateways have seen:
// sealed windows of requests, exposures, outcomes and pairs. The ledger is told
// of a plan before it is asked, and again if it has forgotten it.
//
// A ledger that is away, slow or says nonsense is a source that is down, never a
// zero; what it answers is bounded in bytes and time.
package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// defaultTimeout bounds a question and its answer: the ledger gives itself
	// 10 s for the same.
	defaultTimeout = 15 * time.Second
	// maxSeal and maxFailure bound answers, in bytes.
	maxSeal    = 64 << 20
	maxFailure = 64 << 10
)

// Options say where the ledger is; only URL is required.
type Options struct {
	// URL is the address of its API.
	URL string
	// TokenFile holds the bearer token that goes with each question, and is read
	// again for each.
	TokenFile string
	// Timeout bounds a question, 15 s by default.
	Timeout time.Duration
}

// Source is a ledger.
type Source struct {
	options Options
	client  *http.Client
}

// New makes a source. Nothing is asked yet.
func New(o Options) (*Source, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the ledger's address is not an http URL of host and path alone").
			WithHint("for example --ledger http://headgate-ledger:9093; its token goes into a file of its own")
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	return &Source{options: o, client: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Plan asks a ledger about one plan.
type Plan struct {
	source *Source
	plan   *experiment.Plan
}

// Open tells the ledger of a plan. CodeInvalid is that the ledger joins an
// experiment of this name otherwise, CodeUnavailable that it cannot be told now.
func (s *Source) Open(ctx context.Context, p *experiment.Plan) (*Plan, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "tell the ledger of %s: %w", p.ID(), err)
	}
	path := "/v1/plans/" + url.PathEscape(p.Namespace) + "/" + url.PathEscape(p.Name)
	err = s.ask(ctx, http.MethodPut, path, text, nil)
	if err != nil {
		return nil, fmt.Errorf("tell the ledger of %s: %w", p.ID(), noGap(err))
	}
	return &Plan{source: s, plan: p}, nil
}

// noGap makes of a conflict what is only wrong: of a source it would mean a gap.
func noGap(err error) error {
	if experiment.CodeOf(err) != experiment.CodeConflict {
		return err
	}
	return experiment.Errorf(experiment.CodeInvalid, "%w", err).WithHint("%s", experiment.HintOf(err))
}

// Seal is an engine.Reader. It asks nobody where no window can be sealed yet.
func (p *Plan) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	none := experiment.Seal{Source: w.Source, Epoch: w.Phase.Epoch, Phase: w.Phase.Phase, From: w.From, To: w.From}
	hold := p.plan.Hold(w.Source)
	if w.Source == experiment.SourceGateway {
		hold = p.plan.Lag // What a pack counts of the same windows may take longer, and is asked for elsewhere.
	}
	if experiment.SealedWindows(w.Phase.Start, now, p.plan.Window, hold) <= w.From {
		return none, nil
	}
	q := url.Values{
		"experiment": {p.plan.ID()}, "source": {string(w.Source)}, "start": {w.Phase.Start.Format(time.RFC3339Nano)},
		"epoch": {strconv.Itoa(w.Phase.Epoch)}, "phase": {strconv.Itoa(w.Phase.Phase)}, "from": {strconv.FormatInt(w.From, 10)},
	}
	path := "/v1/seals?" + q.Encode()
	seal := experiment.Seal{}
	err := p.source.ask(ctx, http.MethodGet, path, nil, &seal)
	if experiment.CodeOf(err) == experiment.CodeNotFound { // It was started anew without what it knew.
		if _, err = p.source.Open(ctx, p.plan); err == nil {
			err = p.source.ask(ctx, http.MethodGet, path, nil, &seal)
		}
	}
	switch {
	case err != nil:
		return none, fmt.Errorf("ask the ledger for %s: %w", w.Source, err)
	case seal.Source != w.Source || seal.Epoch != w.Phase.Epoch || seal.Phase != w.Phase.Phase || seal.From != w.From || seal.To < seal.From:
		return none, experiment.Errorf(experiment.CodeUnavailable, "ask the ledger for %s: it answers with other windows than were asked for", w.Source)
	}
	return seal, nil
}

// Follow tells the ledger which phase lasts, so that what it hears of events
// counts in it; for plans that hear of none it does nothing.
func (p *Plan) Follow(ctx context.Context, phase experiment.Phase) error {
	if !p.plan.Hears() {
		return nil
	}
	text, err := json.Marshal(phase)
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "tell the ledger of a phase: %w", err)
	}
	path := "/v1/phases/" + url.PathEscape(p.plan.Namespace) + "/" + url.PathEscape(p.plan.Name)
	err = p.source.ask(ctx, http.MethodPut, path, text, nil)
	if experiment.CodeOf(err) == experiment.CodeNotFound { // As in Seal.
		if _, err = p.source.Open(ctx, p.plan); err == nil {
			err = p.source.ask(ctx, http.MethodPut, path, text, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("tell the ledger of phase %d.%d: %w", phase.Epoch, phase.Phase, noGap(err))
	}
	return nil
}

// ask sends a question and reads the answer into a value, unless it is nil.
func (s *Source) ask(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.options.URL+path, bytes.NewReader(body))
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "%w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.options.TokenFile != "" {
		token, err := os.ReadFile(s.options.TokenFile)
		if err != nil {
			return experiment.Errorf(experiment.CodeUnavailable, "read the ledger's token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	res, err := s.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return experiment.Errorf(experiment.CodeUnavailable, "%w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		return refusal(res)
	}
	if into == nil {
		return nil
	}
	limited := &io.LimitedReader{R: res.Body, N: maxSeal}
	switch err := json.NewDecoder(limited).Decode(into); {
	case err != nil && limited.N <= 0:
		return experiment.Errorf(experiment.CodeUnavailable, "its answer has more than %d bytes", maxSeal)
	case err != nil:
		return experiment.Errorf(experiment.CodeUnavailable, "read its answer: %w", err)
	}
	return nil
}

// refusal is what the ledger says against it. Only its own codes are believed:
// what a proxy answers is that the ledger is away.
func refusal(res *http.Response) error {
	var body struct {
		Error struct {
			Code    experiment.Code `json:"code"`
			Message string          `json:"message"`
			Hint    string          `json:"hint"`
		} `json:"error"`
	}
	f := &body.Error
	if json.NewDecoder(io.LimitReader(res.Body, maxFailure)).Decode(&body) != nil || f.Message == "" {
		return experiment.Errorf(experiment.CodeUnavailable, "it answers %s", res.Status)
	}
	switch f.Code {
	case experiment.CodeNotFound, experiment.CodeConflict, experiment.CodeInvalid, experiment.CodeUnauthorized:
	default:
		f.Code = experiment.CodeUnavailable
	}
	return experiment.Errorf(f.Code, "%s", f.Message).WithHint("%s", f.Hint)
}
