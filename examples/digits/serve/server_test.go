// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/examples/digits"
)

// patience is how long a test waits for what should happen at once.
const patience = time.Minute

func TestStartRefuses(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	taken := strings.TrimPrefix(start(t, model, Faults{}).URL(), "http://")
	const hint = "is not an address of the loopback interface with a port, as 127.0.0.1:0 is"
	for name, tc := range map[string]struct {
		addr, want string
		faults     Faults
		model      *digits.Model
	}{
		"every interface":      {":0", hint, Faults{}, model},
		"an open interface":    {"0.0.0.0:0", `"0.0.0.0:0" ` + hint, Faults{}, model},
		"an address elsewhere": {"192.0.2.1:80", hint, Faults{}, model},
		"a name":               {"localhost:0", hint, Faults{}, model},
		"no port":              {"127.0.0.1", hint, Faults{}, model},
		"a port in use":        {taken, "address already in use", Faults{}, model},
		"bad faults":           {"127.0.0.1:0", "serve digits: faults: FailShare is 2", Faults{FailShare: 2}, model},
		"no model":             {"127.0.0.1:0", "serve digits: no model was given", Faults{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(t.Context(), tc.addr, tc.model, tc.faults)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
}

// underWay makes a prediction request whose body is not complete yet, and
// returns when the server has begun to handle it: that is when it asks for the
// body. Send completes the body, and result waits for the answer.
func underWay(t *testing.T, ctx context.Context, client *http.Client, url string) (send func(), result func() (reply, error)) {
	t.Helper()
	reader, writer := io.Pipe()
	began := make(chan struct{})
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { close(began) }})
	req, err := http.NewRequestWithContext(traced, http.MethodPost, url+predictPath, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	var got reply
	var failed error
	var done sync.WaitGroup
	done.Go(func() {
		defer reader.Close()
		resp, err := client.Do(req)
		if err != nil {
			failed = err
			return
		}
		defer resp.Body.Close()
		got.status = resp.StatusCode
		got.body, failed = io.ReadAll(resp.Body)
	})
	select {
	case <-began:
	case <-time.After(patience):
		t.Fatal("the server never asked for the body")
	}
	send = func() {
		_, _ = io.WriteString(writer, goodBodies[predictPath]) // Fails when the client has given up.
		writer.Close()
	}
	return send, func() (reply, error) {
		done.Wait()
		return got, failed
	}
}

// patient is a client that waits for the server to ask for a body.
func patient(t *testing.T) *http.Client {
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// untilRefused returns when nobody listens at url any more.
func untilRefused(t *testing.T, url string) {
	t.Helper()
	var dialer net.Dialer
	for began := time.Now(); ; {
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if time.Since(began) > patience {
			t.Fatal("the server still listens")
		}
		if err != nil {
			return
		}
		conn.Close()
	}
}

func TestCloseLetsARequestFinish(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	s := start(t, model, Faults{})
	send, result := underWay(t, t.Context(), patient(t), s.URL())
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	untilRefused(t, s.URL())
	select {
	case err := <-closed:
		t.Fatalf("closed (%v) over a request", err)
	default:
	}
	send()
	if got, err := result(); err != nil || got.status != http.StatusOK {
		t.Errorf("answer %d %s, %v", got.status, got.body, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestCloseEndsASlowRequestAfterTheGrace(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	s := start(t, model, Faults{SlowShare: 1, SlowBy: maxSlowBy})
	s.grace = 0
	send, result := underWay(t, t.Context(), patient(t), s.URL())
	send()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got, err := result(); err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("answer %d %s, %v", got.status, got.body, err)
	}
}

func TestEndOfStartsContextEndsSlowRequestsAndTheServer(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := Start(ctx, "127.0.0.1:0", model, Faults{SlowShare: 1, SlowBy: maxSlowBy})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	send, result := underWay(t, t.Context(), patient(t), s.URL())
	cancel()
	untilRefused(t, s.URL())
	send()
	if got, err := result(); err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("answer %d %s, %v", got.status, got.body, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > maxSlowBy/2 {
		t.Errorf("the end took %v", took)
	}
}

func TestServerForgetsAClientThatHasGone(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	s := start(t, model, Faults{SlowShare: 1, SlowBy: maxSlowBy})
	s.grace = maxSlowBy / 2
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	send, result := underWay(t, ctx, patient(t), s.URL())
	send()
	cancel()
	if got, err := result(); err == nil {
		t.Errorf("a request that was given up has the answer %d %s", got.status, got.body)
	}
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took >= s.grace {
		t.Errorf("closing took %v, as if the request were still there", took)
	}
}
