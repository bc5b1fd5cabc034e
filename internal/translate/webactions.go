// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Bounds and defaults of actions that ask servers.
const (
	maxSlackText = 4096
	maxFiles     = 16
	maxEdits     = 16
	maxEdit      = 4096

	maxTargets         = 8
	defaultRequests    = 100
	mostRequests       = 1_000_000
	defaultLoadRate    = 8
	mostLoadRate       = 10_000
	defaultConcurrency = 4
	mostConcurrency    = 1000
	mostLoad           = time.Hour
)

func (t *translator) webhook(at string, in *v1alpha1.WebhookAction) *experiment.WebhookAction {
	t.address(at+".url", in.URL, "for example url: https://example.org/hook")
	t.option(at+".method", in.Method, "GET", "POST", "PUT", "PATCH", "DELETE")
	texts := []string{in.Username}
	for i, h := range in.Headers {
		texts = append(texts, h.Value)
		t.document(fmt.Sprintf("%s.headers[%d].value", at, i), h.Value, maxHeader, true)
	}
	t.document(at+".body", in.Body, maxManifest, false)
	t.document(at+".username", in.Username, maxCredential, true)
	t.user(at+".username", in.Username, in.Secrets)
	t.credentials(at, credentials{url: in.URL, username: in.Username, password: in.Password, token: in.Token})
	return &experiment.WebhookAction{
		URL: in.URL, Method: cmp.Or(in.Method, "POST"), Headers: t.headers(at+".headers", in.Headers, in.Secrets), Body: in.Body, Username: in.Username,
		Password: t.secret(at+".password", in.Password), Token: t.secret(at+".token", in.Token), Sign: t.secret(at+".sign", in.Sign),
		Secrets: t.secrets(at+".secrets", in.Secrets, texts),
	}
}

func (t *translator) slack(at string, in *v1alpha1.SlackAction) *experiment.SlackAction {
	const hint = "write channel and token (of a bot), or webhook (the secret that is its URL)"
	switch {
	case in.Webhook != nil && (in.Token != nil || in.Channel != ""):
		t.fail(at, "", "a webhook beside a channel and token", hint)
	case in.Webhook == nil && (in.Token == nil || in.Channel == ""):
		t.fail(at, "", "nobody knows where the message goes", hint)
	}
	t.words(at+".channel", in.Channel, maxName+maxName)
	t.document(at+".text", in.Text, maxSlackText, false)
	t.text(at+".text", in.Text, maxSlackText)
	return &experiment.SlackAction{Channel: in.Channel, Token: t.secret(at+".token", in.Token), Webhook: t.secret(at+".webhook", in.Webhook), Text: in.Text}
}

// branchForm is what a branch may be called, a little stricter than git.
var branchForm = regexp.MustCompile(`^[A-Za-z0-9_]([-A-Za-z0-9._/]*[-A-Za-z0-9_])?$`)

func (t *translator) git(at string, in *v1alpha1.GitAction) *experiment.GitAction {
	const hint = "write https://HOST/REPOSITORY, http:// or file:///PATH"
	if rest, local := strings.CutPrefix(in.Repository, "file://"); local {
		t.words(at+".repository", in.Repository, maxText)
		if !strings.HasPrefix(rest, "/") && !holds(rest) {
			t.fail(at+".repository", quote(in.Repository), "not the path of a repository", hint)
		}
		if in.Token != nil {
			t.fail(at+".token", "", "a repository of this machine asks for no token", "leave token out")
		}
	} else {
		t.address(at+".repository", in.Repository, hint)
	}
	if in.Username != "" && in.Token == nil {
		t.fail(at+".token", "", "a username goes with a token", "for example token: {name: git, key: token}")
	}
	t.document(at+".username", in.Username, maxCredential, true)
	t.line(at+".username", in.Username, maxCredential)
	t.filledOr(at+".branch", in.Branch, func() {
		t.form(at+".branch", in.Branch, branchForm, "not a branch", "for example branch: main")
		if strings.Contains(in.Branch, "..") || strings.Contains(in.Branch, "//") {
			t.fail(at+".branch", quote(in.Branch), "not a branch", "for example branch: main")
		}
	})
	t.document(at+".message", in.Message, maxText, false)
	t.text(at+".message", in.Message, maxText)
	out := &experiment.GitAction{
		Repository: in.Repository, Branch: cmp.Or(in.Branch, "main"), Username: in.Username, Token: t.secret(at+".token", in.Token), Message: in.Message,
	}
	if n := len(in.Files); n == 0 || n > maxFiles {
		t.fail(at+".files", fmt.Sprintf("%d files", n), fmt.Sprintf("want 1 to %d files", maxFiles), "for example files: [{path: route.yaml, set: [{path: .spec.weight, value: \"100\"}]}]")
	}
	for i, f := range in.Files {
		out.Files = append(out.Files, t.gitFile(fmt.Sprintf("%s.files[%d]", at, i), f))
		if slices.ContainsFunc(in.Files[:i], func(o v1alpha1.GitFile) bool { return o.Path == f.Path }) {
			t.fail(fmt.Sprintf("%s.files[%d].path", at, i), quote(f.Path), "given twice", "write all of the file's changes in one place")
		}
	}
	return out
}

func (t *translator) gitFile(at string, in v1alpha1.GitFile) experiment.GitFile {
	t.required(at+".path", in.Path, "the path of a file is required", "for example path: routes/ranker.yaml")
	t.words(at+".path", in.Path, maxText)
	if inside := path.Clean("/" + in.Path); in.Path != "" && (inside != "/"+in.Path || strings.ContainsRune(in.Path, '\\') || strings.EqualFold(strings.Split(in.Path, "/")[0], ".git")) {
		t.fail(at+".path", quote(in.Path), "not the path of a file of the repository", "from its root, without .. and a leading slash")
	}
	if (in.Content == "") == (len(in.Set) == 0) || len(in.Set) > maxEdits {
		t.fail(at, "", fmt.Sprintf("exactly one of content and set is required, and at most %d values", maxEdits), "for example set: [{path: .spec.weight, value: \"100\"}]")
	}
	t.document(at+".content", in.Content, maxManifest, false)
	out := experiment.GitFile{Path: in.Path, Content: in.Content}
	for i, e := range in.Set {
		edit := fmt.Sprintf("%s.set[%d]", at, i)
		t.required(edit+".path", e.Path, "a path is required", fieldHint)
		t.filledOr(edit+".path", e.Path, func() {
			if _, err := router.ParsePath(e.Path); err != nil && e.Path != "" {
				t.fail(edit+".path", quote(e.Path), "not the path of one field", fieldHint)
			}
		})
		t.required(edit+".value", e.Value, "a value is required", "it is YAML, for example value: \"100\"")
		t.document(edit+".value", e.Value, maxEdit, false)
		if roots, err := parse([]byte(e.Value)); e.Value != "" && !holds(e.Value) && (err != nil || len(roots) > 1) {
			t.fail(edit+".value", quote(e.Value), "not YAML", "")
		}
		out.Set = append(out.Set, experiment.GitEdit{Path: e.Path, Value: e.Value})
	}
	return out
}

// loadTakes is how long the load of one action takes at its rate.
func loadTakes(l *experiment.LoadAction) time.Duration {
	if l.For > 0 || l.Rate == 0 {
		return l.For
	}
	return min(mostLoad, time.Duration(float64(l.Requests)/l.Rate*float64(time.Second)))
}

func (t *translator) loads(at string, in *v1alpha1.LoadAction) *experiment.LoadAction {
	if !t.plan.Strict && !in.Discard {
		t.fail(at, "", "load is evidence of strict experiments only", "write discard: true to load and forget, for example to warm a version up")
	}
	out := &experiment.LoadAction{
		Rate: defaultLoadRate, Requests: t.some(at+".requests", in.Requests, 0, mostRequests),
		Concurrency: int(t.some(at+".concurrency", in.Concurrency, defaultConcurrency, mostConcurrency)),
		Body:        in.Body, BodyURL: in.BodyURL, ContentType: in.ContentType, Discard: in.Discard,
	}
	if in.Rate != nil {
		out.Rate = t.number(at+".rate", *in.Rate, defaultLoadRate, 0, mostLoadRate)
	}
	if in.For != "" {
		out.For = t.bounded(at+".for", in.For, time.Second, leastActionTimeout, mostLoad)
	}
	switch {
	case out.Requests > 0 && in.For != "":
		t.fail(at+".for", quote(string(in.For)), "requests bound the load already", "leave one of the two out")
	case in.For == "" && out.Requests == 0:
		out.Requests = defaultRequests
	}
	if takes := float64(out.Requests) / out.Rate; out.Rate > 0 && takes > mostLoad.Seconds() && t.clean(at) {
		t.fail(at+".requests", fmt.Sprint(in.Requests), fmt.Sprintf("at %g a second they take longer than %s", out.Rate, mostLoad), "raise the rate, or want fewer")
	}
	t.loadBody(at, in)
	if n := len(in.Targets); n == 0 || n > maxTargets {
		t.fail(at+".targets", fmt.Sprintf("%d targets", n), fmt.Sprintf("want 1 to %d targets", maxTargets), "for example targets: [{version: v1, url: \"http://ranker-v1/predict\"}]")
	}
	for i, x := range in.Targets {
		target := fmt.Sprintf("%s.targets[%d]", at, i)
		t.address(target+".url", x.URL, "for example url: http://ranker-v1/predict")
		version := -1
		if x.Version != "" {
			version = t.version(target+".version", quote(x.Version), x.Version)
		}
		for k, h := range x.Headers {
			t.document(fmt.Sprintf("%s.headers[%d].value", target, k), h.Value, maxHeader, true)
		}
		out.Targets = append(out.Targets, experiment.LoadTarget{Version: version, URL: x.URL, Headers: t.headers(target+".headers", x.Headers, nil)})
	}
	return out
}

// loadBody checks what is posted.
func (t *translator) loadBody(at string, in *v1alpha1.LoadAction) {
	t.document(at+".body", in.Body, maxManifest, false)
	if in.BodyURL != "" {
		t.address(at+".bodyURL", in.BodyURL, "for example bodyURL: https://example.org/request.json")
	}
	switch {
	case in.Body != "" && in.BodyURL != "":
		t.fail(at+".bodyURL", "", "there is a body already", "leave one of the two out")
	case in.ContentType != "" && in.Body == "" && in.BodyURL == "":
		t.fail(at+".contentType", quote(in.ContentType), "there is no body", "add body or bodyURL")
	}
	t.document(at+".contentType", in.ContentType, maxName, false)
	t.headerValue(at+".contentType", in.ContentType)
}
