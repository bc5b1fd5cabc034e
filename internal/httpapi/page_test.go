// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/web"
)

// from makes a request as it comes in on an address of this machine.
func from(t *testing.T, local, host, target string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Host = host
	addr, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		t.Fatal(err)
	}
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr))
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPageServesItsFiles(t *testing.T) {
	h := Page(web.FS())
	for target, contentType := range map[string]string{
		"/":             "text/html; charset=utf-8",
		"/app.js":       "text/javascript; charset=utf-8",
		"/app.css":      "text/css; charset=utf-8",
		"/LICENSES.txt": "text/plain; charset=utf-8",
	} {
		t.Run(target, func(t *testing.T) {
			r := from(t, "127.0.0.1:7070", "127.0.0.1:7070", target)
			w := serve(h, r)
			if w.Code != http.StatusOK || w.Body.Len() == 0 {
				t.Fatalf("answer %d with %d bytes", w.Code, w.Body.Len())
			}
			for name, want := range map[string]string{
				"Content-Type":           contentType,
				"X-Content-Type-Options": "nosniff",
				"Cache-Control":          "no-cache",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			policy := w.Header().Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self'", "img-src 'self' data:", "frame-ancestors 'none'"} {
				if !strings.Contains(policy, want) {
					t.Errorf("the policy %q lacks %q", policy, want)
				}
			}
			if strings.Contains(policy, "unsafe") {
				t.Errorf("the policy %q allows what is unsafe", policy)
			}
			r.Header.Set("If-None-Match", w.Header().Get("ETag"))
			if again := serve(h, r); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
				t.Errorf("asked again with its ETag: %d with %d bytes, want 304 with none", again.Code, again.Body.Len())
			}
		})
	}
}

func TestPageETagFollowsTheContent(t *testing.T) {
	etag := func(text string) string {
		w := serve(Page(fstest.MapFS{"app.js": {Data: []byte(text)}}), from(t, "127.0.0.1:1", "localhost", "/app.js"))
		return w.Header().Get("ETag")
	}
	if a, b := etag("a"), etag("b"); a == b || a == "" || a != etag("a") {
		t.Errorf("ETags of different files are %s and %s", a, b)
	}
}

func TestPageRefuses(t *testing.T) {
	broken := Page(brokenFS{})
	good := Page(web.FS())
	for name, tc := range map[string]struct {
		handler        http.Handler
		method, target string
		status         int
		code           experiment.Code
	}{
		"another path":               {good, http.MethodGet, "/nothing", http.StatusNotFound, experiment.CodeNotFound},
		"the checksums":              {good, http.MethodGet, "/SOURCES.sha256", http.StatusNotFound, experiment.CodeNotFound},
		"a way out of the folder":    {good, http.MethodGet, "/../web.go", http.StatusNotFound, experiment.CodeNotFound},
		"a method that writes":       {good, http.MethodPost, "/", http.StatusMethodNotAllowed, experiment.CodeInvalid},
		"a file that is not there":   {Page(fstest.MapFS{}), http.MethodGet, "/", http.StatusInternalServerError, experiment.CodeInternal},
		"a file that cannot be read": {broken, http.MethodGet, "/", http.StatusInternalServerError, experiment.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			r := from(t, "127.0.0.1:1", "localhost", tc.target)
			r.Method = tc.method
			w := serve(tc.handler, r)
			if f := failureOf(t, w); w.Code != tc.status || f.Code != tc.code {
				t.Errorf("answer %d %s, want %d %s", w.Code, f.Code, tc.status, tc.code)
			}
		})
	}
}

type brokenFS struct{}

func (brokenFS) Open(string) (fs.File, error) { return nil, errors.New("the disk has gone") }

func TestOnlyThisMachine(t *testing.T) {
	reached := OnlyThisMachine(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for name, tc := range map[string]struct {
		local, host string
		header      map[string]string
		want        int
	}{
		"its address":                     {local: "127.0.0.1:7070", host: "127.0.0.1:7070", want: 204},
		"another loopback address":        {local: "127.0.0.1:7070", host: "127.8.8.8", want: 204},
		"localhost by a forwarded port":   {local: "127.0.0.1:7070", host: "localhost:9999", want: 204},
		"localhost in capitals":           {local: "127.0.0.1:7070", host: "LocalHost", want: 204},
		"a name below localhost":          {local: "127.0.0.1:7070", host: "headgate.localhost:7070", want: 204},
		"loopback of IPv6":                {local: "[::1]:7070", host: "[::1]:7070", want: 204},
		"loopback of IPv6 without a port": {local: "[::1]:7070", host: "[::1]", want: 204},
		"the listener's own address":      {local: "10.1.2.3:7070", host: "10.1.2.3:7070", want: 204},
		"the own address of IPv6":         {local: "[fd00::1]:7070", host: "[fd00::1]:7070", want: 204},
		"an address that is not its own":  {local: "10.1.2.3:7070", host: "10.1.2.4:7070", want: 403},
		"a rebound name":                  {local: "127.0.0.1:7070", host: "evil.example:7070", want: 403},
		"a name that ends like localhost": {local: "127.0.0.1:7070", host: "notlocalhost", want: 403},
		"localhost as a part":             {local: "127.0.0.1:7070", host: "localhost.evil.example", want: 403},
		"an address as a part":            {local: "127.0.0.1:7070", host: "127.0.0.1.evil.example", want: 403},
		"no host":                         {local: "127.0.0.1:7070", host: "", want: 403},
		"a script of another site": {
			local: "127.0.0.1:7070", host: "127.0.0.1:7070", want: 403,
			header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
		},
		"a link on another site": {
			local: "127.0.0.1:7070", host: "127.0.0.1:7070", want: 204,
			header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
		},
		"the page itself": {
			local: "127.0.0.1:7070", host: "127.0.0.1:7070", want: 204,
			header: map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := from(t, tc.local, tc.host, "/")
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			if w := serve(reached, r); w.Code != tc.want {
				t.Errorf("answer %d, want %d", w.Code, tc.want)
			}
		})
	}
}
