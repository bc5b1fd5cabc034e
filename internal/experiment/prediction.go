// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// Predictions says how predictions are read from answers.
type Predictions struct {
	// Protocol is how answers are laid out; empty finds it out by each answer.
	Protocol Protocol `json:"protocol,omitempty"`
	// Class and Score are jq expressions on the answer; empty reads them as the
	// protocol has them.
	Class string `json:"class,omitempty"`
	Score string `json:"score,omitempty"`
	// Sample is the share of answers that is read.
	Sample Share `json:"sample"`
	// Features are names of inputs that each request should have.
	Features []string `json:"features,omitempty"`
	// Digests are headers of answers that tell what a version is made of: the
	// hash of its artifact, its schema, its prompt.
	Digests []string `json:"digests,omitempty"`
	// ByEvents says that the traffic does not come through Headgate's gateway,
	// and that model servers' loggers tell what was answered.
	ByEvents bool `json:"byEvents,omitempty"`
}

// Hears says whether the plan's predictions are read from what model servers'
// loggers tell, not on their way through Headgate's gateway.
func (p *Plan) Hears() bool { return p.Predictions != nil && p.Predictions.ByEvents }

// Phase is an interval of constant shares: what is heard while it lasts belongs
// to it.
type Phase struct {
	Epoch int       `json:"epoch"`
	Phase int       `json:"phase"`
	Stage int       `json:"stage"`
	Start time.Time `json:"start"`
}

// Protocol is how model servers lay out requests and answers.
type Protocol string

// The protocols that predictions can be read from.
const (
	ProtocolOIP    Protocol = "oip"    // Open Inference Protocol v2
	ProtocolKServe Protocol = "kserve" // KServe v1, as TensorFlow Serving's
	ProtocolSeldon Protocol = "seldon" // Seldon v1
	ProtocolOpenAI Protocol = "openai"
	ProtocolJSON   Protocol = "json" // anything else: class and score by jq alone
)

// PredictionMetric is a number that is made of every prediction read.
type PredictionMetric struct {
	Kind PredictionKind `json:"kind"`
}

// PredictionKind names what is counted in predictions.
type PredictionKind string

// The kinds. Those up to FailedExplanations are shares of the answers read
// (Counts), the others means over them (Units).
const (
	// InvalidOutput is an answer of status 200 that is not what its protocol
	// says; EmptyOutput one without any prediction; NullOutput one in which a
	// prediction is null or not a number.
	InvalidOutput PredictionKind = "invalid"
	EmptyOutput   PredictionKind = "empty"
	NullOutput    PredictionKind = "null"
	// AbsentFeatures and NullFeatures are requests that lack a declared feature,
	// or have null or no number in its place.
	AbsentFeatures PredictionKind = "absent-features"
	NullFeatures   PredictionKind = "null-features"
	// FailedExplanations are requests for an explanation that failed, of all
	// such requests.
	FailedExplanations PredictionKind = "failed-explanations"
	// OutputSize is the mean size of an answer's body in bytes, MeanScore the
	// mean score, ExplanationTime the mean seconds that an explanation took.
	OutputSize      PredictionKind = "size"
	MeanScore       PredictionKind = "score"
	ExplanationTime PredictionKind = "explanation-time"
)

// Mean reports whether the kind is a mean over answers rather than a share of
// them.
func (k PredictionKind) Mean() bool {
	return k == OutputSize || k == MeanScore || k == ExplanationTime
}

// DriftMetric is how far a candidate's outputs as a whole lie from the
// baseline's. The baseline itself is at 0.
type DriftMetric struct {
	Of DriftOf  `json:"of"`
	By Distance `json:"by"`
}

// DriftOf names what drifts.
type DriftOf string

// What drift is of.
const (
	DriftOfClass DriftOf = "class"
	DriftOfScore DriftOf = "score"
)

// Distance is a distance between two distributions.
type Distance string

// The distances: population stability index, Jensen-Shannon divergence in bits
// and Kolmogorov-Smirnov, which is of scores only.
const (
	PSI Distance = "psi"
	JS  Distance = "js"
	KS  Distance = "ks"
)

// LabelsMetric judges predictions by the truth, which comes later: as outcomes of
// the name Event whose Label, or else whose Value as a decimal number, is the
// true class.
type LabelsMetric struct {
	Event string    `json:"event"`
	Of    LabelStat `json:"of"`
	// Positive is the class whose presence is predicted; "1" by default. It has
	// no meaning for accuracy.
	Positive string `json:"positive,omitempty"`
	// Threshold is the score from which on a prediction without a class is
	// positive.
	Threshold float64 `json:"threshold,omitempty"`
	// Window is how long after the request its label counts.
	Window time.Duration `json:"window"`
	// Joined is as in OutcomesMetric: the least share of a version's matured
	// predictions that must have a label. Their count is the metric's Counts.
	Joined float64 `json:"joined,omitempty"`
}

// LabelStat names what labels tell of predictions.
type LabelStat string

// What labels tell. All but AUC are ratios over units, whose sums are of the
// unit's labelled predictions: correct per labelled; true positives per
// predicted or per true ones; twice the true positives per both; log-loss (in
// nats, scores kept 1e-15 from 0 and 1) and squared error per labelled; scores
// per true positives, which is 1 where a version is calibrated. AUC is the
// probability that a positive has the higher score.
const (
	Accuracy    LabelStat = "accuracy"
	Precision   LabelStat = "precision"
	Recall      LabelStat = "recall"
	F1          LabelStat = "f1"
	AUC         LabelStat = "auc"
	LogLoss     LabelStat = "log-loss"
	Brier       LabelStat = "brier"
	Calibration LabelStat = "calibration"
)

// Scored reports whether the statistic needs scores rather than classes.
func (s LabelStat) Scored() bool {
	return s == AUC || s == LogLoss || s == Brier || s == Calibration
}

// PredictionsRoute is what a gateway reads from answers.
type PredictionsRoute struct {
	Predictions
	// Metrics are the cells asked for.
	Metrics []PredictionAsk `json:"metrics,omitempty"`
	// Classes and Scores ask for the cells of that name.
	Classes bool `json:"classes,omitempty"`
	Scores  bool `json:"scores,omitempty"`
	// Rows asks for each prediction as a row.
	Rows bool `json:"rows,omitempty"`
}

// PredictionAsk asks for one metric's cells.
type PredictionAsk struct {
	Metric string         `json:"metric"`
	Kind   PredictionKind `json:"kind"`
}

// predictionsOf is what a plan reads from predictions; nil is nothing.
func predictionsOf(p *Plan) *PredictionsRoute {
	if p.Predictions == nil {
		return nil
	}
	out := &PredictionsRoute{Predictions: *p.Predictions}
	for i := range p.Metrics {
		switch m := &p.Metrics[i]; {
		case m.Prediction != nil:
			out.Metrics = append(out.Metrics, PredictionAsk{Metric: m.Name, Kind: m.Prediction.Kind})
		case m.Drift != nil && m.Drift.Of == DriftOfClass:
			out.Classes = true
		case m.Drift != nil:
			out.Scores = true
		case m.Labels != nil:
			out.Rows = true
		}
	}
	return out
}
