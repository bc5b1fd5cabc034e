// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"time"
)

// Hook is a transition at which actions are done.
type Hook string

// The hooks. OnStart comes before the first share is given, OnStep after every
// share step (of a strict plan: after every loop), OnPromote and OnRollback with
// these ends, OnFinish with every end, after them.
const (
	OnStart    Hook = "onStart"
	OnStep     Hook = "onStep"
	OnPromote  Hook = "onPromote"
	OnRollback Hook = "onRollback"
	OnFinish   Hook = "onFinish"
)

// Hooks lists the hooks in the order in which they can come.
func Hooks() []Hook { return []Hook{OnStart, OnStep, OnPromote, OnRollback, OnFinish} }

// Actions are what is done at transitions besides moving traffic. Those of one
// hook are done one after the other; one that fails for good calls off the rest
// of its hook, unless it is told to be ignored. None is ever in the way of the
// way back (D3).
type Actions struct {
	// ServiceAccount, in the plan's namespace, is who acts in a cluster; empty is
	// "default". Nothing is done under the controller's own rights.
	ServiceAccount string   `json:"serviceAccount,omitempty"`
	OnStart        []Action `json:"onStart,omitempty"`
	OnStep         []Action `json:"onStep,omitempty"`
	OnPromote      []Action `json:"onPromote,omitempty"`
	OnRollback     []Action `json:"onRollback,omitempty"`
	OnFinish       []Action `json:"onFinish,omitempty"`
}

// Of lists the actions of a hook.
func (a *Actions) Of(h Hook) []Action {
	if a == nil {
		return nil
	}
	switch h {
	case OnStart:
		return a.OnStart
	case OnStep:
		return a.OnStep
	case OnPromote:
		return a.OnPromote
	case OnRollback:
		return a.OnRollback
	default:
		return a.OnFinish
	}
}

// Action is one thing to do; exactly one kind is set. Its texts are Go templates
// with the fields of the action's document, of which If is a jq condition.
type Action struct {
	Name string `json:"name"`
	// If must give true for the action to be done; empty is always.
	If string `json:"if,omitempty"`
	// Timeout bounds one try, Retries how many follow the first.
	Timeout time.Duration `json:"timeout"`
	Retries int           `json:"retries,omitempty"`
	// Ignore goes on as if nothing were, where the action fails for good.
	Ignore bool `json:"ignore,omitempty"`

	Patch     *PatchAction     `json:"patch,omitempty"`
	Apply     *ApplyAction     `json:"apply,omitempty"`
	Delete    *ObjectRef       `json:"delete,omitempty"`
	Scale     *ScaleAction     `json:"scale,omitempty"`
	Webhook   *WebhookAction   `json:"webhook,omitempty"`
	Slack     *SlackAction     `json:"slack,omitempty"`
	Exec      *ExecAction      `json:"exec,omitempty"`
	Readiness *ReadinessAction `json:"readiness,omitempty"`
	Git       *GitAction       `json:"git,omitempty"`
	Load      *LoadAction      `json:"load,omitempty"`
}

// Defaults of actions.
const (
	DefaultActionTimeout = 30 * time.Second
	DefaultActionRetries = 3
)

// Kind names what the action does, as people write it.
func (a *Action) Kind() string {
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"patch", a.Patch != nil},
		{"apply", a.Apply != nil},
		{"delete", a.Delete != nil},
		{"scale", a.Scale != nil},
		{"webhook", a.Webhook != nil},
		{"slack", a.Slack != nil},
		{"exec", a.Exec != nil},
		{"readiness", a.Readiness != nil},
		{"git", a.Git != nil},
		{"load", a.Load != nil},
	} {
		if k.set {
			return k.name
		}
	}
	return ""
}

// ObjectRef names an object of the cluster; its namespace is the plan's where it
// is empty.
type ObjectRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// PatchAction patches an object: Type is "merge" (RFC 7386) or "json" (RFC
// 6902); Patch is its text, in YAML or JSON.
type PatchAction struct {
	Object ObjectRef `json:"object"`
	Type   string    `json:"type"`
	Patch  string    `json:"patch"`
}

// ApplyAction applies manifests by server-side apply, with force. Exactly one of
// Manifest (YAML documents) and URL (http, https; on a laptop also a path) is
// set. Namespace is that of objects that name none.
type ApplyAction struct {
	Manifest  string `json:"manifest,omitempty"`
	URL       string `json:"url,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// ScaleAction sets the replicas of an object with a scale subresource.
type ScaleAction struct {
	Object   ObjectRef `json:"object"`
	Replicas int64     `json:"replicas"`
}

// WebhookAction makes an HTTP request. Every try of one action carries the same
// Idempotency-Key. Where Sign is given, X-Headgate-Signature is
// "sha256=" and the hex HMAC-SHA-256 of the body under it.
type WebhookAction struct {
	URL      string      `json:"url"`
	Method   string      `json:"method"`
	Headers  []NameValue `json:"headers,omitempty"`
	Body     string      `json:"body,omitempty"` // empty is the action's document as JSON
	Username string      `json:"username,omitempty"`
	Password *Secret     `json:"password,omitempty"`
	Token    *Secret     `json:"token,omitempty"`
	Sign     *Secret     `json:"sign,omitempty"`
	// Secrets are what ${NAME} in headers stands for.
	Secrets []NamedSecret `json:"secrets,omitempty"`
}

// SlackAction posts a text: to Channel with a bot's Token, or to an incoming
// webhook, whose URL is a secret. An empty Text is a summary.
type SlackAction struct {
	Channel string  `json:"channel,omitempty"`
	Token   *Secret `json:"token,omitempty"`
	Webhook *Secret `json:"webhook,omitempty"`
	Text    string  `json:"text,omitempty"`
}

// ExecAction runs a command: in a cluster as a Job of Image under the service
// account, on a laptop as a child process; either only where whoever runs the
// plan allows it. Command is what is run, without a shell of its own.
type ExecAction struct {
	Image   string   `json:"image,omitempty"`
	Command []string `json:"command"`
	// Literal leaves Command as it is written.
	Literal bool `json:"literal,omitempty"`
}

// ReadinessAction waits for objects: each must be there and, where Condition is
// given, have it with status True. Timeout and Retries bound the wait: a try asks
// until its Timeout.
type ReadinessAction struct {
	Objects []ReadyObject `json:"objects,omitempty"`
	// Routes also wants what holds the shares to be there.
	Routes bool `json:"routes,omitempty"`
}

// ReadyObject is an object and the condition that it must have.
type ReadyObject struct {
	ObjectRef
	Condition string `json:"condition,omitempty"`
}

// GitAction commits changed files to a branch of a repository and pushes it: an
// https, ssh-less file or http URL, over which Token is the password of Username.
type GitAction struct {
	Repository string    `json:"repository"`
	Branch     string    `json:"branch"`
	Username   string    `json:"username,omitempty"`
	Token      *Secret   `json:"token,omitempty"`
	Message    string    `json:"message,omitempty"`
	Files      []GitFile `json:"files"`
}

// GitFile is a file's change: its whole Content, or values Set in its YAML.
type GitFile struct {
	Path    string    `json:"path"`
	Content string    `json:"content,omitempty"`
	Set     []GitEdit `json:"set,omitempty"`
}

// GitEdit sets what stands at a path of a YAML document, such as
// .spec.http[0].route[1].weight; Value is YAML.
type GitEdit struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

// LoadAction asks versions with requests of its own; what they answered becomes
// evidence of a strict plan (LoadQuery).
type LoadAction struct {
	Targets []LoadTarget `json:"targets"`
	// Rate is requests per second and target, 0 as fast as may be; Requests or
	// For bound the load of each target.
	Rate        float64       `json:"rate,omitempty"`
	Requests    int64         `json:"requests,omitempty"`
	For         time.Duration `json:"for,omitempty"`
	Concurrency int           `json:"concurrency"`
	// Body, or what stands at BodyURL, is posted; without either it is GET.
	Body        string `json:"body,omitempty"`
	BodyURL     string `json:"bodyURL,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	// Discard makes load alone, and no evidence.
	Discard bool `json:"discard,omitempty"`
}

// LoadTarget is where a version is asked; Version is -1 for what is none of the
// plan's.
type LoadTarget struct {
	Version int         `json:"version"`
	URL     string      `json:"url"`
	Headers []NameValue `json:"headers,omitempty"`
}

// NameValue is a header, a parameter or a variable.
type NameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// NamedSecret is what ${Name} stands for.
type NamedSecret struct {
	Name   string `json:"name"`
	Secret `json:"secret"`
}

// ActionFailure is an action that failed for good.
type ActionFailure struct {
	Intent
	At  time.Time `json:"at"`
	Why string    `json:"why"`
	// Ignored says that everything went on all the same.
	Ignored bool `json:"ignored,omitempty"`
}

// ActionOf is the action that an intent of kind IntentRun asks for, or nil.
func (p *Plan) ActionOf(i Intent) *Action {
	of := p.Actions.Of(i.Hook)
	if i.Kind != IntentRun || i.Index < 0 || i.Index >= len(of) {
		return nil
	}
	return &of[i.Index]
}

// Label names an intent for people: "onFinish/promote".
func (p *Plan) Label(i Intent) string {
	if a := p.ActionOf(i); a != nil {
		return fmt.Sprintf("%s/%s", i.Hook, a.Name)
	}
	return string(i.Kind)
}
