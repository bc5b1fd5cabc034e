// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// contentSecurityPolicy lets the page load what this server has and nothing
// else, from nowhere else, and lets nobody put it into a frame.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageFiles are the files of the page, by path.
var pageFiles = map[string]struct{ name, contentType string }{
	"/":             {"index.html", "text/html; charset=utf-8"},
	"/app.js":       {"app.js", "text/javascript; charset=utf-8"},
	"/app.css":      {"app.css", "text/css; charset=utf-8"},
	"/LICENSES.txt": {"LICENSES.txt", "text/plain; charset=utf-8"},
}

// Page answers GET / and the few files that the page is made of, from files.
// Their names are fixed and their content is not, so a browser asks each time
// and is told 304 by ETag. Requests whose Host is not of this machine are
// refused, see OnlyThisMachine.
func Page(files fs.FS) http.Handler {
	return OnlyThisMachine(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, "GET, HEAD", r.Method == http.MethodGet || r.Method == http.MethodHead) {
			return
		}
		file, ok := pageFiles[r.URL.Path]
		if !ok {
			WriteError(w, experiment.Errorf(experiment.CodeNotFound, "there is nothing at %s", quote(r.URL.Path)).
				WithHint("the page is at /, the view at /v1/experiment"))
			return
		}
		text, err := fs.ReadFile(files, file.name)
		if err != nil {
			WriteError(w, err)
			return
		}
		sum := sha256.Sum256(text)
		h := w.Header()
		h.Set("Content-Type", file.contentType)
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}))
}

// OnlyThisMachine refuses requests that a page of another site could have
// made. One that resolves its own name to a loopback address (DNS rebinding)
// counts as the same origin in its visitor's browser and could read what next
// answers; but it cannot hide that name in Host. So Host must be localhost, a
// loopback address, or the very address that the request came in on. Requests
// that the browser marks as coming from another site are refused too.
func OnlyThisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ownHost(r) {
			writeFailure(w, http.StatusForbidden, Failure{
				Code: experiment.CodeUnauthorized, Message: "the host " + quote(r.Host) + " is not this machine",
				Hint: "open it by localhost or by the address that Headgate printed",
			})
			return
		}
		if from := r.Header.Get("Sec-Fetch-Site"); from == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			writeFailure(w, http.StatusForbidden, Failure{
				Code: experiment.CodeUnauthorized, Message: "another site asked for this", Hint: "open Headgate's own page",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost says whether the Host of a request means this machine, whatever its
// port: a forwarded port is another one than the listener's.
func ownHost(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if name := strings.ToLower(host); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true // Browsers resolve these to loopback without asking anybody.
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if err != nil {
		return false
	}
	if ip.Unmap().IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	own, err := netip.ParseAddrPort(local.String())
	return err == nil && own.Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
}
