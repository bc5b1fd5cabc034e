// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// got is a request that a server got.
type got struct {
	method, path, host, body string
	header                   http.Header
}

// server answers with what is given, and remembers the newest request.
func server(t *testing.T, status int, header map[string]string, body string) (*httptest.Server, *got) {
	t.Helper()
	last := &got{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		*last = got{r.Method, r.URL.Path, r.Host, string(text), r.Header.Clone()}
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s, last
}

// keeper is an owner with secrets, by their keys.
func keeper(secrets map[string]string) Owner {
	return Owner{UID: "u1", Namespace: "search", Secrets: func(_ context.Context, s experiment.Secret) (string, error) {
		v, ok := secrets[s.Key]
		if !ok {
			return "", errors.New("there is no such key")
		}
		return v, nil
	}}
}

func newRunner(t *testing.T, o Options) *Runner {
	t.Helper()
	r := New(o)
	t.Cleanup(r.Close)
	return r
}

func TestAWebhookSaysWhoAsksAndWhat(t *testing.T) {
	s, last := server(t, 202, nil, "ok")
	owner := keeper(map[string]string{"sign": "s3cret", "token": "t0ken", "extra": "k3y"})
	_, err := run(t, newRunner(t, Options{}), owner, experiment.Action{Webhook: &experiment.WebhookAction{
		URL: s.URL + "/promote/{{.name}}", Headers: []experiment.NameValue{{Name: "X-Api-Key", Value: "a-${EXTRA}-${OTHER}"}, {Name: "Host", Value: "hooks.example"}},
		Token: &experiment.Secret{Key: "token"}, Sign: &experiment.Secret{Key: "sign"},
		Secrets: []experiment.NamedSecret{{Name: "EXTRA", Secret: experiment.Secret{Key: "extra"}}},
		Body:    `{"version":"{{.name}}"}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	_, _ = mac.Write([]byte(`{"version":"v2"}`))
	want := map[string]string{
		"X-Api-Key": "a-k3y-${OTHER}", "Authorization": "Bearer t0ken", "Idempotency-Key": "u1/4/onFinish/0", "Content-Type": "application/json",
		"X-Headgate-Signature": "sha256=" + hex.EncodeToString(mac.Sum(nil)), "User-Agent": "headgate",
	}
	for name, value := range want {
		if last.header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, last.header.Get(name), value)
		}
	}
	if last.method != "POST" || last.path != "/promote/v2" || last.host != "hooks.example" || last.body != `{"version":"v2"}` {
		t.Errorf("%+v", last)
	}
}

func TestAWebhookWithoutABodySendsTheDocument(t *testing.T) {
	s, last := server(t, 200, nil, "")
	j := task(0, experiment.Action{Webhook: &experiment.WebhookAction{URL: s.URL, Method: "put", Username: "ann", Password: &experiment.Secret{Key: "p"}}})
	r := newRunner(t, Options{})
	if _, err := r.once(t.Context(), &job{owner: keeper(map[string]string{"p": "pw"}), task: j, try: 1}); err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(last.body), &doc); err != nil || doc["name"] != "v2" || last.method != "PUT" {
		t.Errorf("%s %s, %v", last.method, last.body, err)
	}
	if user, password, ok := (&http.Request{Header: last.header}).BasicAuth(); !ok || user != "ann" || password != "pw" {
		t.Errorf("%s:%s", user, password)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header map[string]string
		want   string
		after  time.Duration
	}{
		"accepted":              {202, nil, "", 0},
		"not there":             {404, nil, "last", 0},
		"not allowed":           {403, nil, "last", 0},
		"too early to say":      {408, nil, "again", 0},
		"too many":              {429, map[string]string{"Retry-After": "7"}, "again", 7 * time.Second},
		"too many, for a year":  {429, map[string]string{"Retry-After": "31536000"}, "again", maxAfter},
		"a server that is down": {503, map[string]string{"Retry-After": "soon"}, "again", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := server(t, c.status, c.header, "details")
			_, err := run(t, newRunner(t, Options{}), Owner{}, experiment.Action{Webhook: &experiment.WebhookAction{URL: s.URL}})
			if fate(err) != c.want {
				t.Errorf("%v: %s, want %s", err, fate(err), c.want)
			}
			if l, _ := errors.AsType[later](err); l.after != c.after {
				t.Errorf("the next try in %s, want %s", l.after, c.after)
			}
		})
	}
}

func TestNoSecretIsInAnError(t *testing.T) {
	const token = "t0ken-of-forty-letters-t0ken-of-forty-le"
	long, _ := server(t, 400, nil, strings.Repeat("x", 190)+token+strings.Repeat("y", 900))
	encoded, _ := server(t, 400, nil, "Basic YW5uOnAmdw== p&w p%26w cCZ3")
	owner := keeper(map[string]string{"token": token, "p": "p&w "})
	for name, a := range map[string]*experiment.WebhookAction{
		"at the end of a long answer": {URL: long.URL, Token: &experiment.Secret{Key: "token"}},
		"of a request that is wrong":  {URL: long.URL, Headers: []experiment.NameValue{{Name: "X", Value: "${T}\n"}}, Secrets: []experiment.NamedSecret{{Name: "T", Secret: experiment.Secret{Key: "token"}}}},
		"in other words":              {URL: encoded.URL, Username: "ann", Password: &experiment.Secret{Key: "p"}},
		"that is not there":           {URL: long.URL, Token: &experiment.Secret{Key: "other"}},
	} {
		_, err := run(t, newRunner(t, Options{}), owner, experiment.Action{Webhook: a})
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, part := range []string{"t0ken", "p&w", "p%26w", "YW5u", "cCZ3"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(err.Error()) > 300 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

func TestAddressesThatAreNotAsked(t *testing.T) {
	elsewhere, last := server(t, 200, nil, "")
	s, _ := server(t, 307, map[string]string{"Location": strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)}, "")
	asGet, _ := server(t, 303, map[string]string{"Location": "/other"}, "")
	for name, url := range map[string]string{
		"another host":           s.URL,
		"another method":         asGet.URL,
		"link-local":             "http://169.254.169.254/latest/meta-data",
		"link-local of IPv6":     "http://[fe80::1%25lo]/",
		"mapped link-local":      "http://[::ffff:169.254.169.254]/",
		"a file":                 "file:///etc/passwd",
		"no host":                "http:///x",
		"credentials in the URL": "http://a:b@127.0.0.1:1/",
	} {
		_, err := run(t, newRunner(t, Options{}), Owner{}, experiment.Action{Webhook: &experiment.WebhookAction{URL: url}})
		if fate(err) != "last" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if last.method != "" {
		t.Error("it followed to another host")
	}
}

func TestSlackIsToldByABot(t *testing.T) {
	owner := keeper(map[string]string{"token": "xoxb-1"})
	slack := experiment.Action{Slack: &experiment.SlackAction{Channel: "#{{.name}}", Token: &experiment.Secret{Key: "token"}}}
	for name, c := range map[string]struct {
		status     int
		body, want string
		says       string
	}{
		"taken":               {200, `{"ok":true,"channel":"C1","ts":"1503435956.000247","message":{"text":"…"}}`, "", ""},
		"taken with a caveat": {200, `{"ok":true,"warning":"missing_charset"}`, "", ""},
		"no such channel":     {200, `{"ok":false,"error":"channel_not_found"}`, "last", "invite the bot"},
		"a bad token":         {200, `{"ok":false,"error":"invalid_auth"}`, "last", "renew"},
		"Slack is down":       {200, `{"ok":false,"error":"internal_error"}`, "again", ""},
		"too often":           {429, `{"ok":false,"error":"ratelimited"}`, "again", ""},
		"something else":      {200, `<html>xoxb-1`, "again", "something else"},
	} {
		t.Run(name, func(t *testing.T) {
			s, last := server(t, c.status, map[string]string{"Retry-After": "3"}, c.body)
			r := newRunner(t, Options{})
			r.slack = s.URL
			_, err := run(t, r, owner, slack)
			if fate(err) != c.want || err != nil && (!strings.Contains(sentence(err), c.says) || strings.Contains(err.Error(), "xoxb")) {
				t.Errorf("%v: %q, want %q", err, fate(err), c.want)
			}
			var message map[string]any
			_ = json.Unmarshal([]byte(last.body), &message)
			want := map[string]any{"channel": "#v2", "text": "*search/ranker*: promoted\nv1 0%, v2 100%"}
			if diff := cmp.Diff(want, message); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if last.header.Get("Authorization") != "Bearer xoxb-1" || !strings.HasPrefix(last.header.Get("Content-Type"), "application/json") {
				t.Errorf("%v", last.header)
			}
		})
	}
}

func TestSlackIsToldByAnIncomingWebhook(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"taken":          {200, "ok", ""},
		"an old channel": {410, "channel_is_archived", "last"},
		"nobody's":       {404, "no_team", "last"},
		"too often":      {429, "", "again"},
		"Slack is down":  {500, "rollup_error", "again"},
	} {
		t.Run(name, func(t *testing.T) {
			s, last := server(t, c.status, nil, c.body)
			owner := keeper(map[string]string{"hook": s.URL + "/services/T0/B0/s3cret\n"})
			_, err := run(t, newRunner(t, Options{}), owner, experiment.Action{Slack: &experiment.SlackAction{Webhook: &experiment.Secret{Key: "hook"}, Text: "{{.name}} won"}})
			if fate(err) != c.want || err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v: %q, want %q", err, fate(err), c.want)
			}
			if last.path != "/services/T0/B0/s3cret" || last.body != `{"text":"v2 won"}` || last.header.Get("Authorization") != "" {
				t.Errorf("%+v", last)
			}
		})
	}
}

func TestSlackNeedsAWayThere(t *testing.T) {
	_, err := run(t, newRunner(t, Options{}), keeper(nil), experiment.Action{Slack: &experiment.SlackAction{Channel: "#x"}})
	if fate(err) != "last" {
		t.Error(err)
	}
}
