// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Defaults and bounds of Options.
const (
	DefaultN             = 100
	DefaultTimeout       = 30 * time.Second
	DefaultUnitHeader    = "X-User-Id"
	DefaultVersionHeader = "X-Headgate-Version"

	defaultFast  = 16  // concurrency without a rate
	defaultPaced = 256 // concurrency with one

	maxN           = 1_000_000_000
	maxRate        = 1_000_000
	maxConcurrency = 10_000
	maxUnits       = 1_000_000
	maxTimeout     = 10 * time.Minute
	maxDelay       = time.Hour
)

// Options say what to send where. Only URL is needed. Errors name a field as
// the command line's flag.
type Options struct {
	// URL is the target; without a scheme it is plain HTTP.
	URL string
	// Method is GET by default, POST where there is a body.
	Method string
	// Header goes with every request. Host sets the request's host. Its
	// UnitHeader, if any, takes the place of units.
	Header http.Header
	// Bodies are sent one per request, in turn or, with Draw, at random. They
	// are not changed.
	Bodies [][]byte
	Draw   bool

	// Rate is the mean number of requests that leave per second, as a Poisson
	// process. 0 is as fast as Concurrency allows, which is a closed loop.
	Rate float64
	// N is how many requests are offered, Duration for how long; the first
	// bound that is met ends the run. Without either, N is DefaultN.
	N        int64
	Duration time.Duration
	// Concurrency caps the requests under way: 256 by default, without a rate
	// 16.
	Concurrency int
	// Timeout bounds one request, from its sending to its last byte.
	Timeout time.Duration

	// Units is the number of distinct units, unit-0, unit-1 …, that requests
	// are drawn from uniformly; 0 sends none. UnitHeader carries them.
	Units      int
	UnitHeader string
	// Seed fixes units, bodies, outcomes and the intended times of sending.
	Seed uint64

	// Outcome is posted for answers, if it is not nil.
	Outcome *Outcome

	// VersionHeader is the answer's header that names the version. If it is
	// empty, it is DefaultVersionHeader, and answers without it that are one
	// short string are counted by that string. VersionJSON, a gjson path into
	// the body, goes before it.
	VersionHeader string
	VersionJSON   string

	// dial connects instead of the network, in tests.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// textToo says that a short answer may name its version.
	textToo bool
	target  *url.URL
}

// Outcome says which outcomes follow answers. An answer has one if its status
// is 2xx, a share Every of times, Delay after it came. It is posted under the
// answer's exposure token.
type Outcome struct {
	Event string
	Value float64
	// Every is a share from above 0 to 1.
	Every float64
	Delay time.Duration
	// URL is the outcomes API; without a path it is /v1/outcomes there.
	URL string
	// Experiment is needed where the API serves several.
	Experiment string
	// Token is the bearer token that the API asks for, if it does.
	Token string
}

// complete fills in defaults and reports every field that is wrong.
func (o *Options) complete() error {
	return errors.Join(o.completeRequest(), o.completePace(), o.completeUnits(), o.completeOutcome())
}

func (o *Options) completeRequest() error {
	var problems []error
	var err error
	if o.target, err = parseURL("URL", o.URL); err != nil {
		problems = append(problems, err)
	}
	h := make(http.Header, len(o.Header)+2)
	for name, values := range o.Header {
		for _, v := range values {
			if err := checkHeader("--header", name, v); err != nil {
				problems = append(problems, err)
			}
			h.Add(name, v)
		}
	}
	if len(h.Values("User-Agent")) == 0 {
		h.Set("User-Agent", "headgate-load")
	}
	if len(o.Bodies) > 0 && len(h.Values("Content-Type")) == 0 {
		// As curl says of data, but for the bodies that models take.
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		if json.Valid(o.Bodies[0]) {
			h.Set("Content-Type", "application/json")
		}
	}
	o.Header = h
	switch {
	case o.Method == "" && len(o.Bodies) > 0:
		o.Method = http.MethodPost
	case o.Method == "":
		o.Method = http.MethodGet
	case !isToken(o.Method) || o.Method == http.MethodConnect:
		problems = append(problems, invalid("--method", "want a method such as GET or POST", "%q cannot be sent", clipText(o.Method)))
	}
	return errors.Join(problems...)
}

func (o *Options) completePace() error {
	if o.N == 0 && o.Duration == 0 {
		o.N = DefaultN
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultFast
		if o.Rate > 0 {
			o.Concurrency = defaultPaced
		}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	var problems []error
	if !(o.Rate >= 0 && o.Rate <= maxRate) { // NaN is refused, too.
		problems = append(problems, invalid("--rate", "0 is as fast as --concurrency allows", "%g is not from 0 to %d requests per second", o.Rate, maxRate))
	}
	if o.N < 0 || o.N > maxN {
		problems = append(problems, invalid("--requests", "leave it out and set --duration to send for a time", "%d is not from 1 to %d", o.N, maxN))
	}
	if o.Duration < 0 {
		problems = append(problems, invalid("--duration", "want a time such as 30s", "%s is negative", o.Duration))
	}
	if o.Concurrency < 1 || o.Concurrency > maxConcurrency {
		problems = append(problems, invalid("--concurrency", "leave it out for the default", "%d is not from 1 to %d", o.Concurrency, maxConcurrency))
	}
	if o.Timeout < 0 || o.Timeout > maxTimeout {
		problems = append(problems, invalid("--timeout", "want a time such as 5s", "%s is not above 0 and at most %s", o.Timeout, maxTimeout))
	}
	return errors.Join(problems...)
}

func (o *Options) completeUnits() error {
	var problems []error
	if o.Units < 0 || o.Units > maxUnits {
		problems = append(problems, invalid("--units", "0 sends no unit", "%d is not from 0 to %d", o.Units, maxUnits))
	}
	if o.UnitHeader == "" {
		o.UnitHeader = DefaultUnitHeader
	}
	if err := checkHeader("--unit-header", o.UnitHeader, ""); err != nil {
		problems = append(problems, err)
	}
	if len(o.Header.Values(o.UnitHeader)) > 0 {
		o.Units = 0
	}
	if o.VersionHeader == "" {
		o.VersionHeader = DefaultVersionHeader
		o.textToo = o.VersionJSON == ""
	}
	if err := checkHeader("--version-header", o.VersionHeader, ""); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (o *Options) completeOutcome() error {
	if o.Outcome == nil {
		return nil
	}
	x := *o.Outcome
	o.Outcome = &x
	var problems []error
	sample := []experiment.UnitOutcome{{Token: "t", Event: x.Event, Value: x.Value}}
	if err := experiment.CheckOutcomes(sample); err != nil {
		problems = append(problems, invalid("--outcome", "write it as EVENT[=VALUE][:SHARE][@DELAY]", "%v", err))
	}
	if !(x.Every > 0 && x.Every <= 1) {
		problems = append(problems, invalid("--outcome", "write the share as 0.3 or 30%", "the share %g is not above 0 and at most 1", x.Every))
	}
	if x.Delay < 0 || x.Delay > maxDelay {
		problems = append(problems, invalid("--outcome", "write the delay as 2s", "the delay %s is not from 0 to %s", x.Delay, maxDelay))
	}
	switch target, err := parseURL("--outcomes-url", x.URL); {
	case x.URL == "":
		problems = append(problems, invalid("--outcomes-url", "give the address that headgate run prints for outcomes", "is missing beside --outcome"))
	case err != nil:
		problems = append(problems, err)
	default:
		if strings.Trim(target.Path, "/") == "" {
			target.Path = "/v1/outcomes"
		}
		o.Outcome.URL = target.String()
	}
	return errors.Join(problems...)
}

// parseURL reads an address as curl does: without a scheme it is plain HTTP.
func parseURL(path, s string) (*url.URL, error) {
	const hint = "want one such as http://127.0.0.1:8080/score"
	if s == "" {
		return nil, invalid(path, hint, "is missing")
	}
	full := s
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		// The parser's own text would repeat a password.
		return nil, invalid(path, hint, "is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid(path, hint, "the scheme %q is neither http nor https", u.Scheme)
	case u.Hostname() == "":
		return nil, invalid(path, hint, "%q names no host", shown(u))
	}
	u.Fragment = ""
	return u, nil
}

// shown is a URL without what may be secret in it.
func shown(u *url.URL) string {
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery != "" {
		return c.String() + "?…"
	}
	return c.String()
}

// invalid is an error about one field, its hint in the message too, because
// several may be reported at once.
func invalid(path, hint, format string, args ...any) error {
	return experiment.InvalidAt(path, "%s (%s)", fmt.Sprintf(format, args...), hint)
}

// most is n, or no bound.
func most(n int64) int64 {
	if n == 0 {
		return math.MaxInt64
	}
	return n
}
