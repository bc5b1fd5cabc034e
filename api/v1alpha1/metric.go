// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Metric is how outcomes or telemetry become a number per version.
type Metric struct {
	Name string `json:"name"`
	// Goal is increase or decrease; built-in metrics know their own.
	Goal string `json:"goal,omitempty"`
	From From   `json:"from"`
	// Trust is self-reported where what a version says of itself may decide.
	Trust string `json:"trust,omitempty"`
}

// From is the source of a metric; exactly one field is set.
type From struct {
	// Builtin is a metric of the router's pack: error-rate or latency.
	Builtin string `json:"builtin,omitempty"`
	// Quantile goes with latency: 0.99, or 99%.
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
	// Protocol is oip, kserve, seldon, openai or json.
	Protocol string `json:"protocol,omitempty"`
	// Class and Score are jq expressions on the answer.
	Class string `json:"class,omitempty"`
	Score string `json:"score,omitempty"`
	// Sample is the share of answers that is read.
	Sample Quantity `json:"sample,omitempty"`
	// Features are the inputs that each request should have.
	Features []string `json:"features,omitempty"`
	// Digests are headers of answers that tell what a version is made of.
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
