// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Stage is one traffic pattern; exactly one of Ramp, Split, Mirror, Bandit,
// Switch, Observe and Iterate is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.ramp), has(self.split), has(self.mirror), has(self.bandit), has(self.switch), has(self.observe), has(self.iterate)].exists_one(x, x)",message="exactly one of ramp, split, mirror, bandit, switch, observe and iterate is required: for example observe: {for: 10m}"
// +kubebuilder:validation:XValidation:rule="!has(self.require) || self.require.all(o, has(o.max) != has(o.min))",message="exactly one of max and min is required"
type Stage struct {
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	Ramp *Ramp  `json:"ramp,omitempty"`
	// +kubebuilder:validation:MaxProperties=8
	Split   map[string]Quantity `json:"split,omitempty"`
	Mirror  *Mirror             `json:"mirror,omitempty"`
	Bandit  *Bandit             `json:"bandit,omitempty"`
	Switch  *Switch             `json:"switch,omitempty"`
	Observe *Observe            `json:"observe,omitempty"`
	Iterate *Iterate            `json:"iterate,omitempty"`
	// Where limits the stage to some groups of segments; all conditions must
	// hold. Shares are shares of these requests.
	//
	// +kubebuilder:validation:MaxProperties=8
	Where map[string]Groups `json:"where,omitempty"`
	// Require lists limits that a candidate must be known to meet before the
	// stage goes on.
	//
	// +kubebuilder:validation:MaxItems=24
	// +listType=atomic
	Require []Objective `json:"require,omitempty"`
	// Approval names who must approve before the stage is left.
	Approval string `json:"approval,omitempty"`
	// Hold goes with ramp.
	Hold *Hold `json:"hold,omitempty"`
	// Until goes with ramp, split, mirror and bandit.
	Until *Until `json:"until,omitempty"`
	// Otherwise goes with split and bandit: keep (default), promote or ask.
	Otherwise string `json:"otherwise,omitempty"`
}

// Groups asks for some groups of a segment; exactly one of In and Not is set.
// Files may write a name or a list of names alone, which is In.
//
// +kubebuilder:validation:XValidation:rule="[has(self.__in__), has(self.not)].exists_one(x, x)",message="exactly one of in and not is required"
type Groups struct {
	In  Names `json:"in,omitempty"`
	Not Names `json:"not,omitempty"`
}

// Names is a list of names; files may write a single one without brackets.
//
// +kubebuilder:validation:MaxItems=8
// +listType=atomic
type Names []string

// Ramp raises the candidates' shares step by step.
type Ramp struct {
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	Steps []Quantity `json:"steps"`
	// Where may stand here instead of beside ramp.
	//
	// +kubebuilder:validation:MaxProperties=8
	Where map[string]Groups `json:"where,omitempty"`
}

// Hold is what each step of a ramp waits for; all of it must be had.
type Hold struct {
	// Requests counts the candidate's own.
	Requests int64    `json:"requests,omitempty"`
	Windows  int64    `json:"windows,omitempty"`
	Settle   Duration `json:"settle,omitempty"`
	For      Duration `json:"for,omitempty"`
}

// Until is the exit of a stage. Decided goes with split, Pairs and Copies with mirror,
// Best with bandit, Units with split and bandit, AtLeast with all three.
type Until struct {
	Decided bool  `json:"decided,omitempty"`
	Units   int64 `json:"units,omitempty"`
	Pairs   int64 `json:"pairs,omitempty"`
	// Copies counts the requests copied to each candidate, where the serving
	// stack mirrors and nobody pairs the answers.
	Copies int64 `json:"copies,omitempty"`
	// Best is the probability of being the best that ends a bandit.
	Best    Quantity `json:"best,omitempty"`
	AtLeast Duration `json:"atLeast,omitempty"`
	AtMost  Duration `json:"atMost,omitempty"`
}

// Mirror sends copies of requests to the candidates; their answers go to
// nobody.
type Mirror struct {
	Share Quantity `json:"share"`
	// By is who sends the copies: gateway, or others, of whose answers events
	// tell, or router, the serving stack, whose copies are counted and not
	// compared. The default is gateway for Headgate's gateway, and router for
	// all others.
	//
	// +kubebuilder:validation:Enum=gateway;events;router
	By string `json:"by,omitempty"`
	// Rate bounds copies per second, Concurrency those in flight.
	Rate        Quantity `json:"rate,omitempty"`
	Concurrency int64    `json:"concurrency,omitempty"`
	// Timeout is how long a copy may take.
	Timeout Duration `json:"timeout,omitempty"`
	// Cost ends the stage when its copies have cost that much.
	Cost Quantity `json:"cost,omitempty"`
}

// Bandit moves traffic towards the version with the best reward while it
// learns which one that is.
type Bandit struct {
	// Policy is epsilon-greedy, ucb1, kl-ucb, thompson (default) or top-two.
	Policy string `json:"policy,omitempty"`
	// Epsilon and Decay go with epsilon-greedy.
	Epsilon Quantity `json:"epsilon,omitempty"`
	Decay   Quantity `json:"decay,omitempty"`
	// Every is the time between two updates.
	Every Duration `json:"every,omitempty"`
	// Explore is the number of matured units that each version must have
	// before the first update.
	Explore int64 `json:"explore,omitempty"`
	// Min and Max bound the share of each version, Step its change at an
	// update; Limits are bounds of single versions.
	Min  Quantity `json:"min,omitempty"`
	Max  Quantity `json:"max,omitempty"`
	Step Quantity `json:"step,omitempty"`
	//
	// +kubebuilder:validation:MaxProperties=8
	Limits map[string]Limit `json:"limits,omitempty"`
	// Per names a segment whose groups have shares of their own; Pool lends
	// each group the strength of all, Caps bound the candidates' shares
	// together in some.
	Per  string `json:"per,omitempty"`
	Pool bool   `json:"pool,omitempty"`
	//
	// +kubebuilder:validation:MaxProperties=8
	Caps map[string]Quantity `json:"caps,omitempty"`
	// Fallback is the version that takes everything when the evidence stays
	// untrustworthy; the baseline by default.
	Fallback string `json:"fallback,omitempty"`
	// Learn is true by default; false keeps the shares even.
	Learn *bool `json:"learn,omitempty"`
}

// Limit bounds a version's share.
type Limit struct {
	Min Quantity `json:"min,omitempty"`
	Max Quantity `json:"max,omitempty"`
}

// Switch gives the candidate everything at once.
type Switch struct {
	// Warm is how long the candidate must have been ready before.
	Warm Duration `json:"warm,omitempty"`
	Soak Duration `json:"soak"`
}

// Observe shifts nothing for a while.
type Observe struct {
	For Duration `json:"for"`
}
