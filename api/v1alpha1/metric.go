// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Metric is how outcomes or telemetry become a number per version.
type Metric struct {
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Goal is increase or decrease; built-in metrics know their own.
	Goal string `json:"goal,omitempty"`
	// From is required, unless the metric is a reusable one: Ref.
	From From `json:"from,omitzero"`
	// Trust is self-reported where what a version says of itself may decide; for
	// a provider's metric also observed, where somebody else counted.
	Trust string `json:"trust,omitempty"`
	// Ref takes goal, from and trust from an object of kind Metric, Params are
	// what its parameters are here.
	Ref *MetricRef `json:"ref,omitempty"`
	// +kubebuilder:validation:MaxProperties=16
	Params map[string]string `json:"params,omitempty"`
}

// MetricRef names an object of kind Metric.
type MetricRef struct {
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace is the experiment's where it is left out.
	//
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// ReusableMetric is a metric that several experiments use, as a file holds it.
//
// +kubebuilder:object:generate=false
type ReusableMetric struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   Metadata   `json:"metadata"`
	Spec       MetricSpec `json:"spec"`
}

// MetricSpec is a reusable metric itself.
type MetricSpec struct {
	// Params are what the texts of from.prometheus and from.http call
	// {{.Params.NAME}}.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Params []MetricParam `json:"params,omitempty"`
	Goal   string        `json:"goal,omitempty"`
	From   From          `json:"from"`
	Trust  string        `json:"trust,omitempty"`
}

// MetricParam is a parameter; without a default it has to be given.
type MetricParam struct {
	// +kubebuilder:validation:MaxLength=63
	Name    string  `json:"name"`
	Default *string `json:"default,omitempty"`
}

// From is the source of a metric; exactly one field is set.
type From struct {
	// Builtin is a metric of the router's pack: error-rate or latency, and of
	// routers of a cluster mean-latency, requests, ready-replicas or restarts.
	Builtin string `json:"builtin,omitempty"`
	// Quantile goes with latency, builtin or of load: 0.99, or 99%.
	Quantile Quantity `json:"quantile,omitempty"`
	// Outcomes is a metric of the ledger.
	Outcomes *Outcomes `json:"outcomes,omitempty"`
	// Pairs compares the answers of two versions to the same request.
	Pairs *Pairs `json:"pairs,omitempty"`
	// Output is read from answers by jq.
	Output *Output `json:"output,omitempty"`
	// Response is a number that the model server reports with its answers.
	Response *Response `json:"response,omitempty"`
	// Prediction is counted in every prediction read: invalid, empty, null,
	// absent-features, null-features, failed-explanations, size, score or
	// explanation-time.
	Prediction string `json:"prediction,omitempty"`
	// Drift is how far a candidate's outputs as a whole lie from the baseline's.
	Drift *Drift `json:"drift,omitempty"`
	// Labels judge predictions by the truth, which comes later.
	Labels *Labels `json:"labels,omitempty"`
	// Prometheus is read from a provider.
	Prometheus *Prometheus `json:"prometheus,omitempty"`
	// HTTP is read from any provider that answers with JSON, SQL from a database.
	HTTP *HTTP `json:"http,omitempty"`
	SQL  *SQL  `json:"sql,omitempty"`
	// Load is a figure of what the actions of a strict experiment loaded:
	// requests, errors, error-rate, mean-latency or, with quantile, latency, in
	// milliseconds.
	//
	// +kubebuilder:validation:Enum=requests;errors;error-rate;mean-latency;latency
	Load string `json:"load,omitempty"`
	// Mock makes a number up.
	Mock *Mock `json:"mock,omitempty"`
}

// Prometheus says what is read from a provider that speaks Prometheus' HTTP API.
// Exactly one form is filled: events and total, sum and count, buckets and above,
// or query. Texts are templates, filled in for each version: {{.Version}},
// {{.Backend}}, {{.Workload}}, {{.Namespace}}, {{.Experiment}},
// {{.Variables.NAME}} and {{.Params.NAME}}. A strict experiment has queries
// alone, in which {{.Window}} and {{.Elapsed}} are the whole seconds since its
// first iteration.
type Prometheus struct {
	// Provider names one of spec.providers; it may be left out where there is one.
	Provider string `json:"provider,omitempty"`
	// Events and Total select counters: the metric is the share of events.
	//
	// +kubebuilder:validation:MaxLength=4096
	Events string `json:"events,omitempty"`
	// +kubebuilder:validation:MaxLength=4096
	Total string `json:"total,omitempty"`
	// Sum and Count select counters: the metric is a mean.
	//
	// +kubebuilder:validation:MaxLength=4096
	Sum string `json:"sum,omitempty"`
	// +kubebuilder:validation:MaxLength=4096
	Count string `json:"count,omitempty"`
	// Buckets selects the buckets of a classic histogram: the metric is the share
	// above Above, a duration or a number in the series' unit.
	//
	// +kubebuilder:validation:MaxLength=4096
	Buckets string   `json:"buckets,omitempty"`
	Above   Quantity `json:"above,omitempty"`
	// Query is PromQL that gives one number as of a moment.
	//
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query,omitempty"`
}

// Provider is a place that metrics are read from; exactly one kind is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.prometheus), has(self.http), has(self.sql)].exists_one(x, x)",message="exactly one of prometheus, http and sql is required"
type Provider struct {
	// +kubebuilder:validation:MaxLength=63
	Name       string              `json:"name"`
	Prometheus *PrometheusProvider `json:"prometheus,omitempty"`
	HTTP       *HTTPProvider       `json:"http,omitempty"`
	SQL        *SQLProvider        `json:"sql,omitempty"`
}

// PrometheusProvider is a server that speaks Prometheus' HTTP API.
type PrometheusProvider struct {
	// URL is the server's. Exactly one of URL and Targets is set.
	//
	// +kubebuilder:validation:MaxLength=1000
	URL string `json:"url,omitempty"`
	// Targets are expositions that headgate run scrapes itself and keeps two hours
	// in memory: http://127.0.0.1:8000/metrics. In a cluster there are none.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Targets []string `json:"targets,omitempty"`
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
	// Tenant goes with every request as X-Scope-OrgID.
	//
	// +kubebuilder:validation:MaxLength=256
	Tenant string `json:"tenant,omitempty"`
	// Scrape is the longest time between two samples of a series.
	Scrape Duration `json:"scrape,omitempty"`
	// Delay is how long after a scrape its samples can be asked for at the
	// latest.
	Delay Duration `json:"delay,omitempty"`
}

// Secret says where a secret stands: a key of a Secret object in the experiment's
// namespace, a variable of the process's environment, or a file. Exactly one is
// given.
type Secret struct {
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
	// +kubebuilder:validation:MaxLength=256
	Env string `json:"env,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	File string `json:"file,omitempty"`
}

// Output is a ratio over answers: what Sum finds in each per what Count finds,
// or per answer.
type Output struct {
	// Sum and Count are jq expressions that give one number each.
	Sum   string `json:"sum"`
	Count string `json:"count,omitempty"`
	// Sample is the share of answers that is looked at.
	Sample Quantity `json:"sample,omitempty"`
}

// Response is the mean of a number that the model server reports; exactly one
// of Header and Value is set.
type Response struct {
	Header string `json:"header,omitempty"`
	// Value is a jq expression on the answer.
	Value  string   `json:"value,omitempty"`
	Sample Quantity `json:"sample,omitempty"`
}

// Outcomes is a ratio over units: the sum of an event's values per event of
// another name, or per unit.
type Outcomes struct {
	Event  string   `json:"event"`
	Per    string   `json:"per,omitempty"`
	Window Duration `json:"window"`
	// Joined is the least share of units that must have been heard of.
	Joined Quantity `json:"joined,omitempty"`
}

// Pairs is how a candidate's answer compares to the baseline's in a mirror.
type Pairs struct {
	// Compare is failures, latency, class, number, vector, ranking, text or
	// json.
	Compare string `json:"compare"`
	// Value is the jq expression that picks what is compared; without it the
	// prediction is, and of text and json the whole answer.
	Value string `json:"value,omitempty"`
	// K is how many places of a ranking count, By how rankings are compared:
	// overlap (default), rbo or tau.
	K  int64  `json:"k,omitempty"`
	By string `json:"by,omitempty"`
	// Tolerance is the difference that does not count: relative for numbers and
	// latency, absolute for the components of vectors.
	Tolerance Quantity `json:"tolerance,omitempty"`
}

// Drift is a distance between what a candidate and the baseline answer.
type Drift struct {
	// Of is class or score.
	Of string `json:"of"`
	// By is psi (default), js or ks.
	By string `json:"by,omitempty"`
}

// Labels is a statistic of predictions and of the truth that outcomes tell.
type Labels struct {
	// Event is the name that labels are posted under.
	Event string `json:"event"`
	// Of is accuracy, precision, recall, f1, auc, log-loss, brier or
	// calibration.
	Of string `json:"of"`
	// Positive is the class whose presence is predicted, Threshold the score
	// from which on a prediction without a class is positive.
	Positive  string   `json:"positive,omitempty"`
	Threshold Quantity `json:"threshold,omitempty"`
	// Window is how long after its request a label counts.
	Window Duration `json:"window"`
	// Joined is the least share of predictions that must have a label.
	Joined Quantity `json:"joined,omitempty"`
}

// Predictions says how predictions are read from answers. All of it may be left
// out: it is then read as each answer shows it.
type Predictions struct {
	// By is how answers are come by: gateway, through which they pass, or events,
	// of which the model servers' loggers tell. The default is gateway.
	//
	// +kubebuilder:validation:Enum=gateway;events
	By string `json:"by,omitempty"`
	// Protocol is oip, kserve, seldon, openai or json.
	Protocol string `json:"protocol,omitempty"`
	// Class and Score are jq expressions on the answer.
	Class string `json:"class,omitempty"`
	Score string `json:"score,omitempty"`
	// Sample is the share of answers that is read.
	Sample Quantity `json:"sample,omitempty"`
	// Features are the inputs that each request should have.
	//
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Features []string `json:"features,omitempty"`
	// Digests are headers of answers that tell what a version is made of.
	//
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Digests []string `json:"digests,omitempty"`
}

// Redaction takes a field out of requests and answers.
type Redaction struct {
	// Path is where the field stands: $.user.email, or $.items[*].owner.
	Path string `json:"path"`
	// How is remove (default) or hash.
	How string `json:"how,omitempty"`
}

// Ledger says how long the ledger keeps what it stores by request.
type Ledger struct {
	Retention *Retention `json:"retention,omitempty"`
}

// Retention bounds the rows of pairs and of predictions, each.
type Retention struct {
	Rows int64    `json:"rows,omitempty"`
	For  Duration `json:"for,omitempty"`
}
