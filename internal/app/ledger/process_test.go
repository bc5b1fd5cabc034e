// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const token = "a-token-of-more-than-16-bytes"

// site is a process and a fake gateway.
type site struct {
	t       *testing.T
	o       Options
	gateway *fake
	key     *experiment.Key
	client  *http.Client
	log     bytes.Buffer
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, gateway: &fake{answer: gives(nil)}}
	server := httptest.NewServer(s.gateway)
	t.Cleanup(server.Close)
	s.o = Options{Plans: []*experiment.Plan{testPlan()}, Gateways: []string{server.URL}, Data: filepath.Join(t.TempDir(), "data"), Token: token}
	s.o.now = func() time.Time { return t0.Add(time.Hour) } // When the windows of the tests are over.
	secret := bytes.Repeat([]byte{9}, experiment.KeySize)
	if err := os.Mkdir(s.o.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.o.Data, "exposure.key"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.key, err = experiment.NewKey(secret); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, Timeout: time.Minute}
	return s
}

func (s *site) start() *Process {
	s.t.Helper()
	s.o.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	p, err := Start(s.t.Context(), s.o)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *site) close(p *Process) {
	s.t.Helper()
	if err := p.Close(); err != nil {
		s.t.Error(err)
	}
}

// call asks the API, and gives the status and the body.
func (s *site) call(p *Process, method, path, body, token string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, p.APIURL()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// state waits until the only gateway's state is as a test wants it.
func (s *site) state(p *Process, want func(PullState) bool) PullState {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		status, body := s.call(p, http.MethodGet, "/v1/gateways", "", "")
		var all []PullState
		if err := json.Unmarshal([]byte(body), &all); err != nil || status != 200 || len(all) != 1 {
			s.t.Fatalf("%d %s: %v", status, body, err)
		}
		if want(all[0]) {
			return all[0]
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the gateway's state is %+v", all[0])
		}
	}
}

// sealed is what a source has counted, by the metric that counts its rows.
func (s *site) sealed(p *Process, source experiment.Source, metric string) (n int64) {
	s.t.Helper()
	q := url.Values{"source": {string(source)}, "epoch": {"1"}, "phase": {"1"}, "start": {t0.Format(time.RFC3339Nano)}}
	status, body := s.call(p, http.MethodGet, "/v1/seals?"+q.Encode(), "", token)
	var seal experiment.Seal
	if err := json.Unmarshal([]byte(body), &seal); err != nil || status != 200 {
		s.t.Fatalf("%d %s: %v", status, body, err)
	}
	if seal.Source != source || seal.From != 0 || seal.To == 0 {
		s.t.Errorf("%+v", seal)
	}
	for _, c := range seal.Cells {
		if c.Metric == metric {
			n += c.Counts.N
		}
	}
	return n
}

// TestBatchesAndOutcomesBecomeSeals goes all the way: rows come from a gateway,
// an outcome by its token, and both are in the sealed windows, also after the
// process has ended and begun anew.
func TestBatchesAndOutcomesBecomeSeals(t *testing.T) {
	s := newSite(t)
	b := batch("a", 1)
	s.gateway.set(gives(b))
	p := s.start()
	outcome := fmt.Sprintf(`{"token":%q,"event":"purchase","key":"order-1","time":%q}`, s.key.Seal(&b.Exposures[0].Exposure), t0.Add(2*time.Second).Format(time.RFC3339))
	post := func(want string) {
		t.Helper()
		status, body := s.call(p, http.MethodPost, "/v1/outcomes", outcome, token)
		if status != http.StatusAccepted || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %s", status, body, want)
		}
	}
	post(`"accepted":1`)
	// The same batch comes again and again: that is the gateway's fault.
	s.state(p, func(g PullState) bool { return g.Failing != "" && g.Rows == 2 && g.Sequence == 1 })
	s.close(p)
	if log := s.log.String(); strings.Contains(log, "exposure key") || strings.Contains(log, token) || !strings.Contains(log, "batch 1 after 1") {
		t.Errorf("the log says %s", log)
	}
	s.log.Reset()
	p = s.start()
	defer s.close(p)
	post(`"duplicates":1`)
	s.state(p, func(g PullState) bool { return g.Again == 1 && g.Rows == 0 })
	s.gateway.set(gives(nil))
	for source, metric := range map[experiment.Source]string{
		experiment.SourcePairs: experiment.CellMirrored, experiment.SourceExposures: experiment.CellExposures, experiment.SourceOutcomes: "purchase",
	} {
		if n := s.sealed(p, source, metric); n != 1 {
			t.Errorf("%d %s, want 1", n, source)
		}
	}
	_, metrics := s.call(p, http.MethodGet, "/metrics", "", "")
	for _, want := range []string{"headgate_ledger_gateway_up{gateway=", "headgate_ledger_gateway_known_total{gateway=", "headgate_ledger_batches_repeated_total 1"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no metric %s", want)
		}
	}
}

func TestWhatTheAPIRefuses(t *testing.T) {
	s := newSite(t)
	second := testPlan()
	second.Name = "other"
	s.o.Plans = append(s.o.Plans, second)
	p := s.start()
	defer s.close(p)
	start := "&start=2026-11-21T12:00:00Z"
	for name, tc := range map[string]struct {
		method, path, token string
		status              int
		want                string
	}{
		"outcomes without the token": {"POST", "/v1/outcomes", "", 401, "token is missing or wrong"},
		"outcomes with another":      {"POST", "/v1/outcomes", token + "x", 401, "token is missing or wrong"},
		"outcomes of no experiment":  {"POST", "/v1/outcomes", token, 400, "2 experiments take outcomes"},
		"seals without the token":    {"GET", "/v1/seals?source=pairs" + start, "", 401, "token is missing or wrong"},
		"seals of no source":         {"GET", "/v1/seals?source=stars" + start, token, 400, `source is \"stars\"`},
		"seals without a start":      {"GET", "/v1/seals?source=pairs", token, 400, `start \"\"`},
		"seals from below nothing":   {"GET", "/v1/seals?source=pairs&from=-1" + start, token, 400, `from is \"-1\"`},
		"seals of half a phase":      {"GET", "/v1/seals?source=pairs&phase=1.5" + start, token, 400, `phase is \"1.5\"`},
		"seals of no experiment":     {"GET", "/v1/seals?source=pairs&epoch=1&phase=1" + start, token, 404, "no experiment"},
		"seals of another":           {"GET", "/v1/seals?source=pairs&experiment=x/y" + start, token, 404, `no experiment \"x/y\"`},
		"seals of one":               {"GET", "/v1/seals?source=pairs&experiment=search/other" + start, token, 200, `"to":`},
		"health":                     {"GET", "/healthz", "", 200, ""},
		"what is not there":          {"GET", "/v1/batches", token, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := s.call(p, tc.method, tc.path, `{"token":"x","event":"purchase"}`, tc.token)
			if status != tc.status || !strings.Contains(body, tc.want) {
				t.Errorf("%d %s, want %d and %s", status, body, tc.status, tc.want)
			}
		})
	}
}

func TestStartFailsAndLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, tc := range map[string]struct {
		change func(o *Options)
		want   string
	}{
		"no gateway":               {func(o *Options) { o.Gateways = nil }, "no gateway is named"},
		"a gateway twice":          {func(o *Options) { o.Gateways = append(o.Gateways, o.Gateways[0]+"/") }, "is named twice"},
		"a gateway of no address":  {func(o *Options) { o.Gateways = []string{"127.0.0.1:9090"} }, "not an http URL"},
		"the address is taken":     {func(o *Options) { o.API = taken.Addr().String() }, "listen for the API"},
		"no directory can be made": {func(o *Options) { o.Data = "/dev/null/x" }, "make the data directory"},
		"a database of no URL":     {func(o *Options) { o.Database = "postgres://u:hunter2@127.0.0.1:1/d?sslmode=disable&connect_timeout=1" }, ""},
		"two meanings of a plan": {func(o *Options) {
			other := testPlan()
			other.Metrics = nil
			o.Plans = append(o.Plans, other)
		}, "registered with other outcomes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			good := s.o
			tc.change(&s.o)
			_, err := Start(t.Context(), s.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("error %v, want %q in it", err, tc.want)
			}
			s.o = good
			s.close(s.start()) // The locks are free again.
		})
	}
	t.Run("the directory is in use", func(t *testing.T) {
		s := newSite(t)
		p := s.start()
		defer s.close(p)
		if _, err := Start(t.Context(), s.o); experiment.CodeOf(err) != experiment.CodeConflict {
			t.Errorf("error %v, want a conflict", err)
		}
	})
}

// TestAKeyOfItsOwnIsTold: with it, no gateway's token would be known.
func TestAKeyOfItsOwnIsTold(t *testing.T) {
	s := newSite(t)
	s.o.Data = t.TempDir()
	p := s.start()
	s.close(p)
	if !strings.Contains(s.log.String(), "exposure key of its own") {
		t.Errorf("the log says %s", s.log.String())
	}
	status, err := os.Stat(filepath.Join(s.o.Data, "exposure.key"))
	if err != nil || status.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", status, err)
	}
}
