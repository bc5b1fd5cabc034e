// SPDX-License-Identifier: Apache-2.0

package action

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// slackAPI is where messages are posted with a bot's token.
const slackAPI = "https://slack.com/api/chat.postMessage"

// slackPassing are the errors that Slack gives with status 200 and that may be
// gone at the next try.
var slackPassing = []string{"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}

// tellSlack posts a message: by a bot's token, whose answer says in its body
// whether it was taken, or to an incoming webhook, whose status does.
func (r *Runner) tellSlack(ctx context.Context, j *job, a *experiment.SlackAction) (result, error) {
	s := &secrets{owner: &j.owner}
	err := r.postSlack(ctx, j, a, s)
	return result{}, s.hidden(err)
}

func (r *Runner) postSlack(ctx context.Context, j *job, a *experiment.SlackAction, s *secrets) error {
	address, message := r.slack, map[string]any{"text": cmp.Or(a.Text, summary(j.task.Document))}
	incoming, err := s.read(ctx, "address of Slack's incoming webhook", a.Webhook)
	if err != nil {
		return err
	}
	token, err := s.read(ctx, "token of Slack's bot", a.Token)
	switch {
	case err != nil:
		return err
	case incoming != "":
		address = incoming
	case token == "" || a.Channel == "":
		return hopeless(invalid("slack needs a channel and a token, or the address of an incoming webhook"))
	default:
		message["channel"] = a.Channel
	}
	u, err := webAddress(address)
	if err != nil {
		return err
	}
	if incoming != "" {
		s.note(u.Path)
	}
	body, err := json.Marshal(message)
	if err != nil {
		return hopeless(invalid("write the message: %w", err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		return hopeless(invalid("ask %s: %s", u.Host, reason(err)))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", userAgent)
	if incoming != "" {
		return r.send(req, s)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return r.sendBot(req, s)
}

// sendBot posts with a bot's token.
func (r *Runner) sendBot(req *http.Request, s *secrets) error {
	resp, err := r.client.Do(req)
	if err != nil {
		return unanswered(req.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text := answer(resp)
	if err := judge(req.URL, resp, s.hide(text)); err != nil {
		return err
	}
	var said struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	switch err := json.Unmarshal([]byte(text), &said); {
	case err != nil:
		return unavailable("%s answers something else than Slack does: %s", where(req.URL), short(s.hide(text), maxSaid))
	case said.OK:
		return nil
	case slices.Contains(slackPassing, said.Error):
		return later{unavailable("Slack answers %s", said.Error), retryAfter(resp.Header.Get("Retry-After"))}
	}
	return hopeless(invalid("Slack answers %s", short(s.hide(said.Error), maxSaid)).WithHint("%s", slackHint(said.Error)))
}

// slackHint says what to do about an error of Slack's.
func slackHint(code string) string {
	switch code {
	case "not_in_channel", "channel_not_found":
		return "invite the bot to the channel, or name the channel by its ID"
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		return "renew the bot's token"
	case "missing_scope":
		return "give the bot the scope chat:write"
	}
	return "see what Slack's chat.postMessage says of it"
}

// summary is how an experiment stands, in two lines.
func summary(doc map[string]any) string {
	e, _ := doc["experiment"].(map[string]any)
	text := func(key string) string { s, _ := e[key].(string); return s }
	shares, _ := e["shares"].(map[string]any)
	var parts []string
	for name, share := range shares {
		parts = append(parts, fmt.Sprintf("%s %v%%", name, share))
	}
	slices.Sort(parts)
	line := fmt.Sprintf("*%s*: %s", text("id"), cmp.Or(text("outcome"), text("condition")))
	if stage := text("stage"); stage != "" && text("outcome") == "" {
		line += ", stage " + stage
	}
	if winner := text("winner"); winner != "" {
		line += ", winner " + winner
	}
	return line + "\n" + strings.Join(parts, ", ")
}
