// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"regexp"
	"strings"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// notified makes an action of a notification: its failure is ignored, unless the
// task says otherwise.
func notified(in *inputs, a v1alpha1.Action) []v1alpha1.Action {
	if in.flag("ignoreFailure", true) {
		a.OnFailure = "ignore"
	}
	return []v1alpha1.Action{a}
}

// secret is the Secret object of a task.
func (t *tasks) secret(in *inputs, required bool) (string, *Problem) {
	written := in.text("secret", required)
	if written == "" {
		return "", nil
	}
	name, ok := secretName(t.e, written)
	if !ok {
		return "", invalid("the secret %s is of another namespace", written).hint("copy it to %s, and write its name alone", namespaceOf(t.e))
	}
	return name, nil
}

func (t *tasks) slack(in *inputs) ([]v1alpha1.Action, *Problem) {
	secret, p := t.secret(in, true)
	if p != nil {
		return nil, p
	}
	var versions []string
	for _, v := range details(t.e) {
		versions = append(versions, v.Name)
	}
	text := asIs(fmt.Sprintf("*%s experiment on %s*\nName: %s/%s\nVersions: %s\n", t.e.Spec.Strategy.TestingPattern, t.e.Spec.Target, namespaceOf(t.e), t.e.Name, strings.Join(versions, ", "))) +
		"Stage: " + t.stage + "\nWinner: {{if .experiment.winnerFound}}{{.experiment.winner}}{{else}}not found{{end}}"
	return notified(in, v1alpha1.Action{Slack: &v1alpha1.SlackAction{
		Channel: in.text("channel", true), Token: &v1alpha1.Secret{Name: secret, Key: "token"}, Text: text,
	}}), nil
}

// summary is the body of a notification that has none of its own.
const summary = `{"summary":{"winnerFound":{{.experiment.winnerFound}},{{if .experiment.winnerFound}}"winner":{{printf "%q" .experiment.winner}},{{end}}` +
	`"versionRecommendedForPromotion":{{printf "%q" .experiment.recommended}},` +
	`"lastRecommendedWeights":[{{$n := 0}}{{range $name, $percent := .experiment.shares}}{{if $n}},{{end}}{{$n = 1}}{"name":{{printf "%q" $name}},"value":{{$percent}}}{{end}}]},` +
	`"experiment":{"apiVersion":"` + api.APIVersion + `","kind":"Experiment","metadata":{"name":{{printf "%q" .experiment.name}},"namespace":{{printf "%q" .experiment.namespace}}}}}`

func (t *tasks) http(in *inputs) ([]v1alpha1.Action, *Problem) {
	secret, p := t.secret(in, false)
	if p != nil {
		return nil, p
	}
	url := in.text("URL", false)
	if url == "" {
		url = in.text("url", true)
	}
	out := &v1alpha1.WebhookAction{URL: asIs(url), Method: in.text("method", false), Body: in.text("body", false)}
	if out.Method == "GET" {
		out.Body = ""
	} else if out.Body == "" {
		out.Body = summary
	} else if out.Body, p = t.templated(out.Body, "", nil); p != nil {
		return nil, p
	}
	var headers []v1alpha1.NameValue
	in.read("headers", &headers)
	typed := false
	for _, h := range headers {
		typed = typed || strings.EqualFold(h.Name, "Content-Type")
		if h.Value, p = t.templated(h.Value, secret, &out.Secrets); p != nil {
			return nil, p
		}
		out.Headers = append(out.Headers, h)
	}
	if !typed {
		out.Headers = append(out.Headers, v1alpha1.NameValue{Name: "Content-Type", Value: "application/json"})
	}
	switch auth := api.AuthType(in.text("authType", false)); {
	case auth != api.Basic && auth != api.Bearer:
	case secret == "":
		return nil, invalid("authType: %s needs a secret", auth)
	case auth == api.Basic:
		out.Username = keyed("${username}", secret, &out.Secrets)
		out.Password = &v1alpha1.Secret{Name: secret, Key: "password"}
	default:
		out.Token = &v1alpha1.Secret{Name: secret, Key: "token"}
	}
	return notified(in, v1alpha1.Action{Timeout: "5s", Webhook: out}), nil
}

// secretPart is a key of the task's secret in a text of either dialect.
var secretPart = regexp.MustCompile(`(?:\{\{|@<)-?\s*\.[sS]ecret(?:\.([A-Za-z_][A-Za-z0-9_]*)|\s+"([A-Za-z_][A-Za-z0-9_]*)")\s*-?(?:\}\}|>@)`)

// templated turns a text of a notification, in either dialect. Only headers may
// name keys of a secret; into is nil elsewhere.
func (t *tasks) templated(s, secret string, into *[]v1alpha1.NamedSecret) (string, *Problem) {
	if secretPart.MatchString(s) && (into == nil || secret == "") {
		return "", invalid("a secret stands in a body, or there is none").hint("secrets go into headers, and with: {secret: NAME} names theirs")
	}
	s = secretPart.ReplaceAllStringFunc(s, func(found string) string {
		m := secretPart.FindStringSubmatch(found)
		return keyed("${"+m[1]+m[2]+"}", secret, into)
	})
	if !strings.Contains(s, "@<") {
		return s, nil
	}
	text, err := scriptTemplate(s)
	if err != nil {
		return "", invalid("%v", err)
	}
	return text, nil
}
