// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// Pair is one copy of a request that a mirror sent to a candidate, beside what
// the baseline made of the same request. It is a row: it counts once, however
// often it is handed on.
type Pair struct {
	Experiment string `json:"experiment"`
	Epoch      int    `json:"epoch"`
	Phase      int    `json:"phase"`
	// Window is the request's own: that of its start.
	Window int64 `json:"window"`
	// Version is the candidate that got the copy.
	Version int `json:"version"`
	// ID names the copied request, in at most MaxPairID bytes. With Version it
	// makes the pair count once.
	ID string `json:"id"`
	// Unit is the keyed hash of the request's unit, 0 where it has none.
	Unit uint64    `json:"unit,omitempty"`
	At   time.Time `json:"at"`
	// Groups are the request's, as in exposures: byte i is the index of its
	// group in the route's i-th segment.
	Groups uint64 `json:"groups,omitempty"`
	// Failed says that the copy failed or came too late: it makes no pair.
	Failed bool `json:"failed,omitempty"`
	// Compared holds what each of the route's pair metrics says, in their order.
	Compared []Compared `json:"compared,omitempty"`
}

// MaxPairID is the greatest length of a pair's ID, in bytes.
const MaxPairID = 64

// Compared is what one metric of pairs says of one pair.
type Compared struct {
	// Value is as PairsMetric says. Blank says that there is none: an answer
	// holds nothing that can be compared.
	Value float64 `json:"value,omitempty"`
	Blank bool    `json:"blank,omitempty"`
	// Baseline and Candidate are the classes that were compared, shortened to
	// MaxClass bytes; empty where it is not classes.
	Baseline  string `json:"baseline,omitempty"`
	Candidate string `json:"candidate,omitempty"`
}

// MaxClass is the greatest length of a class's name, in bytes.
const MaxClass = 64

// Prediction is what a version's answer says of one request, kept as a row so
// that the truth can be held against it later.
type Prediction struct {
	// Exposure is the request's. Its Unit is 0 where it has none.
	Exposure
	Groups uint64 `json:"groups,omitempty"`
	// Request is the keyed hash of the request's id (Key.HashUnit of it), 0
	// where it has none.
	Request uint64 `json:"request,omitempty"`
	// Class is the predicted class, in at most MaxClass bytes; empty is none.
	Class string `json:"class,omitempty"`
	// Score is the number that was predicted; nil is none.
	Score *float64 `json:"score,omitempty"`
	// Mirrored says that it answers a copy of the request, which nobody but
	// Headgate saw. Unit, At and Request are then those of the original, and
	// Version is the candidate that got the copy.
	Mirrored bool `json:"mirrored,omitempty"`
}

// Batch is what a gateway hands on to whoever keeps it. It is stored once: a
// gateway's batches come in the order of their sequence, and one that was stored
// is taken again without effect.
type Batch struct {
	// Gateway names the process that made it, anew at each start.
	Gateway  string `json:"gateway"`
	Sequence uint64 `json:"sequence"`

	Exposures   []GroupedExposure `json:"exposures,omitempty"`
	Pairs       []Pair            `json:"pairs,omitempty"`
	Predictions []Prediction      `json:"predictions,omitempty"`
	// Seals are of SourceGateway. Those of other sources have no cells: their
	// Gaps say of which windows rows were let go that nobody took in time.
	Seals []Seal `json:"seals,omitempty"`
	// Last says that the process has ended and has handed everything over:
	// nothing is missing when nothing more comes.
	Last bool `json:"last,omitempty"`

	// Origin is where whoever took the batch over got it from, so that a process
	// can be told to have followed another. Empty is not known.
	Origin string `json:"-"`
}

// GroupedExposure is an exposure and the groups of its request.
type GroupedExposure struct {
	Exposure
	Groups uint64 `json:"groups,omitempty"`
}

// Redaction takes a field out of requests and answers before anything is made
// of them: compared, read or stored.
type Redaction struct {
	// Path is where the field stands, in the dotted form of JSON paths that
	// units use ($.user.email); [*] is every element of a list.
	Path string       `json:"path"`
	How  RedactionHow `json:"how"`
}

// RedactionHow names what takes a field's place.
type RedactionHow string

// The ways to redact: nothing takes its place, or a keyed hash of it, by which
// equal values stay equal.
const (
	RedactRemove RedactionHow = "remove"
	RedactHash   RedactionHow = "hash"
)

// Retention bounds the rows that are kept by request, of pairs and of
// predictions each; what goes over it is the oldest. Zero is the default.
type Retention struct {
	Rows int64         `json:"rows,omitempty"`
	For  time.Duration `json:"for,omitempty"`
}

// The defaults of Retention.
const (
	DefaultRows    = 1_000_000
	DefaultRowsFor = 30 * 24 * time.Hour
)

// DefaultCopyTimeout is how long a copy may take where the plan does not say.
const DefaultCopyTimeout = 10 * time.Second

// DefaultCopyRate is how many copies a gateway sends per second where the plan
// does not say. One that is answered and compared costs it as much as four or five
// requests (docs/reference/performance.md), so that these take a hundredth of a
// processor, and give 3,000 pairs a minute.
const DefaultCopyRate = 50

// PairSlack is how long a pair takes at most besides both answers: its copy waits
// to be sent (1 s), the answers wait to be compared (5 s) and are (0.25 s), and
// the row is handed on.
const PairSlack = 7 * time.Second

// PairsHold is how long after a window's end its pairs are sealed, so that none
// comes later: Lag, the time that the baseline may take, the time that a copy may
// take after it, and PairSlack. A baseline that takes longer than a copy may has
// pairs that are late; they are counted. Where others mirror, nobody knows what
// bounds them: the answers to a request wait for each other as long as a copy may
// take.
func (p *Plan) PairsHold() time.Duration {
	most := time.Duration(0)
	for i := range p.Stages {
		if m := p.Stages[i].Mirror; m != nil {
			hold := m.CopyTimeout()
			if !m.ByEvents {
				hold = 2*hold + PairSlack
			}
			most = max(most, hold)
		}
	}
	return p.Lag + most
}

// CopyTimeout is how long a copy may take.
func (m *Mirror) CopyTimeout() time.Duration {
	if m.Timeout > 0 {
		return m.Timeout
	}
	return DefaultCopyTimeout
}
