// SPDX-License-Identifier: Apache-2.0

package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// outcomesPath is where a Headgate takes outcomes.
	outcomesPath = "/v1/outcomes"
	// outcomesTimeout bounds one call. Headgate itself answers within ten seconds.
	outcomesTimeout = 30 * time.Second
	// firstWait is how long a batch waits for its second try, about; each further
	// wait is twice as long, up to longestWait. longestAfter bounds what a
	// Retry-After can ask for.
	firstWait    = 250 * time.Millisecond
	longestWait  = 10 * time.Second
	longestAfter = 30 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
)

// OutcomesOptions say where outcomes go.
type OutcomesOptions struct {
	// URL is the API's address, such as http://127.0.0.1:9090.
	URL string
	// Experiment may be empty where one experiment takes outcomes.
	Experiment string
	// Token is the bearer token that the API asks for, if it does.
	Token string
	// Patience is for how long one batch is tried; 0 tries once.
	Patience time.Duration
	// Retrying hears why a batch is sent again, and after which wait; nil is
	// nobody.
	Retrying func(err error, wait time.Duration)
}

// Outcomes sends outcomes to the API of a Headgate that may be elsewhere. It is
// for one goroutine. It follows no redirect and uses no proxy, because a token
// goes with each call.
type Outcomes struct {
	OutcomesOptions
	at   string
	http *http.Client
}

// NewOutcomes checks the options.
func NewOutcomes(o OutcomesOptions) (*Outcomes, error) {
	at, err := outcomesURL(o.URL)
	if err != nil {
		return nil, err
	}
	return &Outcomes{OutcomesOptions: o, at: at, http: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, TLSHandshakeTimeout: longestWait},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func outcomesURL(s string) (string, error) {
	const hint = "write it like http://127.0.0.1:9090, the address that headgate run prints"
	u, err := url.Parse(s)
	switch {
	case s == "":
		return "", experiment.Errorf(experiment.CodeInvalid, "--to: the address of the API is missing").WithHint(hint)
	case err != nil:
		return "", experiment.Errorf(experiment.CodeInvalid, "--to: the address cannot be read").WithHint(hint)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", experiment.Errorf(experiment.CodeInvalid, "--to: the address does not begin with http:// or https:// and a host").WithHint(hint)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", experiment.Errorf(experiment.CodeInvalid, "--to: the address has a user, a query or a fragment").WithHint("a token goes into a file: --token-file")
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), outcomesPath) + outcomesPath
	u.RawPath = ""
	return u.String(), nil
}

// Close drops the connection.
func (c *Outcomes) Close() { c.http.CloseIdleConnections() }

// Post sends a batch until it is acknowledged, refused or out of patience. Trying
// again counts nothing twice if the outcomes have keys. An error is CodeInvalid,
// with a FieldError where one outcome is to blame, if the API refuses the batch,
// and CodeUnavailable if it does not answer.
func (c *Outcomes) Post(ctx context.Context, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	body, err := c.encode(outcomes)
	if err != nil {
		return experiment.Receipt{}, err
	}
	for try, began := 1, time.Now(); ; try++ {
		a := c.once(ctx, body, len(outcomes))
		switch {
		case a.err == nil:
			return a.receipt, nil
		case ctx.Err() != nil:
			return a.receipt, ctx.Err()
		case !a.again:
			return a.receipt, a.err
		}
		wait := waitFor(try, a.after)
		if spent := time.Since(began); spent+wait > c.Patience {
			return a.receipt, gaveUp(a.err, try, spent)
		}
		if c.Retrying != nil {
			c.Retrying(a.err, wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return a.receipt, ctx.Err()
		case <-timer.C:
		}
	}
}

// waitFor is how long to wait after a try, at least as long as the server asks.
func waitFor(try int, after time.Duration) time.Duration {
	wait := longestWait
	if try < 8 {
		wait = min(firstWait<<(try-1), longestWait)
	}
	// A part is drawn, so that senders that failed together part ways.
	wait = wait/2 + rand.N(wait/2)
	return max(wait, min(after, longestAfter))
}

func gaveUp(err error, tries int, spent time.Duration) error {
	e := experiment.Errorf(experiment.CodeOf(err), "%w (tried %d times in %s)", err, tries, spent.Round(time.Second))
	if tries == 1 {
		e = experiment.Errorf(experiment.CodeOf(err), "%w", err)
	}
	hint := experiment.HintOf(err)
	if hint == "" {
		hint = "run the command again later; what was stored counts once"
	}
	return e.WithHint("%s", hint)
}

type wireOutcome struct {
	Token   string     `json:"token,omitempty"`
	Unit    string     `json:"unit,omitempty"`
	Request string     `json:"request,omitempty"`
	Event   string     `json:"event"`
	Value   float64    `json:"value"`
	Label   string     `json:"label,omitempty"`
	Key     string     `json:"key,omitempty"`
	Time    *time.Time `json:"time,omitempty"`
}

func (c *Outcomes) encode(outcomes []experiment.UnitOutcome) ([]byte, error) {
	batch := struct {
		Experiment string        `json:"experiment,omitempty"`
		Outcomes   []wireOutcome `json:"outcomes"`
	}{c.Experiment, make([]wireOutcome, len(outcomes))}
	for i, o := range outcomes {
		w := wireOutcome{Token: o.Token, Unit: o.Unit, Request: o.Request, Event: o.Event, Value: o.Value, Label: o.Label, Key: o.Key}
		if !o.At.IsZero() {
			w.Time = &o.At
		}
		batch.Outcomes[i] = w
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "write the outcomes as JSON: %w", err)
	}
	return body, nil
}

// attempt is what came of one call.
type attempt struct {
	receipt experiment.Receipt
	err     error
	// again says that another try may help, after at least that long.
	again bool
	after time.Duration
}

func (c *Outcomes) once(ctx context.Context, body []byte, n int) attempt {
	ctx, cancel := context.WithTimeout(ctx, outcomesTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.at, bytes.NewReader(body))
	if err != nil {
		return attempt{err: experiment.Errorf(experiment.CodeInternal, "make the request: %w", err)}
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return attempt{err: c.unanswered(err), again: true}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return attempt{err: c.unanswered(err), again: true}
	}
	if res.StatusCode != http.StatusAccepted {
		again := res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout
		return attempt{err: c.refusal(res, text), again: again, after: retryAfter(res.Header.Get("Retry-After"))}
	}
	a := attempt{}
	if err := json.Unmarshal(text, &a.receipt); err != nil {
		a.err = experiment.Errorf(experiment.CodeUnavailable, "the answer of %s is no receipt", c.at).WithHint("is --to the address of a Headgate?")
		return a
	}
	if sum := a.receipt.Accepted + a.receipt.Duplicates + a.receipt.Late + a.receipt.Unmatched; sum != n {
		a.err = experiment.Errorf(experiment.CodeUnavailable, "the receipt of %s is for %d outcomes, and %d were sent", c.at, sum, n)
	}
	return a
}

// unanswered says what is the matter with a call that has no answer.
func (c *Outcomes) unanswered(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // What it adds is said here.
	}
	var dns *net.DNSError
	e := experiment.Errorf(experiment.CodeUnavailable, "send outcomes to %s: %w", c.at, err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return experiment.Errorf(experiment.CodeUnavailable, "send outcomes to %s: no answer within %s", c.at, outcomesTimeout)
	case errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &dns):
		return e.WithHint("does Headgate run there? headgate run prints the address")
	}
	return e
}

// refusal reads an answer that is no receipt.
func (c *Outcomes) refusal(res *http.Response, text []byte) error {
	var answer struct {
		Error struct {
			Code                experiment.Code
			Message, Path, Hint string
		}
	}
	f := &answer.Error
	if err := json.Unmarshal(text, &answer); err != nil || f.Message == "" || f.Code == "" {
		return experiment.Errorf(experiment.CodeUnavailable, "%s answered %s", c.at, res.Status).WithHint("is --to the address of a Headgate?")
	}
	e := experiment.Errorf(f.Code, "%s", f.Message)
	if f.Path != "" {
		problem := strings.TrimPrefix(f.Message, f.Path+": ")
		e = experiment.Errorf(f.Code, "%w", &experiment.FieldError{Path: f.Path, Problem: problem})
	}
	if f.Hint == "" {
		return e
	}
	return e.WithHint("%s", f.Hint)
}

// retryAfter reads the header in either of its forms.
func retryAfter(s string) time.Duration {
	if s == "" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(max(0, min(n, int(longestAfter/time.Second)))) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
