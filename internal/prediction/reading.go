// SPDX-License-Identifier: Apache-2.0

package prediction

// The bounds of what is read of one answer.
const (
	// MaxRows is how many predictions of a batch are read.
	MaxRows = 1_000
	// MaxComponents is how many components of vectors and places of rankings
	// are read, of all rows together.
	MaxComponents = 10_000
)

// Found is what kind of answer was found.
type Found uint8

// What is found. Unread says nothing of the model: there was no time to read the
// answer, or it is none that is read (an explanation, tensors in binary).
const (
	Unread Found = iota
	// Read is an answer as its protocol has it, whatever its rows hold.
	Read
	// Invalid is one that is not what its protocol says.
	Invalid
	// Empty is one without any prediction.
	Empty
	// Null is one in which a prediction is null or no number: NaN or infinite,
	// or beyond 1e100.
	Null
)

// String is the finding in a word.
func (f Found) String() string {
	switch f {
	case Read:
		return "read"
	case Invalid:
		return "invalid"
	case Empty:
		return "empty"
	case Null:
		return "null"
	default:
		return "unread"
	}
}

// Row is one prediction. What it does not hold is empty.
type Row struct {
	// Class is the predicted class in its canonical form (Class), in at most
	// experiment.MaxClass bytes.
	Class string
	// Score is the predicted number, where HasScore.
	Score    float64
	HasScore bool
	// Scores is the score vector, and Names are those of its components, if the
	// answer tells them.
	Scores []float64
	Names  []string
	// Ranking are the ranked items in their canonical form, best first.
	Ranking []string
	// Text is the whole text, of any length.
	Text string
}

// Reading is what was read of an answer.
type Reading struct {
	// Row is the first prediction, and All are all that were read, the first
	// among them. Both are empty unless Found is Read or Null. What is null is
	// not in its row.
	Row
	All []Row
	// Rows is how many predictions the answer holds, those that were not read
	// included.
	Rows  int
	Found Found
}
