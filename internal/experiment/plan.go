// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// Plan is an experiment as the engine runs it: checked, defaulted, with every
// name resolved. It does not change while it runs; a change is a new plan.
type Plan struct {
	Namespace  string    `json:"namespace,omitempty"`
	Name       string    `json:"name"`
	Owner      string    `json:"owner,omitempty"`
	Hypothesis string    `json:"hypothesis,omitempty"`
	Versions   []Version `json:"versions"`
	// Listen is the gateway's address, where the file names one.
	Listen  string       `json:"listen,omitempty"`
	Gateway GatewayRules `json:"gateway,omitzero"`
	// Router is what carries the traffic where it is not Headgate's gateway.
	Router     Router      `json:"router,omitzero"`
	Assignment Assignment  `json:"assignment"`
	Segments   []Segment   `json:"segments,omitempty"`
	Metrics    []Metric    `json:"metrics"`
	Reward     *Reward     `json:"reward,omitempty"`
	Objectives []Objective `json:"objectives,omitempty"`
	Guardrails []Guardrail `json:"guardrails,omitempty"`
	Stages     []Stage     `json:"stages"`
	// Providers are where metrics are read from, beside what Headgate sees
	// itself.
	Providers []Provider `json:"providers,omitempty"`
	// Predictions says how predictions are read from answers; nil reads none.
	Predictions *Predictions `json:"predictions,omitempty"`
	// Redact takes fields out of requests and answers before anything is made of
	// them.
	Redact []Redaction `json:"redact,omitempty"`
	// Retention bounds the rows kept by request.
	Retention Retention `json:"retention,omitzero"`
	Promote   Promotion `json:"promote,omitzero"`
	Budget    *Budget   `json:"budget,omitempty"`
	Analysis  Analysis  `json:"analysis"`
	OnUnknown OnUnknown `json:"onUnknown"`
	// Actions are what is done at transitions besides moving traffic; nil where
	// nothing is.
	Actions *Actions `json:"actions,omitempty"`
	// Strict runs the plan by Iter8's rules: its only stage is Iterate.
	Strict bool `json:"strict,omitempty"`

	// Window is the length of one evidence window.
	Window time.Duration `json:"window"`
	// Lag is how long after its end a window still accepts what belongs to it
	// before it is sealed; outcome windows come on top.
	Lag time.Duration `json:"lag"`
	// Stale is the age of a source's newest evidence beyond which nothing is
	// raised (D2).
	Stale time.Duration `json:"stale"`
}

// ID names the experiment in routes, tokens and stores: "namespace/name", or
// the name alone when there is no namespace.
func (p *Plan) ID() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// Hash identifies the plan: SHA-256 of its JSON, in hex. Field order is fixed
// by the struct, so equal plans have equal hashes.
func (p *Plan) Hash() string { return hashJSON(p) }

// hashJSON is the one way values are hashed. The types hashed here hold no
// map, channel or NaN, so marshalling cannot fail; if it did, that would be a
// broken invariant (D6).
func hashJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("D6: state that cannot be written: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Version is one servable model variant. The first of a plan is the baseline,
// the rest are candidates.
type Version struct {
	Name string `json:"name"`
	// Backend says where the version is, in the router's terms; for Headgate's
	// own gateway a base URL.
	Backend string `json:"backend"`
	// Model is the name that the backend knows the model by, where it is not
	// the one that clients ask for: paths of the Open Inference Protocol and of
	// KServe, and the field model of OpenAI requests, are rewritten to it.
	Model string `json:"model,omitempty"`
	// Path replaces the beginning of the path that clients ask for.
	Path *PathRewrite `json:"path,omitempty"`
	// Workload is the Deployment that serves the version in a cluster; empty
	// where nothing asks for it.
	Workload string `json:"workload,omitempty"`
	Cost     Cost   `json:"cost,omitzero"`
	// Parts say what the version is made of (model, features, prompt), by
	// part name in order. Where more than one differs, an effect is not the
	// model's alone.
	Parts []Part `json:"parts,omitempty"`
	// Variables are what texts of metrics and actions call by their names, in
	// order of these.
	Variables []NameValue `json:"variables,omitempty"`
}

// PathRewrite replaces a path's beginning.
type PathRewrite struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Cost is what a version costs, in the plan's one currency.
type Cost struct {
	PerRequest float64 `json:"perRequest,omitempty"`
	// PerHour is the cost of being up, whether it serves or not.
	PerHour float64 `json:"perHour,omitempty"`
	// PerToken goes by the tokens that answers report, in OpenAI's usage.
	PerToken float64 `json:"perToken,omitempty"`
}

// Part is a named, versioned piece of a version.
type Part struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// DifferingParts names the parts in which a candidate differs from the
// baseline, in order.
func (p *Plan) DifferingParts(version int) []string {
	value := func(v int, name string) string {
		for _, part := range p.Versions[v].Parts {
			if part.Name == name {
				return part.Value
			}
		}
		return ""
	}
	var names []string
	for _, v := range []int{0, version} {
		for _, part := range p.Versions[v].Parts {
			if value(0, part.Name) != value(version, part.Name) && !slices.Contains(names, part.Name) {
				names = append(names, part.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Assignment says who is assigned and what happens without a unit.
type Assignment struct {
	Unit Unit `json:"unit"`
	// RejectMissing answers 400 to a request without a unit instead of serving
	// it from the baseline. Neither is ever counted as evidence.
	RejectMissing bool `json:"rejectMissing,omitempty"`
	// Cohort is a header by which the application says itself which version a
	// request gets, by its name; a value that is absent or no version's gets
	// the baseline. Units are then exposed by the application's word alone.
	// Empty where Headgate assigns.
	Cohort string `json:"cohort,omitempty"`
	// Overrides give testers a version; such requests are never counted.
	Overrides []Override `json:"overrides,omitempty"`
	// Exclude names requests that get the baseline and are never counted:
	// bots, synthetic load.
	Exclude []Exclusion `json:"exclude,omitempty"`
}

// Override sends requests that carry a header value to a version.
type Override struct {
	Header  string `json:"header"`
	Value   string `json:"value"`
	Version int    `json:"version"`
}

// Exclusion matches requests by a header: by any of the texts that it contains,
// whatever their case, or by being there at all where there are none.
type Exclusion struct {
	Header   string   `json:"header"`
	Contains []string `json:"contains,omitempty"`
}

// GatewayRules is how Headgate's own gateway treats the versions.
type GatewayRules struct {
	// Idempotent says that every request may be sent a second time: a
	// candidate's 5xx or time-out is then answered by the baseline.
	Idempotent bool `json:"idempotent,omitempty"`
	// Probe is the path that tells whether a version is healthy, asked every
	// ProbeEvery; empty asks nothing and trusts what requests show.
	Probe      string        `json:"probe,omitempty"`
	ProbeEvery time.Duration `json:"probeEvery,omitempty"`
	// Concurrency bounds a version's requests under way, Queue those that wait
	// for a place; 0 is the gateway's own bound. What finds no place is a
	// failure of the candidate, and the baseline answers it.
	Concurrency int `json:"concurrency,omitempty"`
	Queue       int `json:"queue,omitempty"`
}

// Unit says where in a request the unit stands; exactly one field is set.
type Unit struct {
	Header   string `json:"header,omitempty"`
	Cookie   string `json:"cookie,omitempty"`
	JSONPath string `json:"jsonPath,omitempty"`
	Request  bool   `json:"request,omitempty"`
}
