// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of providers.
const (
	maxProviders  = 8
	maxCredential = 256
	leastScrape   = 100 * time.Millisecond
	mostScrape    = time.Hour
)

func (t *translator) providers() {
	ps := t.api.Spec.Providers
	if len(ps) > maxProviders {
		t.fail("spec.providers", fmt.Sprintf("%d providers", len(ps)), fmt.Sprintf("want at most %d providers", maxProviders), "")
	}
	t.names("spec.providers", len(ps), func(i int) string { return ps[i].Name })
	for i, p := range ps {
		path := fmt.Sprintf("spec.providers[%d]", i)
		if p.Prometheus == nil {
			t.fail(path, "", "a provider needs its kind", "for example prometheus: {url: \"http://prometheus:9090\"}")
			continue
		}
		t.plan.Providers = append(t.plan.Providers, experiment.Provider{Name: p.Name, Prometheus: t.prometheusProvider(path+".prometheus", p.Prometheus)})
	}
	if n := len(ps); n > 1 && !t.own() && t.plan.Pack() == experiment.DefaultProvider && t.clean("spec.providers") {
		t.fail("spec.providers", fmt.Sprintf("%d providers", n), "none says that the router's own figures are read from it", "call that one "+experiment.PackProvider)
	}
}

func (t *translator) prometheusProvider(path string, in *v1alpha1.PrometheusProvider) *experiment.PrometheusProvider {
	t.server(path+".url", in.URL)
	t.line(path+".username", in.Username, maxCredential)
	t.line(path+".tenant", in.Tenant, maxCredential)
	out := &experiment.PrometheusProvider{
		URL: in.URL, Username: in.Username, Tenant: in.Tenant,
		Password: t.secret(path+".password", in.Password), Token: t.secret(path+".token", in.Token),
		CA: t.secret(path+".ca", in.CA), Certificate: t.secret(path+".certificate", in.Certificate), Key: t.secret(path+".key", in.Key),
		Scrape: t.duration(path+".scrape", in.Scrape, experiment.DefaultScrape, leastScrape),
		Delay:  t.duration(path+".delay", in.Delay, experiment.DefaultDelay, leastScrape),
	}
	switch {
	case in.Token != nil && (in.Username != "" || in.Password != nil):
		t.fail(path+".token", "", "a bearer's token and a user beside it", "give one of the two")
	case (in.Username == "") != (in.Password == nil):
		t.fail(path, "", "username and password go together", "")
	case (in.Certificate == nil) != (in.Key == nil):
		t.fail(path, "", "certificate and key go together", "both are PEM")
	case (in.CA != nil || in.Certificate != nil) && strings.HasPrefix(in.URL, "http:"):
		t.fail(path+".url", quote(in.URL), "certificates go with https", "write https://, or leave ca, certificate and key out")
	}
	if out.Scrape > mostScrape {
		t.fail(path+".scrape", quote(string(in.Scrape)), fmt.Sprintf("want at most %s", mostScrape), "")
	}
	if out.Delay > mostScrape {
		t.fail(path+".delay", quote(string(in.Delay)), fmt.Sprintf("want at most %s", mostScrape), "")
	}
	if out.Scrape > t.plan.Window {
		t.fail(path+".scrape", quote(string(in.Scrape)), fmt.Sprintf("longer than an evidence window of %s, of which most would hold nothing", t.plan.Window), "lengthen evidence.window to twice of it or more")
	}
	return out
}

// server checks the URL of a provider. What may hold a secret is not repeated.
func (t *translator) server(path, s string) {
	const hint = "write http://HOST:PORT or https://HOST"
	u, err := url.Parse(s)
	switch {
	case s == "":
		t.fail(path, "", "a URL is required", hint)
	case strings.ContainsAny(s, "@?#"):
		t.fail(path, "", "a URL with a user, a query or a fragment", "give a user by username and password; write the base URL alone")
	case len(s) > maxText:
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d bytes", maxText), "")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !printable(s):
		t.fail(path, quote(s), "not the URL of a server", hint)
	}
}

// envForm is what a variable of the environment may be called.
var envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,255}$`)

// objectForm is that of most objects' names in a cluster: a DNS subdomain.
var objectForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// keyForm is that of the keys of Secret objects.
var keyForm = regexp.MustCompile(`^[-._A-Za-z0-9]{1,253}$`)

// secret reads where a secret stands. What somebody wrote there is not repeated:
// it may be the secret itself.
func (t *translator) secret(path string, in *v1alpha1.Secret) *experiment.Secret {
	if in == nil {
		return nil
	}
	places := 0
	for _, on := range []bool{in.Name != "" || in.Key != "", in.Env != "", in.File != ""} {
		if on {
			places++
		}
	}
	if places != 1 {
		t.fail(path, "", "exactly one place is required: name and key, env, or file", "for example {name: prometheus, key: token}, or {env: PROMETHEUS_TOKEN}; never the secret itself")
		return nil
	}
	switch {
	case in.Env != "" && !envForm.MatchString(in.Env):
		t.fail(path+".env", "", "not the name of a variable", "for example env: PROMETHEUS_TOKEN")
	case in.File != "":
		t.line(path+".file", in.File, maxText)
	case in.Env != "":
	case len(in.Name) > maxObject || !objectForm.MatchString(in.Name):
		t.fail(path+".name", "", "not the name of a Secret object", "lower-case letters, digits, '-' and '.'")
	case !keyForm.MatchString(in.Key):
		t.fail(path+".key", "", "not a key of a Secret object", "for example key: token")
	}
	return &experiment.Secret{Name: in.Name, Key: in.Key, Env: in.Env, File: in.File}
}

// providerOf is the provider that a metric is read from.
func (t *translator) providerOf(path, name string) string {
	names := make([]string, len(t.plan.Providers))
	for i := range t.plan.Providers {
		names[i] = t.plan.Providers[i].Name
	}
	switch {
	case name != "" && !slices.Contains(names, name) && t.cleanProviders():
		hint := "spec.providers names none"
		if len(names) > 0 {
			hint = nearest(name, names)
		}
		t.fail(path+".provider", quote(name), "no such provider", hint)
	case name != "":
	case len(names) == 1:
		return names[0]
	case len(names) > 1:
		t.fail(path+".provider", "", "there are several providers", "name one: "+strings.Join(names, ", "))
	case t.own() && t.cleanProviders():
		t.fail(path, "", "spec.providers names no provider to read it from", "for example providers: [{name: prometheus, prometheus: {url: \"http://prometheus:9090\"}}]")
	}
	return name
}

// cleanProviders says that all of the providers could be read.
func (t *translator) cleanProviders() bool {
	return len(t.plan.Providers) == len(t.api.Spec.Providers)
}

// deployments wants the Deployment of every version.
func (t *translator) deployments(path, what string) {
	for i := range t.plan.Versions {
		if v := &t.plan.Versions[i]; v.Workload == "" {
			t.fail(path, quote(what), "version "+quote(v.Name)+" names no workload", "write versions: [{name: v1, workload: DEPLOYMENT}, …]")
			return
		}
	}
}
