// SPDX-License-Identifier: Apache-2.0

package action

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// The headers of webhooks.
const (
	// HeaderSignature is "sha256=" and the hex HMAC-SHA-256 of the body.
	HeaderSignature = "X-Headgate-Signature"
	// HeaderKey is the same for every try of one action, also after a restart.
	HeaderKey = "Idempotency-Key"
)

// webhook makes an HTTP request.
func (r *Runner) webhook(ctx context.Context, j *job, a *experiment.WebhookAction) (result, error) {
	s := &secrets{owner: &j.owner}
	req, err := r.request(ctx, j, a, s)
	if err != nil {
		return result{}, s.hidden(err)
	}
	return result{}, s.hidden(r.send(req, s))
}

// send makes a request and says whether it was taken.
func (r *Runner) send(req *http.Request, s *secrets) error {
	resp, err := r.client.Do(req)
	if err != nil {
		return unanswered(req.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	return judge(req.URL, resp, s.hide(answer(resp)))
}

// request makes the request of a webhook.
func (r *Runner) request(ctx context.Context, j *job, a *experiment.WebhookAction, s *secrets) (*http.Request, error) {
	u, err := webAddress(a.URL)
	if err != nil {
		return nil, err
	}
	body := a.Body
	if body == "" {
		if body, err = asJSON(j.task.Document); err != nil {
			return nil, hopeless(err)
		}
	}
	method := strings.ToUpper(cmp.Or(a.Method, http.MethodPost))
	if method == http.MethodGet || method == http.MethodHead {
		body = a.Body
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, hopeless(invalid("ask %s: %s", where(u), reason(err)))
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(HeaderKey, j.task.Key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := authorize(ctx, req, a, s); err != nil {
		return nil, err
	}
	if err := setHeaders(ctx, req, a, s); err != nil {
		return nil, err
	}
	key, err := s.read(ctx, "key of the signature", a.Sign)
	if err != nil {
		return nil, err
	}
	if a.Sign != nil {
		mac := hmac.New(sha256.New, []byte(key))
		_, _ = mac.Write([]byte(body)) // It never fails.
		req.Header.Set(HeaderSignature, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return req, nil
}

// webAddress reads the URL of a server.
func webAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, hopeless(invalid("the address is no URL of http or https"))
	case u.User != nil:
		return nil, hopeless(invalid("the address of %s carries credentials", u.Host).WithHint("put them into username and password, which are secrets"))
	}
	return u, nil
}

func authorize(ctx context.Context, req *http.Request, a *experiment.WebhookAction, s *secrets) error {
	password, err := s.read(ctx, "password", a.Password)
	if err != nil {
		return err
	}
	if a.Username != "" || a.Password != nil {
		req.SetBasicAuth(a.Username, password)
		s.note(strings.TrimPrefix(req.Header.Get("Authorization"), "Basic "))
	}
	token, err := s.read(ctx, "token", a.Token)
	if err != nil {
		return err
	}
	if a.Token != nil {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// named is ${NAME} in headers.
var named = regexp.MustCompile(`\$\{[^}]*\}`)

// setHeaders sets the headers that the plan gives. ${NAME} of no secret stays as
// it is.
func setHeaders(ctx context.Context, req *http.Request, a *experiment.WebhookAction, s *secrets) error {
	values := map[string]string{}
	for i := range a.Secrets {
		value, err := s.read(ctx, "secret "+a.Secrets[i].Name, &a.Secrets[i].Secret)
		if err != nil {
			return err
		}
		values["${"+a.Secrets[i].Name+"}"] = value
	}
	for _, h := range a.Headers {
		value := named.ReplaceAllStringFunc(h.Value, func(name string) string {
			if v, ok := values[name]; ok {
				return v
			}
			return name
		})
		if strings.ContainsAny(value, "\r\n") {
			return hopeless(invalid("header %s: its value has several lines", h.Name))
		}
		if strings.EqualFold(h.Name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(h.Name, value)
	}
	return nil
}
