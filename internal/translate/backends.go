// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Why backends are asked for, in each router's terms.
const (
	backendHint     = "write http://HOST:PORT"
	destinationHint = "write HOST[:PORT][/SUBSET], the host as in the VirtualService, for example ranker.search.svc.cluster.local/v2"
	serviceHint     = "write [NAMESPACE/]SERVICE[:PORT], for example ranker-v2:8080"
)

// backendOf checks where a version is, in the router's terms, and reports what
// only Headgate's gateway does on the way there.
func (t *translator) backendOf(path string, i int) {
	v, at := t.api.Spec.Versions[i], path+".backend"
	if t.unrouted() {
		if strings.Contains(v.Backend, "://") {
			t.backend(at, v.Backend)
		}
		return
	}
	switch t.router() {
	case experiment.RouterVirtualService:
		t.destination(at, v.Backend)
	case experiment.RouterHTTPRoute:
		t.service(at, v.Backend)
	case experiment.RouterFields:
		if v.Backend != "" {
			t.fail(at, withoutSecrets(v.Backend), "fields have no backends: where they lead to stands in their objects", "leave backend out")
		}
	case experiment.RouterNone:
		if v.Backend != "" {
			t.fail(at, withoutSecrets(v.Backend), "nothing leads to backends where no router is named", "leave backend out")
		}
	default:
		t.backend(at, v.Backend)
		return
	}
	const hint = "leave it out, or let Headgate's gateway carry the traffic"
	if v.Model != "" {
		t.fail(path+".model", quote(v.Model), "the router rewrites no request: the backend gets the client's name of the model", hint)
	}
	if v.Path != nil {
		t.fail(path+".path", "", "the router rewrites no request: the backend gets the client's path", hint)
	}
}

// destination checks where a VirtualService sends a version's requests. Versions
// are told apart by it; a destination without a port is any port's.
func (t *translator) destination(at, backend string) {
	d, err := router.ParseDestination(backend)
	switch {
	case backend == "":
		t.fail(at, "", "a backend is required", destinationHint)
		return
	case err != nil:
		t.fail(at, withoutSecrets(backend), "not a destination", destinationHint)
		return
	}
	t.apart(at, backend, func(other string) bool {
		o, err := router.ParseDestination(other)
		return err == nil && o.Host == d.Host && o.Subset == d.Subset && samePort(o.Port, d.Port)
	})
}

// service checks where an HTTPRoute sends a version's requests.
func (t *translator) service(at, backend string) {
	s, err := router.ParseService(backend)
	switch {
	case backend == "":
		t.fail(at, "", "a backend is required", serviceHint)
		return
	case err != nil:
		t.fail(at, withoutSecrets(backend), "not a Service", serviceHint)
		return
	}
	// The route's own namespace may be written out or not.
	of := func(namespace string) string { return cmp.Or(namespace, t.routeNamespace()) }
	t.apart(at, backend, func(other string) bool {
		o, err := router.ParseService(other)
		return err == nil && of(o.Namespace) == of(s.Namespace) && o.Name == s.Name && samePort(o.Port, s.Port)
	})
}

// routeNamespace is where the route is.
func (t *translator) routeNamespace() string {
	if r := t.plan.Router.HTTPRoute; r != nil && r.Namespace != "" {
		return r.Namespace
	}
	return cmp.Or(t.plan.Namespace, "default")
}

func samePort(a, b int64) bool { return a == b || a == 0 || b == 0 }

// apart reports a backend that an earlier version has too.
func (t *translator) apart(at, backend string, same func(other string) bool) {
	for _, v := range t.plan.Versions {
		if same(v.Backend) {
			t.fail(at, quote(backend), fmt.Sprintf("it leads where version %s is", quote(v.Name)), "the route tells versions apart by their backends: give each its own")
			return
		}
	}
}

// withoutSecrets quotes a backend, unless it may hold a password or a key.
func withoutSecrets(s string) string {
	if strings.ContainsAny(s, "@?#") {
		return ""
	}
	return quote(s)
}

// backend checks a base URL. What may hold a secret is not repeated.
func (t *translator) backend(path, s string) {
	value := withoutSecrets(s)
	u, err := url.Parse(s)
	switch {
	case s == "":
		t.fail(path, "", "a backend is required", backendHint)
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		t.fail(path, value, "not a URL that the gateway can reach", backendHint)
	case u.User != nil:
		t.fail(path, "", "a URL with a user or password", "keep secrets out of experiments")
	case strings.ContainsAny(s, "?#"):
		t.fail(path, "", "a URL with a query or fragment", "write the base URL alone")
	case len(s) > maxText:
		t.fail(path, value, fmt.Sprintf("longer than %d bytes", maxText), "")
	}
	if err != nil || u.Port() == "" {
		return
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil {
		t.fail(path, value, "not a port", "ports are 1 to 65535")
	}
}
