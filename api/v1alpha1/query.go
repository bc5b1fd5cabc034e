// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// HTTP says what is read from any provider that answers with JSON. Texts are
// templates like those of prometheus, and the time of a window is {{.Window}},
// its length in whole seconds, {{.From}} and {{.To}} in Unix seconds; in a strict
// experiment {{.Elapsed}} is the whole seconds since the first iteration.
// Exactly one form is filled, with jq expressions that give one number: value;
// events and total; or sum and count, perhaps with squares.
type HTTP struct {
	// Provider names one of spec.providers; it may be left out where there is one.
	Provider string `json:"provider,omitempty"`
	// Method is GET where it is left out, or POST.
	//
	// +kubebuilder:validation:Enum=GET;POST
	Method string `json:"method,omitempty"`
	// Path is added to the provider's URL.
	//
	// +kubebuilder:validation:MaxLength=1000
	Path string `json:"path,omitempty"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Params []NameValue `json:"params,omitempty"`
	// Body is JSON once it is filled in.
	//
	// +kubebuilder:validation:MaxLength=16384
	Body string `json:"body,omitempty"`
	// Value is one number for each window; windows are the sample.
	//
	// +kubebuilder:validation:MaxLength=1000
	Value string `json:"value,omitempty"`
	// Events and Total are counts; the metric is the share of events.
	//
	// +kubebuilder:validation:MaxLength=1000
	Events string `json:"events,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	Total string `json:"total,omitempty"`
	// Sum and Count make a mean. With Squares, the sum of squares of what Sum
	// adds, Count counts independent units; else windows are the sample.
	//
	// +kubebuilder:validation:MaxLength=1000
	Sum string `json:"sum,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	Count string `json:"count,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	Squares string `json:"squares,omitempty"`
}

// SQL is one query for all versions of a window, whose ends are :from and :to: in
// PostgreSQL times, in SQLite Unix seconds. Its columns are version and what Form
// says. A strict experiment has the form value, and need not ask for a window.
type SQL struct {
	// Provider names one of spec.providers; it may be left out where there is one.
	Provider string `json:"provider,omitempty"`
	// +kubebuilder:validation:MaxLength=16384
	Query string `json:"query"`
	// Form is units (columns unit, value and perhaps weight, a row for each
	// unit), moments (n, sum, squares, a row for each version), counts (events,
	// total) or value.
	//
	// +kubebuilder:validation:Enum=units;moments;counts;value
	Form string `json:"form"`
}

// HTTPProvider is a server that answers with JSON.
type HTTPProvider struct {
	// URL, headers and Username may use ${NAME} of secrets.
	//
	// +kubebuilder:validation:MaxLength=1000
	URL string `json:"url"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Headers []NameValue `json:"headers,omitempty"`
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Secrets []NamedSecret `json:"secrets,omitempty"`
	// Username and Password are for basic authentication, Token is a bearer's.
	//
	// +kubebuilder:validation:MaxLength=256
	Username string  `json:"username,omitempty"`
	Password *Secret `json:"password,omitempty"`
	Token    *Secret `json:"token,omitempty"`
	// CA verifies the server, beside the system's roots; Certificate and Key are
	// the client's own. All are PEM.
	CA          *Secret `json:"ca,omitempty"`
	Certificate *Secret `json:"certificate,omitempty"`
	Key         *Secret `json:"key,omitempty"`
	// Timeout bounds one question (5s).
	Timeout Duration `json:"timeout,omitempty"`
	// Delay is how long after the end of a window it is asked (1m).
	Delay Duration `json:"delay,omitempty"`
}

// SQLProvider is a database; exactly one of Postgres and SQLite is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.postgres) != has(self.sqlite)",message="exactly one of postgres and sqlite is required"
type SQLProvider struct {
	// Postgres is the secret that holds the database's URL.
	Postgres *Secret `json:"postgres,omitempty"`
	// SQLite is the path of a file. There are none in a cluster.
	//
	// +kubebuilder:validation:MaxLength=1000
	SQLite string `json:"sqlite,omitempty"`
	// Timeout bounds one query (10s).
	Timeout Duration `json:"timeout,omitempty"`
	// Delay is how long after the end of a window it is asked (1m).
	Delay Duration `json:"delay,omitempty"`
}

// Mock makes a number up, in a strict experiment: a counter is the seconds since
// the first iteration times the level, anything else varies about the level.
type Mock struct {
	Counter bool `json:"counter,omitempty"`
	// Levels are by version; one without has no number.
	//
	// +kubebuilder:validation:MaxProperties=8
	Levels map[string]Quantity `json:"levels,omitempty"`
}

// Iterate is the only stage of a strict experiment: the versions are compared by
// point values and the shares follow the best, iteration by iteration.
type Iterate struct {
	// Pattern is conformance, canary or reward: which version wins.
	//
	// +kubebuilder:validation:Enum=conformance;canary;reward
	Pattern string `json:"pattern"`
	// Shift is none, greedy (default) or switch.
	//
	// +kubebuilder:validation:Enum=none;greedy;switch
	Shift string `json:"shift,omitempty"`
	// Every is the time between two iterations (20s), Times how many make a loop
	// (15), Loops how many loops there are (1).
	Every Duration `json:"every,omitempty"`
	Times int64    `json:"times,omitempty"`
	Loops int64    `json:"loops,omitempty"`
	// Cap bounds each candidate's share (100%), Increment by how much it rises in
	// one iteration (10%).
	Cap       Quantity `json:"cap,omitempty"`
	Increment Quantity `json:"increment,omitempty"`
}
