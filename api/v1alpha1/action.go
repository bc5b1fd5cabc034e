// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Actions are what is done at transitions besides moving traffic. Those of one
// list are done one after the other.
type Actions struct {
	// ServiceAccount, in the experiment's namespace, is who acts in a cluster;
	// default where it is left out. Nothing is done under the controller's own
	// rights.
	//
	// +kubebuilder:validation:MaxLength=253
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// OnStart comes before the first share is given, OnStep after every step of
	// the shares, OnPromote and OnRollback with these ends, OnFinish with every
	// end, after them.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	OnStart []Action `json:"onStart,omitempty"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	OnStep []Action `json:"onStep,omitempty"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	OnPromote []Action `json:"onPromote,omitempty"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	OnRollback []Action `json:"onRollback,omitempty"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	OnFinish []Action `json:"onFinish,omitempty"`
}

// Action is one thing to do; exactly one kind is set. Texts are Go templates:
// {{.name}} and every variable of the version that is recommended, and
// {{.experiment.outcome}} and others; the guide lists them.
//
// +kubebuilder:validation:XValidation:rule="[has(self.patch), has(self.apply), has(self.delete), has(self.scale), has(self.webhook), has(self.slack), has(self.exec), has(self.readiness), has(self.git), has(self.load)].exists_one(x, x)",message="exactly one of patch, apply, delete, scale, webhook, slack, exec, readiness, git and load is required"
type Action struct {
	// Name is the kind where it is left out.
	//
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// If is a jq condition on what texts can use: .experiment.outcome == "promoted".
	//
	// +kubebuilder:validation:MaxLength=1000
	If string `json:"if,omitempty"`
	// Timeout bounds one try (30s), Retries is how many follow the first (3).
	Timeout Duration `json:"timeout,omitempty"`
	Retries *int64   `json:"retries,omitempty"`
	// OnFailure is stop (default), which calls off what follows in the list, or
	// ignore.
	//
	// +kubebuilder:validation:Enum=stop;ignore
	OnFailure string `json:"onFailure,omitempty"`

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

// ObjectRef names an object of the cluster.
type ObjectRef struct {
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion"`
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// Namespace is the experiment's where it is left out.
	//
	// +kubebuilder:validation:MaxLength=253
	Namespace string `json:"namespace,omitempty"`
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// PatchAction patches an object.
type PatchAction struct {
	Object ObjectRef `json:"object"`
	// Type is merge (default) or json.
	//
	// +kubebuilder:validation:Enum=merge;json
	Type string `json:"type,omitempty"`
	// Patch is the patch itself, in YAML or JSON.
	//
	// +kubebuilder:validation:MaxLength=65536
	Patch string `json:"patch"`
}

// ApplyAction applies manifests, server-side. Exactly one of Manifest and URL is
// set.
//
// +kubebuilder:validation:XValidation:rule="has(self.manifest) != has(self.url)",message="exactly one of manifest and url is required"
type ApplyAction struct {
	// +kubebuilder:validation:MaxLength=65536
	Manifest string `json:"manifest,omitempty"`
	// URL is where manifests are read from: http or https, on a laptop also a
	// path.
	//
	// +kubebuilder:validation:MaxLength=1000
	URL string `json:"url,omitempty"`
	// Namespace is that of objects that name none; the experiment's by default.
	//
	// +kubebuilder:validation:MaxLength=253
	Namespace string `json:"namespace,omitempty"`
}

// ScaleAction sets an object's replicas.
type ScaleAction struct {
	Object   ObjectRef `json:"object"`
	Replicas int64     `json:"replicas"`
}

// WebhookAction makes an HTTP request.
type WebhookAction struct {
	// +kubebuilder:validation:MaxLength=1000
	URL string `json:"url"`
	// Method is POST where it is left out.
	//
	// +kubebuilder:validation:Enum=GET;POST;PUT;PATCH;DELETE
	Method string `json:"method,omitempty"`
	// Headers may use ${NAME} of secrets.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Headers []NameValue `json:"headers,omitempty"`
	// Body is what texts can use, as JSON, where it is left out.
	//
	// +kubebuilder:validation:MaxLength=65536
	Body     string  `json:"body,omitempty"`
	Username string  `json:"username,omitempty"`
	Password *Secret `json:"password,omitempty"`
	Token    *Secret `json:"token,omitempty"`
	// Sign is the key of X-Headgate-Signature, an HMAC-SHA-256 of the body.
	Sign *Secret `json:"sign,omitempty"`
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Secrets []NamedSecret `json:"secrets,omitempty"`
}

// SlackAction posts a message: to a channel by a bot's token, or to an incoming
// webhook, whose address is a secret.
type SlackAction struct {
	Channel string  `json:"channel,omitempty"`
	Token   *Secret `json:"token,omitempty"`
	Webhook *Secret `json:"webhook,omitempty"`
	// Text is a summary where it is left out.
	//
	// +kubebuilder:validation:MaxLength=4096
	Text string `json:"text,omitempty"`
}

// ExecAction runs a command, in a cluster as a Job. Whoever runs the experiment
// has to allow it.
type ExecAction struct {
	// Image is the Job's.
	//
	// +kubebuilder:validation:MaxLength=1000
	Image string `json:"image,omitempty"`
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Command []string `json:"command"`
	// Literal leaves {{ }} in the command as it is.
	Literal bool `json:"literal,omitempty"`
}

// ReadinessAction waits until objects are there and have their conditions.
type ReadinessAction struct {
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Objects []ReadyObject `json:"objects,omitempty"`
	// Routes also wants what holds the shares to be there.
	Routes bool `json:"routes,omitempty"`
}

// ReadyObject is an object and the condition that must be True.
type ReadyObject struct {
	ObjectRef `json:",inline"`
	// +kubebuilder:validation:MaxLength=63
	Condition string `json:"condition,omitempty"`
}

// GitAction commits changes of files to a branch and pushes it.
type GitAction struct {
	// +kubebuilder:validation:MaxLength=1000
	Repository string `json:"repository"`
	// Branch is main where it is left out.
	//
	// +kubebuilder:validation:MaxLength=253
	Branch   string  `json:"branch,omitempty"`
	Username string  `json:"username,omitempty"`
	Token    *Secret `json:"token,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	Message string `json:"message,omitempty"`
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Files []GitFile `json:"files"`
}

// GitFile is a file's change: all of its content, or values set in its YAML.
type GitFile struct {
	// +kubebuilder:validation:MaxLength=1000
	Path string `json:"path"`
	// +kubebuilder:validation:MaxLength=65536
	Content string `json:"content,omitempty"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Set []GitEdit `json:"set,omitempty"`
}

// GitEdit sets a value, written as YAML, at a path: .spec.http[0].weight.
type GitEdit struct {
	// +kubebuilder:validation:MaxLength=1000
	Path string `json:"path"`
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value"`
}

// LoadAction asks versions with requests of its own. What they answer is evidence
// of a strict experiment: metrics from load.
type LoadAction struct {
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Targets []LoadTarget `json:"targets"`
	// Rate is requests per second and target (8); 0 is as fast as may be.
	Rate *Quantity `json:"rate,omitempty"`
	// Requests or For bound the load; 100 requests by default.
	Requests int64    `json:"requests,omitempty"`
	For      Duration `json:"for,omitempty"`
	// Concurrency is how many requests are under way at most (4).
	Concurrency int64 `json:"concurrency,omitempty"`
	// Body, or what stands at BodyURL, is posted.
	//
	// +kubebuilder:validation:MaxLength=65536
	Body string `json:"body,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	BodyURL     string `json:"bodyURL,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	// Discard makes load alone, and no evidence.
	Discard bool `json:"discard,omitempty"`
}

// LoadTarget is where a version is asked. One that is no version of the
// experiment has load alone.
type LoadTarget struct {
	// +kubebuilder:validation:MaxLength=253
	Version string `json:"version,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	URL string `json:"url"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Headers []NameValue `json:"headers,omitempty"`
}

// NameValue is a header or a parameter.
type NameValue struct {
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value"`
}

// NamedSecret is what ${NAME} stands for.
type NamedSecret struct {
	// As is NAME.
	//
	// +kubebuilder:validation:MaxLength=253
	As     string `json:"as"`
	Secret `json:",inline"`
}
