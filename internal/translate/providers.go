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
		if out, ok := t.provider(fmt.Sprintf("spec.providers[%d]", i), p); ok {
			t.plan.Providers = append(t.plan.Providers, out)
		}
	}
	if n := len(t.providersOf(ofPrometheus)); n > 1 && !t.own() && !t.plan.Strict && t.plan.Pack() == experiment.DefaultProvider && t.clean("spec.providers") {
		t.fail("spec.providers", fmt.Sprintf("%d providers", n), "none says that the router's own figures are read from it", "call that one "+experiment.PackProvider)
	}
}

// provider reads one provider; false if it is of no kind.
func (t *translator) provider(path string, p v1alpha1.Provider) (experiment.Provider, bool) {
	out, kinds := experiment.Provider{Name: p.Name}, 0
	for _, on := range []bool{p.Prometheus != nil, p.HTTP != nil, p.SQL != nil} {
		if on {
			kinds++
		}
	}
	switch {
	case kinds == 0:
		t.fail(path, "", "a provider needs its kind", "for example prometheus: {url: \"http://prometheus:9090\"}")
		return out, false
	case kinds > 1:
		t.fail(path, fmt.Sprintf("%d of them", kinds), "exactly one of prometheus, http and sql is required", "give each a name of its own")
		return out, false
	case p.Prometheus != nil:
		out.Prometheus = t.prometheusProvider(path+".prometheus", p.Prometheus)
	case p.HTTP != nil:
		out.HTTP = t.httpProvider(path+".http", p.HTTP)
	default:
		out.SQL = t.sqlProvider(path+".sql", p.SQL)
	}
	return out, true
}

// What a provider may be.
const (
	ofPrometheus = "prometheus"
	ofHTTP       = "http"
	ofSQL        = "sql"
)

// providerKind is what a provider is.
func providerKind(p *experiment.Provider) string {
	switch {
	case p.HTTP != nil:
		return ofHTTP
	case p.SQL != nil:
		return ofSQL
	}
	return ofPrometheus
}

// providersOf names the providers of some kinds.
func (t *translator) providersOf(kinds ...string) []string {
	var names []string
	for i := range t.plan.Providers {
		if p := &t.plan.Providers[i]; slices.Contains(kinds, providerKind(p)) {
			names = append(names, p.Name)
		}
	}
	return names
}

func (t *translator) prometheusProvider(path string, in *v1alpha1.PrometheusProvider) *experiment.PrometheusProvider {
	if len(in.Targets) > 0 {
		t.targets(path, in)
	} else {
		t.server(path+".url", in.URL)
	}
	t.line(path+".username", in.Username, maxCredential)
	t.line(path+".tenant", in.Tenant, maxCredential)
	out := &experiment.PrometheusProvider{
		URL: in.URL, Targets: in.Targets, Username: in.Username, Tenant: in.Tenant,
		Password: t.secret(path+".password", in.Password), Token: t.secret(path+".token", in.Token),
		CA: t.secret(path+".ca", in.CA), Certificate: t.secret(path+".certificate", in.Certificate), Key: t.secret(path+".key", in.Key),
		Scrape: t.duration(path+".scrape", in.Scrape, experiment.DefaultScrape, leastScrape),
		Delay:  t.duration(path+".delay", in.Delay, experiment.DefaultDelay, leastScrape),
	}
	t.credentials(path, credentials{in.URL, in.Username, in.Password, in.Token, in.CA, in.Certificate, in.Key})
	if t.plan.Strict && len(in.Targets) == 0 {
		for _, field := range []string{".scrape", ".delay"} {
			if t.given(path + field) {
				t.fail(path+field, "", noWindows, "leave it out")
			}
		}
		return out
	}
	if out.Scrape > mostScrape {
		t.fail(path+".scrape", quote(string(in.Scrape)), fmt.Sprintf("want at most %s", mostScrape), "")
	}
	if out.Delay > mostScrape {
		t.fail(path+".delay", quote(string(in.Delay)), fmt.Sprintf("want at most %s", mostScrape), "")
	}
	if out.Scrape > t.plan.Window && !t.plan.Strict {
		t.fail(path+".scrape", quote(string(in.Scrape)), fmt.Sprintf("longer than an evidence window of %s, of which most would hold nothing", t.plan.Window), "lengthen evidence.window to twice of it or more")
	}
	return out
}

// credentials are what a client shows a server.
type credentials struct {
	url, username                         string
	password, token, ca, certificate, key *v1alpha1.Secret
}

// credentials checks that they go together.
func (t *translator) credentials(path string, c credentials) {
	switch {
	case c.token != nil && (c.username != "" || c.password != nil):
		t.fail(path+".token", "", "a bearer's token and a user beside it", "give one of the two")
	case (c.username == "") != (c.password == nil):
		t.fail(path, "", "username and password go together", "")
	case (c.certificate == nil) != (c.key == nil):
		t.fail(path, "", "certificate and key go together", "both are PEM")
	case (c.ca != nil || c.certificate != nil) && strings.HasPrefix(c.url, "http:"):
		t.fail(path+".url", withoutSecrets(c.url), "certificates go with https", "write https://, or leave ca, certificate and key out")
	}
}

// mostTargets bounds what one process scrapes.
const mostTargets = 16

// targets checks what is scraped in place of asking a server.
func (t *translator) targets(path string, in *v1alpha1.PrometheusProvider) {
	switch {
	case in.URL != "":
		t.fail(path+".targets", "", "a url and targets", "give the url of a Prometheus, or what is scraped without one")
	case len(in.Targets) > mostTargets:
		t.fail(path+".targets", fmt.Sprintf("%d targets", len(in.Targets)), fmt.Sprintf("want at most %d", mostTargets), "run a Prometheus")
	case in.Username != "" || in.Password != nil || in.Token != nil || in.CA != nil || in.Certificate != nil || in.Key != nil || in.Tenant != "":
		t.fail(path+".targets", "", "targets are scraped without credentials", "run a Prometheus, which can")
	}
	for i, target := range in.Targets {
		t.server(fmt.Sprintf("%s.targets[%d]", path, i), target)
	}
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

// providerOf is the provider of a kind that a metric is read from. That of
// Prometheus may be given from outside.
func (t *translator) providerOf(path, name, kind string) string {
	names := t.providersOf(kind)
	outside := kind == ofPrometheus && !t.own()
	switch known := t.plan.Provider(name); {
	case !t.cleanProviders():
	case name != "" && known == nil:
		hint := "spec.providers names none"
		if len(t.plan.Providers) > 0 {
			hint = nearest(name, t.providersOf(ofPrometheus, ofHTTP, ofSQL))
		}
		t.fail(path+".provider", quote(name), "no such provider", hint)
	case name != "" && providerKind(known) != kind:
		hint := "spec.providers names none of its kind"
		if len(names) > 0 {
			hint = "of its kind: " + strings.Join(names, ", ")
		}
		t.fail(path+".provider", quote(name), "the provider is of another kind", hint)
	case name != "":
	case len(names) == 1:
		return names[0]
	case len(names) > 1:
		t.fail(path+".provider", "", "there are several providers", "name one: "+strings.Join(names, ", "))
	case !outside:
		t.fail(path, "", "spec.providers names no provider to read it from", providerHint(kind))
	}
	return name
}

// providerHint is an example of a provider of a kind.
func providerHint(kind string) string {
	example := map[string]string{
		ofPrometheus: `{name: prometheus, prometheus: {url: "http://prometheus:9090"}}`,
		ofHTTP:       `{name: api, http: {url: "https://api.example.org"}}`,
		ofSQL:        "{name: warehouse, sql: {postgres: {env: WAREHOUSE_URL}}}",
	}
	return "for example providers: [" + example[kind] + "]"
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
