// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
)

// Bounds and defaults of actions.
const (
	maxActions  = 16 // in one list
	maxManifest = 64 << 10
	maxRetries  = 20

	defaultReadiness   = time.Minute
	leastActionTimeout = 100 * time.Millisecond
	mostActionTimeout  = 24 * time.Hour
)

// actions reads what is done at transitions besides moving traffic.
func (t *translator) actions() {
	in, path := t.api.Spec.Actions, "spec.actions"
	if in == nil {
		return
	}
	if t.given(path + ".serviceAccount") {
		t.objectName(path+".serviceAccount", in.ServiceAccount, "experiments")
	}
	out := &experiment.Actions{ServiceAccount: in.ServiceAccount}
	n := 0
	for _, h := range []struct {
		hook experiment.Hook
		list []v1alpha1.Action
		into *[]experiment.Action
	}{
		{experiment.OnStart, in.OnStart, &out.OnStart},
		{experiment.OnStep, in.OnStep, &out.OnStep},
		{experiment.OnPromote, in.OnPromote, &out.OnPromote},
		{experiment.OnRollback, in.OnRollback, &out.OnRollback},
		{experiment.OnFinish, in.OnFinish, &out.OnFinish},
	} {
		n += len(h.list)
		*h.into = t.hook(path+"."+string(h.hook), h.list)
	}
	switch {
	case n == 0:
		t.fail(path, "", "there is no action", "for example actions: {onFinish: [{webhook: {url: \"https://example.org/hook\"}}]}")
	case len(in.OnPromote) > 0 && len(t.plan.Versions) == 1:
		t.fail(path+".onPromote", "", "there is nobody to promote", "write onFinish")
	}
	t.plan.Actions = out
}

// hook reads the actions of one list. One without a name is called by its kind,
// and by a number where there are several.
func (t *translator) hook(path string, in []v1alpha1.Action) []experiment.Action {
	if len(in) > maxActions {
		t.fail(path, fmt.Sprintf("%d actions", len(in)), fmt.Sprintf("want at most %d actions", maxActions), "")
	}
	taken := map[string]bool{}
	for i, a := range in {
		at := fmt.Sprintf("%s[%d].name", path, i)
		if a.Name == "" {
			continue
		}
		t.name(at, a.Name)
		if taken[a.Name] {
			t.fail(at, quote(a.Name), "another action of the list is called so", "give each a name of its own")
		}
		taken[a.Name] = true
	}
	var out []experiment.Action
	for i, a := range in {
		x := t.action(fmt.Sprintf("%s[%d]", path, i), a)
		for k := 1; x.Name == "" && x.Kind() != ""; k++ {
			name := x.Kind()
			if k > 1 {
				name = fmt.Sprintf("%s-%d", name, k)
			}
			if !taken[name] {
				x.Name, taken[name] = name, true
			}
		}
		out = append(out, x)
	}
	return out
}

// action reads one action.
func (t *translator) action(path string, a v1alpha1.Action) experiment.Action {
	out := experiment.Action{Name: a.Name, If: a.If, Ignore: a.OnFailure == "ignore", Retries: experiment.DefaultActionRetries}
	t.condition(path+".if", a.If)
	t.option(path+".onFailure", a.OnFailure, "stop", "ignore")
	if a.Retries != nil {
		out.Retries = int(t.count(path+".retries", *a.Retries, maxRetries))
	}
	kinds := 0
	for _, on := range []bool{
		a.Patch != nil, a.Apply != nil, a.Delete != nil, a.Scale != nil, a.Webhook != nil,
		a.Slack != nil, a.Exec != nil, a.Readiness != nil, a.Git != nil, a.Load != nil,
	} {
		if on {
			kinds++
		}
	}
	if kinds != 1 {
		t.fail(path, fmt.Sprintf("%d of them", kinds), "exactly one of patch, apply, delete, scale, webhook, slack, exec, readiness, git and load is required", "for example apply: {url: \"https://example.org/v2.yaml\"}")
		return out
	}
	timeout := experiment.DefaultActionTimeout
	switch {
	case a.Patch != nil:
		out.Patch = t.patch(path+".patch", a.Patch)
	case a.Apply != nil:
		out.Apply = t.apply(path+".apply", a.Apply)
	case a.Delete != nil:
		ref := t.objectRef(path+".delete", *a.Delete)
		out.Delete = &ref
	case a.Scale != nil:
		out.Scale = t.scale(path+".scale", a.Scale)
	case a.Webhook != nil:
		out.Webhook = t.webhook(path+".webhook", a.Webhook)
	case a.Slack != nil:
		out.Slack = t.slack(path+".slack", a.Slack)
	case a.Exec != nil:
		out.Exec = t.exec(path+".exec", a.Exec)
	case a.Readiness != nil:
		out.Readiness = t.readiness(path+".readiness", a.Readiness)
		timeout = defaultReadiness
	case a.Git != nil:
		out.Git = t.git(path+".git", a.Git)
	default:
		out.Load = t.loads(path+".load", a.Load)
		timeout += loadTakes(out.Load)
	}
	out.Timeout = t.bounded(path+".timeout", a.Timeout, timeout, leastActionTimeout, mostActionTimeout)
	if out.Load != nil && a.Timeout != "" && out.Timeout < loadTakes(out.Load) && t.clean(path) {
		t.fail(path+".timeout", quote(string(a.Timeout)), fmt.Sprintf("the load alone takes %s", short(float64(loadTakes(out.Load)))), "leave timeout out, or load less")
	}
	return out
}

const conditionHint = `a jq condition, for example .experiment.outcome == "promoted"`

// condition checks what decides whether an action is done.
func (t *translator) condition(path, expression string) {
	if expression == "" {
		return
	}
	_, err := jq.Compile(expression)
	if refused, ok := errors.AsType[*jq.Error](err); ok {
		t.fail(path, quote(expression), refused.Message, conditionHint)
	}
}

// holds reports whether a text is a template with something to fill in, which
// nothing can be said about before its time.
func holds(s string) bool { return strings.Contains(s, "{{") }

// document checks a text that is filled in from the action's document, when it is
// done. A secret one is not repeated.
func (t *translator) document(path, s string, most int, secret bool) {
	value := quote(s)
	if secret {
		value = ""
	}
	if len(s) > most {
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d bytes", most), "")
		return
	}
	if _, err := template.New("").Option("missingkey=zero").Parse(s); err != nil {
		message := notTemplate(err).Error()
		if secret {
			message = "not a template"
		}
		t.fail(path, value, message, "texts are Go templates, for example {{.name}}; write {{\"{{\"}} for {{")
	}
}

// words checks a text of one line that is filled in.
func (t *translator) words(path, s string, most int) {
	t.document(path, s, most, false)
	t.line(path, s, most)
}

// filledOr checks a text that is filled in, and by more where it is plain.
func (t *translator) filledOr(path, s string, check func()) {
	if holds(s) {
		t.words(path, s, maxText)
		return
	}
	check()
}

// objectRef checks the names of an object.
func (t *translator) objectRef(path string, in v1alpha1.ObjectRef) experiment.ObjectRef {
	t.required(path+".apiVersion", in.APIVersion, "an object has an apiVersion", "for example apiVersion: apps/v1")
	t.filledOr(path+".apiVersion", in.APIVersion, func() {
		t.form(path+".apiVersion", in.APIVersion, apiVersionForm, "not an apiVersion", "GROUP/VERSION, for example apps/v1")
	})
	t.required(path+".kind", in.Kind, "an object has a kind", "for example kind: Deployment")
	t.filledOr(path+".kind", in.Kind, func() {
		t.form(path+".kind", in.Kind, kindForm, "not a kind", "for example Deployment, as the object writes it")
	})
	t.filledOr(path+".name", in.Name, func() { t.objectName(path+".name", in.Name, "ranker-v2") })
	t.filledOr(path+".namespace", in.Namespace, func() { t.namespace(path+".namespace", in.Namespace) })
	return experiment.ObjectRef{APIVersion: in.APIVersion, Kind: in.Kind, Namespace: in.Namespace, Name: in.Name}
}

// address checks the URL of a server, which may be filled in. Secrets have no
// place in it.
func (t *translator) address(path, s, hint string) {
	t.required(path, s, "a URL is required", hint)
	switch {
	case s == "":
	case !holds(s):
		t.webURL(path, s, hint)
	case strings.Contains(authority(s), "@"):
		t.fail(path, "", "a URL with a user or password", "secrets are named, and never written down")
	case !strings.HasPrefix(s, "{{") && !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://"):
		t.fail(path, withoutSecrets(s), "not a URL that can be asked", hint)
	default:
		t.document(path, s, maxText, true)
	}
}
