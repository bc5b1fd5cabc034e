// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"strconv"
	"time"
)

// What applications ask and tell outside of the traffic: which version a unit
// gets, and which version a unit met.

// Asked is a question for the version of a unit.
type Asked struct {
	// Unit is the unit's id as the application knows it.
	Unit string
	// Values say what else is known of the unit: a segment's value by the
	// segment's name, a header's by its name in lower case.
	Values map[string]string
}

// Why is why a unit gets its version.
type Why string

// The answers to why.
const (
	// WhySplit is by the unit's slot, among several versions.
	WhySplit Why = "split"
	// WhyOnly is that one version has everything.
	WhyOnly Why = "only"
	// WhyTargeted is what else was said of the unit: its groups, an override
	// or an exclusion.
	WhyTargeted Why = "targeted"
)

// Evaluation is the version that a unit gets.
type Evaluation struct {
	Experiment string
	Version    string
	Why        Why
	Epoch      int
	Phase      int
	// Slot is the unit's slot; -1 where slots have no say.
	Slot int
	// Token is the exposure's token; empty where the unit is not counted.
	Token string
}

// ClientExposure is a unit that has met a version, by an application's word.
type ClientExposure struct {
	// Unit is the unit's id as the application knows it. It is hashed before
	// it is stored.
	Unit    string
	Version string
	// At is when they met; zero is when the word arrived.
	At time.Time
	// Segments are values by segments' names; what is absent is the group
	// other.
	Segments map[string]string
}

// ExposureReceipt says what became of a batch of exposures; its numbers and
// the refused ones sum to the batch's size.
type ExposureReceipt struct {
	Accepted int `json:"accepted"`
	// Duplicates tell what is known already: the unit met this version in this
	// phase.
	Duplicates int `json:"duplicates"`
	// Moved units have met another version in this phase: they leave the
	// analysis by units.
	Moved int `json:"moved"`
	// Late exposures belong to a window that is sealed: they are not added.
	Late int `json:"late"`
	// Refused are those that make no sense; nothing of them is stored.
	Refused []RefusedExposure `json:"refused,omitempty"`
}

// RefusedExposure is one exposure of a batch that makes no sense, and why.
type RefusedExposure struct {
	// Path is like exposures[3].version.
	Path    string `json:"path"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// MaxExposures is how many exposures one call may carry.
const MaxExposures = 1000

// ExposurePath is the path of a field of the i-th exposure of a batch.
func ExposurePath(i int, field string) string {
	return "exposures[" + strconv.Itoa(i) + "]." + field
}

// Event is what a model server's logger tells of one request or answer.
type Event struct {
	// ID is the same for a request, its answer, and the copies of both.
	ID string
	// Kind is whether it is a request or an answer.
	Kind EventKind
	// Names say what answered, the most telling first: one of them should be a
	// version's name, its model's or a part's value.
	Names []string
	// At is when it was; zero is when it arrived.
	At time.Time
	// Path is the request's, where it is known; it tells the protocol.
	Path string
	Body []byte
}

// EventKind is what an event is of.
type EventKind string

// The kinds of events.
const (
	EventRequest  EventKind = "request"
	EventResponse EventKind = "response"
)

// VersionNamed is the version that the first of the names means that means one,
// by its name or else by its model's, where no other has the same; -1 if none
// does.
func (p *Plan) VersionNamed(names []string) int {
	for _, name := range names {
		if v := p.versionNamed(name); v >= 0 {
			return v
		}
	}
	return -1
}

func (p *Plan) versionNamed(name string) int {
	if name == "" {
		return -1
	}
	if v := slices.IndexFunc(p.Versions, func(v Version) bool { return v.Name == name }); v >= 0 {
		return v
	}
	ofModel := func(v Version) bool { return v.Model == name }
	v := slices.IndexFunc(p.Versions, ofModel)
	if v >= 0 && slices.ContainsFunc(p.Versions[v+1:], ofModel) {
		return -1 // What one answers is not to be taken for the other's.
	}
	return v
}
