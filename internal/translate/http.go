// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds and defaults of what is asked by HTTP.
const (
	maxHeaders   = 16
	maxHeader    = 4096 // bytes of a header's or a parameter's value
	maxBody      = 16 << 10
	maxSecrets   = 8
	maxNameBytes = 253

	defaultHTTPTimeout = 5 * time.Second
	defaultSQLTimeout  = 10 * time.Second
	leastTimeout       = 100 * time.Millisecond
	mostTimeout        = 5 * time.Minute
	defaultAskDelay    = time.Minute
)

// timed is the kind of texts that know of time.
func (t *translator) timed(most int) textKind {
	k := textKind{most: most, times: []string{wordWindow, wordFrom, wordTo}}
	if t.plan.Strict {
		k.times = append(k.times, wordElapsed)
	}
	return k
}

// httpMetric reads what is asked of a server that answers with JSON.
func (t *translator) httpMetric(path string, in *v1alpha1.HTTP) *experiment.ProviderMetric {
	q := &experiment.HTTPQuery{
		Method: cmp.Or(in.Method, "GET"), Value: in.Value,
		Events: in.Events, Total: in.Total, Sum: in.Sum, Count: in.Count, Squares: in.Squares,
	}
	t.option(path+".method", in.Method, "GET", "POST")
	t.answerForm(path, in)
	t.request(path, in, q)
	return &experiment.ProviderMetric{Provider: t.providerOf(path, in.Provider, ofHTTP), HTTP: q}
}

// answerForm checks how an answer becomes evidence.
func (t *translator) answerForm(path string, in *v1alpha1.HTTP) {
	var fields []string
	given, forms := map[string]string{"value": in.Value, "events": in.Events, "total": in.Total, "sum": in.Sum, "count": in.Count, "squares": in.Squares}, 0
	for _, form := range [][]string{{"value"}, {"events", "total"}, {"sum", "count", "squares"}} {
		if slices.ContainsFunc(form, func(f string) bool { return given[f] != "" }) {
			forms, fields = forms+1, form
		}
	}
	if forms != 1 {
		t.fail(path, "", "exactly one form is required: value; events and total; or sum and count, perhaps with squares",
			"each is a jq expression that gives one number of the answer, for example value: '.data.result[0].value[1]|tonumber'")
		return
	}
	for _, f := range fields {
		switch at := path + "." + f; {
		case f == "squares" && in.Squares != "" && t.plan.Strict:
			t.fail(at, quote(in.Squares), "a strict experiment compares single numbers", "leave squares out")
		case f == "squares" && in.Squares == "":
		default:
			t.required(at, given[f], "a jq expression is required", "it gives one number of the answer, for example ."+f)
			t.jq(at, given[f])
		}
	}
	if in.Events != "" && in.Events == in.Total {
		t.fail(path+".events", quote(in.Events), "the same as total: every event is one", "pick the events among all")
	}
}

// request reads the texts of a question, one for each version.
func (t *translator) request(path string, in *v1alpha1.HTTP, q *experiment.HTTPQuery) {
	before := len(t.problems)
	if in.Path != "" {
		q.Path, _ = t.forEach(path+".path", in.Path, t.timed(maxText), notAPath)
	}
	if len(in.Params) > maxHeaders {
		t.fail(path+".params", fmt.Sprintf("%d parameters", len(in.Params)), fmt.Sprintf("want at most %d", maxHeaders), "")
	}
	for i, p := range in.Params {
		at := fmt.Sprintf("%s.params[%d]", path, i)
		t.paramName(at+".name", p.Name)
		values, _ := t.forEach(at+".value", p.Value, t.timed(maxHeader), nil)
		for v, value := range values {
			if len(q.Params) <= v {
				q.Params = append(q.Params, nil)
			}
			q.Params[v] = append(q.Params[v], experiment.NameValue{Name: p.Name, Value: value})
		}
	}
	if in.Body != "" {
		q.Body, _ = t.forEach(path+".body", in.Body, t.timed(maxBody), notJSON)
		if q.Method != "POST" {
			t.fail(path+".body", "", "a body goes with method: POST", "write method: POST, or leave the body out")
		}
	}
	if !t.plan.Strict && len(t.problems) == before {
		t.toldApart(path, q)
	}
}

// toldApart reports questions that are one and the same for two versions.
// Iter8 asks them all the same, so strict experiments do too.
func (t *translator) toldApart(path string, q *experiment.HTTPQuery) {
	asked := func(v int) string {
		var all []string
		if len(q.Path) > 0 {
			all = append(all, q.Path[v])
		}
		if len(q.Params) > 0 {
			all = append(all, fmt.Sprintf("%q", q.Params[v]))
		}
		if len(q.Body) > 0 {
			all = append(all, q.Body[v])
		}
		return strings.Join(all, "\x00")
	}
	for v := range t.plan.Versions {
		for o := range v {
			if asked(v) == asked(o) {
				t.alike(path, "", o, v, "write {{.Version}} or {{.Variables.NAME}} into path, params or body")
				return
			}
		}
	}
}

// notAPath says why a text is no path to add to a URL.
func notAPath(s string) (message, hint string) {
	const example = "for example /api/v1/query; what follows ? stands in params"
	switch {
	case !strings.HasPrefix(s, "/"):
		return "a path begins with a slash", example
	case strings.ContainsAny(s, "?#"):
		return "a path with a query or a fragment", example
	case strings.ContainsAny(s, " \n\t"):
		return "a path with blanks", example
	}
	return "", ""
}

// timeWords are replaced by a number where a body is tried out.
var timeWords = strings.NewReplacer(experiment.WordWindow, "1", experiment.WordFrom, "1", experiment.WordTo, "1", experiment.WordElapsed, "1")

// notJSON says why a text is no body.
func notJSON(s string) (message, hint string) {
	if !json.Valid([]byte(timeWords.Replace(s))) {
		return "no JSON once it is filled in", `texts stand in quotes and are filled in as they are, for example {"query": "{{.Version}}"}`
	}
	return "", ""
}

// paramName checks the name of a parameter.
func (t *translator) paramName(path, s string) {
	t.required(path, s, "a name is required", "")
	if s != "" && (len(s) > maxNameBytes || !printable(s)) {
		t.fail(path, quote(s), "not the name of a parameter", fmt.Sprintf("1 to %d printable bytes", maxNameBytes))
	}
}

func (t *translator) httpProvider(path string, in *v1alpha1.HTTPProvider) *experiment.HTTPProvider {
	texts := []string{in.URL, in.Username}
	for _, h := range in.Headers {
		texts = append(texts, h.Value)
	}
	out := &experiment.HTTPProvider{
		URL: in.URL, Username: in.Username,
		Secrets:  t.secrets(path+".secrets", in.Secrets, texts),
		Headers:  t.headers(path+".headers", in.Headers, in.Secrets),
		Password: t.secret(path+".password", in.Password), Token: t.secret(path+".token", in.Token),
		CA: t.secret(path+".ca", in.CA), Certificate: t.secret(path+".certificate", in.Certificate), Key: t.secret(path+".key", in.Key),
		Timeout: t.bounded(path+".timeout", in.Timeout, defaultHTTPTimeout, leastTimeout, mostTimeout),
		Delay:   t.askDelay(path+".delay", in.Delay),
	}
	t.base(path+".url", in.URL, in.Secrets)
	t.user(path+".username", in.Username, in.Secrets)
	t.credentials(path, credentials{in.URL, in.Username, in.Password, in.Token, in.CA, in.Certificate, in.Key})
	return out
}

// askDelay is how long after the end of a window a provider is asked. Strict
// experiments have no windows.
func (t *translator) askDelay(path string, in v1alpha1.Duration) time.Duration {
	if t.plan.Strict && in != "" {
		t.fail(path, quote(string(in)), noWindows, "leave it out")
	}
	return t.bounded(path, in, defaultAskDelay, 0, mostScrape)
}

// bounded reads a duration that has a greatest value too.
func (t *translator) bounded(path string, in v1alpha1.Duration, def, least, most time.Duration) time.Duration {
	d := t.duration(path, in, def, least)
	if d > most {
		t.fail(path, quote(string(in)), fmt.Sprintf("want at most %s", most), "")
		return def
	}
	return d
}

// placeholderForm is what a secret stands in for, in a URL, a header or a name.
var placeholderForm = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// secrets reads what ${NAME} stands for in some texts. Without any, they are
// literal.
func (t *translator) secrets(path string, in []v1alpha1.NamedSecret, texts []string) []experiment.NamedSecret {
	if len(in) > maxSecrets {
		t.fail(path, fmt.Sprintf("%d secrets", len(in)), fmt.Sprintf("want at most %d", maxSecrets), "")
	}
	var out []experiment.NamedSecret
	for i, s := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		t.required(at+".as", s.As, "a name is required", "that of a placeholder, without ${}")
		t.form(at+".as", s.As, paramForm, "not the name of a placeholder", "letters, digits and '_', beginning with no digit")
		switch {
		case slices.ContainsFunc(in[:i], func(o v1alpha1.NamedSecret) bool { return o.As == s.As }):
			t.fail(at+".as", quote(s.As), "given twice", "")
		case paramForm.MatchString(s.As) && !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "${"+s.As+"}") }):
			t.fail(at+".as", quote(s.As), "nothing uses the secret", "write ${"+shortened(s.As)+"} where it belongs, or leave it out")
		}
		if secret := t.secret(at, &s.Secret); secret != nil {
			out = append(out, experiment.NamedSecret{Name: s.As, Secret: *secret})
		}
	}
	return out
}

// placeholders reports those that no secret stands for. The text is not repeated.
func (t *translator) placeholders(path, text string, secrets []v1alpha1.NamedSecret) {
	if len(secrets) == 0 {
		return
	}
	names := make([]string, len(secrets))
	for i, s := range secrets {
		names[i] = s.As
	}
	for _, m := range placeholderForm.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, m[1]) {
			t.fail(path, shortened(m[0]), "no secret stands for it", nearest(m[1], names))
		}
	}
}

// user reads a user's name, which may be a secret too.
func (t *translator) user(path, s string, secrets []v1alpha1.NamedSecret) {
	t.line(path, s, maxCredential)
	t.placeholders(path, s, secrets)
}

// headers reads headers, whose values may be secrets and are never repeated.
func (t *translator) headers(path string, in []v1alpha1.NameValue, secrets []v1alpha1.NamedSecret) []experiment.NameValue {
	if len(in) > maxHeaders {
		t.fail(path, fmt.Sprintf("%d headers", len(in)), fmt.Sprintf("want at most %d", maxHeaders), "")
	}
	var out []experiment.NameValue
	for i, h := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		t.required(at+".name", h.Name, "the name of a header is required", "for example name: x-api-key")
		t.form(at+".name", h.Name, tokenForm, "not the name of a header", "for example x-api-key")
		t.headerValue(at+".value", h.Value)
		t.placeholders(at+".value", h.Value, secrets)
		out = append(out, experiment.NameValue{Name: h.Name, Value: h.Value})
	}
	return out
}

// headerValue checks what a header may hold.
func (t *translator) headerValue(path, s string) {
	switch {
	case len(s) > maxHeader:
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d bytes", maxHeader), "")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		t.fail(path, "", "it holds control characters", "a header is one line")
	}
}

// base checks the URL of a server, in which ${NAME} may be secrets. What may be
// one is not repeated.
func (t *translator) base(path, s string, secrets []v1alpha1.NamedSecret) {
	const hint = "write http://HOST:PORT or https://HOST"
	t.required(path, s, "a URL is required", hint)
	if s == "" {
		return
	}
	t.placeholders(path, s, secrets)
	plain := s
	if len(secrets) > 0 {
		plain = placeholderForm.ReplaceAllString(s, "1")
	}
	t.webURL(path, plain, hint)
}

// webURL checks an http URL that tells no user. What may hold a secret is not
// repeated.
func (t *translator) webURL(path, s, hint string) {
	value := withoutSecrets(s)
	u, err := url.Parse(s)
	switch {
	case len(s) > maxText:
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d bytes", maxText), "")
	case strings.Contains(authority(s), "@"):
		t.fail(path, "", "a URL with a user or password", "secrets are named, and never written down")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !printable(s):
		t.fail(path, value, "not a URL that can be asked", hint)
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		t.fail(path, "", "a URL with a fragment", "leave out what follows #")
	}
}

// authority is the part of a URL that may name a user.
func authority(s string) string {
	_, rest, ok := strings.Cut(s, "//")
	if !ok {
		rest = s
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}
