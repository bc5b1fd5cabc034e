// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
)

const password = "hunter2-is-secret"

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// oneRead asks for one window that has matured.
func oneRead(q experiment.PrometheusQuery) (prometheus.Query, time.Time) {
	return prometheus.Query{
		Source: experiment.SourceMetrics, Epoch: 1, Phase: 1, Start: began, Window: time.Minute,
		Names: []string{"v1"}, Asked: []bool{true}, Mirrored: []bool{false}, Reads: []pack.Read{{Cell: "m", Query: q}},
	}, began.Add(2 * time.Minute)
}

func counts() experiment.PrometheusQuery {
	return experiment.PrometheusQuery{Events: []string{"e"}, Total: []string{"n"}}
}

func sealOf(t *testing.T, s *prometheus.Source, q experiment.PrometheusQuery) (experiment.Seal, error) {
	t.Helper()
	query, now := oneRead(q)
	return s.Seal(t.Context(), query, now)
}

// empty is an answer of no series.
const empty = `{"status":"success","data":{"resultType":"matrix","result":[]}}`

func TestWhatServersSayIsToldApart(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		code    experiment.Code
		says    string
	}{
		"500":                {answer(500, "oops"), experiment.CodeUnavailable, "status 500"},
		"503 with a reason":  {answer(503, `{"status":"error","errorType":"timeout","error":"query timed out"}`), experiment.CodeUnavailable, "query timed out"},
		"HTML":               {answer(200, "<html>sign in</html>"), experiment.CodeUnavailable, "not the JSON"},
		"no JSON of its own": {answer(200, `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`), experiment.CodeUnavailable, "scalar"},
		"half an answer":     {answer(200, empty[:30]), experiment.CodeUnavailable, "not the JSON"},
		"a bad query":        {answer(400, `{"status":"error","errorType":"bad_data","error":"parse error: unexpected }"}`), experiment.CodeInvalid, "parse error"},
		"a wrong path":       {answer(404, "404 page not found"), experiment.CodeInvalid, "nothing answers"},
		"refused":            {answer(401, "who are you, "+password+"?"), experiment.CodeUnauthorized, "401"},
		"forbidden":          {answer(403, `{"status":"error","error":"not `+password+`"}`), experiment.CodeUnauthorized, "[secret]"},
		"a partial answer":   {answer(200, empty[:len(empty)-1]+`,"warnings":["store gateway 3 is down"]}`), experiment.CodeUntrustworthy, "store gateway"},
		"no order of time":   {answer(200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[2,"1"],[1,"1"]]}]}}`), experiment.CodeUnavailable, "order"},
		"native histograms":  {answer(200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[]}]}}`), experiment.CodeUnavailable, "classic"},
		"hung up":            {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, experiment.CodeUnavailable, "EOF"},
		"two gigabytes": {func(w http.ResponseWriter, _ *http.Request) {
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for range 2048 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, experiment.CodeInvalid, "too large"},
		"a redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.invalid"+r.URL.RequestURI(), http.StatusFound)
		}, experiment.CodeInvalid, "redirects to another address"},
		"a redirect in a circle": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.RequestURI(), http.StatusFound)
		}, experiment.CodeUnavailable, "circle"},
	} {
		t.Run(name, func(t *testing.T) {
			web := quiet(t, httptest.NewUnstartedServer(tc.handler))
			web.Start()
			s := newSource(t, web.URL, withPassword)
			seal, err := sealOf(t, s, counts())
			if experiment.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v", experiment.CodeOf(err), err)
			}
			if err != nil && strings.Contains(err.Error()+experiment.HintOf(err), password) {
				t.Errorf("the secret is told: %v", err)
			}
			if seal.From != seal.To || len(seal.Cells)+len(seal.Gaps) > 0 {
				t.Errorf("windows are sealed all the same: %+v", seal)
			}
		})
	}
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// quiet keeps a server from writing what clients do into the test's output.
func quiet(t *testing.T, s *httptest.Server) *httptest.Server {
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s
}

func withPassword(o *prometheus.Options) {
	o.Provider.Username, o.Provider.Password = "reader", &experiment.Secret{Env: "P"}
	o.Secrets = secretsOf(map[string]string{"P": password + "\n"})
}

func secretsOf(values map[string]string) func(context.Context, experiment.Secret) (string, error) {
	return func(_ context.Context, s experiment.Secret) (string, error) {
		v, ok := values[s.Env]
		if !ok {
			return "", errors.New("there is no secret of that name")
		}
		return v, nil
	}
}

func TestCredentialsGoWithEveryRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*experiment.PrometheusProvider)
		want   http.Header
	}{
		"nothing asked": {func(*experiment.PrometheusProvider) {}, http.Header{}},
		"basic": {func(p *experiment.PrometheusProvider) {
			p.Username, p.Password = "u", &experiment.Secret{Env: "P"}
		}, http.Header{"Authorization": {"Basic dTpw"}}},
		"bearer and tenant": {func(p *experiment.PrometheusProvider) {
			p.Token, p.Tenant = &experiment.Secret{Env: "T"}, "team-a"
		}, http.Header{"Authorization": {"Bearer t"}, "X-Scope-Orgid": {"team-a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var wrong atomic.Int64
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for _, h := range []string{"Authorization", "X-Scope-Orgid"} {
					if r.Header.Get(h) != tc.want.Get(h) {
						wrong.Add(1)
					}
				}
				if r.URL.Path == "/prom/api/v1/query" {
					http.Redirect(w, r, "/moved?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
					return
				}
				_, _ = io.WriteString(w, empty)
			}))
			t.Cleanup(web.Close)
			s := newSource(t, web.URL+"/prom/", func(o *prometheus.Options) {
				tc.change(&o.Provider)
				o.Secrets = secretsOf(map[string]string{"P": "p", "T": "t"})
			})
			if _, err := sealOf(t, s, counts()); err != nil {
				t.Fatal(err)
			}
			if wrong.Load() > 0 {
				t.Errorf("%d requests with other credentials", wrong.Load())
			}
		})
	}
}

func TestSecretsAreReadAgainWhenRefused(t *testing.T) {
	var token atomic.Value
	token.Store("old")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, empty)
	}))
	t.Cleanup(web.Close)
	s := newSource(t, web.URL, func(o *prometheus.Options) {
		o.Provider.Token = &experiment.Secret{Env: "T"}
		o.Secrets = func(context.Context, experiment.Secret) (string, error) { return token.Load().(string), nil }
	})
	if _, err := sealOf(t, s, counts()); experiment.CodeOf(err) != experiment.CodeUnauthorized {
		t.Fatal(err)
	}
	token.Store("new")
	if _, err := sealOf(t, s, counts()); err != nil {
		t.Error(err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	secret := &experiment.Secret{Env: "X"}
	for name, tc := range map[string]struct {
		provider experiment.PrometheusProvider
		says     string
	}{
		"no address":           {experiment.PrometheusProvider{Scrape: 1}, "no URL"},
		"another scheme":       {experiment.PrometheusProvider{URL: "ftp://a", Scrape: 1}, "no URL"},
		"credentials in it":    {experiment.PrometheusProvider{URL: "http://u:" + password + "@a", Scrape: 1}, "carries credentials"},
		"a query":              {experiment.PrometheusProvider{URL: "http://a?b=" + password, Scrape: 1}, "query or fragment"},
		"no scrape":            {experiment.PrometheusProvider{URL: "http://a"}, "scrape"},
		"two credentials":      {experiment.PrometheusProvider{URL: "http://a", Scrape: 1, Token: secret, Password: secret}, "token and a password"},
		"half a pair":          {experiment.PrometheusProvider{URL: "https://a", Scrape: 1, Key: secret}, "go together"},
		"certificates on http": {experiment.PrometheusProvider{URL: "http://a", Scrape: 1, CA: secret}, "need https"},
		"nobody reads secrets": {experiment.PrometheusProvider{URL: "http://a", Scrape: 1, Token: secret}, "nobody reads"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := prometheus.New(prometheus.Options{Provider: tc.provider})
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), password) {
				t.Error(err)
			}
		})
	}
	s := newSource(t, "http://127.0.0.1:1", func(o *prometheus.Options) {
		o.Provider.Token, o.Secrets = secret, secretsOf(nil)
	})
	if _, err := sealOf(t, s, counts()); experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "read the token") {
		t.Error(err)
	}
}

func TestTheServerIsVerified(t *testing.T) {
	web := quiet(t, httptest.NewUnstartedServer(answer(200, empty)))
	ca, certificate, key := clientPair(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	web.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	web.StartTLS()
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	for name, tc := range map[string]struct {
		secrets map[string]string
		code    experiment.Code
	}{
		"its authority and a client's certificate": {map[string]string{"CA": string(own), "C": string(certificate), "K": string(key)}, ""},
		"another authority":                        {map[string]string{"CA": string(ca), "C": string(certificate), "K": string(key)}, experiment.CodeUnavailable},
		"no authority in it":                       {map[string]string{"CA": "nothing", "C": string(certificate), "K": string(key)}, experiment.CodeInvalid},
		"a key of another":                         {map[string]string{"CA": string(own), "C": string(own), "K": string(key)}, experiment.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t, web.URL, func(o *prometheus.Options) {
				o.Provider.CA, o.Provider.Certificate, o.Provider.Key = &experiment.Secret{Env: "CA"}, &experiment.Secret{Env: "C"}, &experiment.Secret{Env: "K"}
				o.Secrets = secretsOf(tc.secrets)
			})
			_, err := sealOf(t, s, counts())
			if experiment.CodeOf(err) != tc.code {
				t.Errorf("%s: %v", experiment.CodeOf(err), err)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE") {
				t.Error("the key is told")
			}
		})
	}
}

// clientPair makes an authority that signed nothing, and a certificate that
// signed itself.
func clientPair(t *testing.T) (ca, certificate, key []byte) {
	t.Helper()
	signed := func(name string) (certificate, key []byte) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	}
	ca, _ = signed("nobody")
	certificate, key = signed("client")
	return ca, certificate, key
}

func TestASlowServerIsLeftAtTheDeadline(t *testing.T) {
	release := make(chan struct{})
	web := quiet(t, httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, empty[:10])
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})))
	web.Start()
	defer close(release)
	s := newSource(t, web.URL, func(o *prometheus.Options) { o.Timeout = 50 * time.Millisecond })
	if _, err := sealOf(t, s, counts()); experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Error(err)
	}
}

func TestTheBreakerSparesADeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		secrets := func(context.Context, experiment.Secret) (string, error) {
			refused++
			return "", errors.New("the store of secrets is down")
		}
		s := newSource(t, "http://127.0.0.1:1", func(o *prometheus.Options) {
			o.Provider.Token, o.Secrets, o.Backoff = &experiment.Secret{Env: "T"}, secrets, time.Second
			o.Concurrent = 1
		})
		once := experiment.PrometheusQuery{Query: []string{"q"}} // One query, so one question for the secret.
		asked := func() int {
			before := refused
			if _, err := sealOf(t, s, once); experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "store of secrets") {
				t.Fatal(err)
			}
			return refused - before
		}
		for i := range 3 {
			if asked() != 1 {
				t.Fatalf("trial %d is not made", i)
			}
		}
		// Open for 1 s, then 2 s, 4 s … a minute; in between one trial each.
		for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			time.Sleep(pause*time.Second - time.Millisecond)
			if asked() != 0 {
				t.Fatalf("asked before %v s are over", int64(pause))
			}
			time.Sleep(time.Millisecond)
			if asked() != 1 {
				t.Fatalf("not asked after %v s", int64(pause))
			}
		}
	})
}

func TestTheBreakerClosesAgain(t *testing.T) {
	var down atomic.Bool
	var asked atomic.Int64
	down.Store(true)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, empty)
	}))
	t.Cleanup(web.Close)
	s := newSource(t, web.URL, func(o *prometheus.Options) { o.Failures, o.Backoff = 2, time.Nanosecond })
	for range 5 {
		if _, err := sealOf(t, s, counts()); experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Fatal(err)
		}
	}
	down.Store(false)
	eventually(t, 30*time.Second, "it is asked again", func() bool {
		_, err := sealOf(t, s, counts())
		return err == nil
	})
	if _, err := sealOf(t, s, counts()); err != nil {
		t.Error(err)
	}
}

func TestACallerThatLeavesIsNoFailure(t *testing.T) {
	web := quiet(t, httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
	web.Start()
	s := newSource(t, web.URL, func(o *prometheus.Options) { o.Failures, o.Backoff = 1, time.Hour })
	query, now := oneRead(counts())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Seal(ctx, query, now); err == nil {
		t.Fatal("sealed without a caller")
	}
	web.Config.Handler = answer(200, empty)
	if _, err := s.Seal(t.Context(), query, now); err != nil && strings.Contains(err.Error(), "tried again") {
		t.Error(err)
	}
}

func TestQueriesUnderWayAreBounded(t *testing.T) {
	var now, most atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		_, _ = io.WriteString(w, empty)
		now.Add(-1)
	}))
	t.Cleanup(web.Close)
	s := newSource(t, web.URL, func(o *prometheus.Options) { o.Concurrent = 2 })
	query, at := oneRead(counts())
	for i := range 20 {
		query.Reads = append(query.Reads, pack.Read{Cell: fmt.Sprint(i), Query: experiment.PrometheusQuery{Events: []string{fmt.Sprint("e", i)}, Total: []string{fmt.Sprint("n", i)}}})
	}
	if _, err := s.Seal(t.Context(), query, at); err != nil {
		t.Fatal(err)
	}
	if most.Load() > 2 {
		t.Errorf("%d queries at once", most.Load())
	}
}
