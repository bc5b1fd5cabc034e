// SPDX-License-Identifier: Apache-2.0

package digits

import (
	"fmt"
	"math"
)

// Kind says which model to train.
type Kind string

const (
	// Weak is a plausible first version: the nearest average image.
	Weak Kind = "weak"
	// Strong is a better second version: a network with one hidden layer.
	Strong Kind = "strong"
	// Broken is what happens to a good model behind a bad feature pipeline: the
	// weights of Strong, but the two bottom rows of each image never arrive and
	// are taken for paper.
	Broken Kind = "broken"
)

// arriving is how many pixels the pipeline of Broken delivers.
const arriving = Pixels - 2*Side

// Scores are class probabilities by label: each from 0 to 1, with sum 1.
type Scores [Classes]float64

// learner is what was learned from data.
type learner interface{ scores(x *Image) Scores }

// Model is a trained model. It does not change any more and may be used by
// several goroutines at once.
type Model struct {
	kind    Kind
	learned learner
}

// Train learns a model from rows. It takes about a tenth of a second of one
// core for 1,100 rows. It fails on an unknown kind, or when a label has no rows.
func Train(kind Kind, rows Dataset) (*Model, error) {
	var count [Classes]int
	for i, row := range rows {
		if row.Label < 0 || row.Label >= Classes {
			return nil, fmt.Errorf("train %s: row %d has the label %d; labels are 0 to %d", kind, i+1, row.Label, Classes-1)
		}
		count[row.Label]++
	}
	for label, n := range count {
		if n == 0 {
			return nil, fmt.Errorf("train %s: none of the %d rows has the label %d", kind, len(rows), label)
		}
	}
	switch kind {
	case Weak:
		return &Model{kind, learnCentroids(rows)}, nil
	case Strong, Broken:
		return &Model{kind, learnNetwork(rows)}, nil
	default:
		return nil, fmt.Errorf("train a model: unknown kind %q; kinds are %q, %q and %q", kind, Weak, Strong, Broken)
	}
}

// Name is the kind of the model.
func (m *Model) Name() string { return string(m.kind) }

// Predict reads an image: the most probable label, the smaller of equals, and
// the probabilities of all. Pixels must be finite; they are meant to be from 0
// to MaxPixel.
func (m *Model) Predict(image Image) (label int, scores Scores) {
	if m.kind == Broken {
		clear(image[arriving:])
	}
	scores = m.learned.scores(&image)
	for i, p := range scores {
		if p > scores[label] {
			label = i
		}
	}
	return label, scores
}

// Accuracy is the share of rows that the model reads right, from 0 to 1. It is
// NaN when there are no rows.
func (m *Model) Accuracy(rows Dataset) float64 {
	right := 0
	for _, row := range rows {
		if label, _ := m.Predict(row.Pixels); label == row.Label {
			right++
		}
	}
	return float64(right) / float64(len(rows))
}

// softmax turns logits into probabilities, in place.
func softmax(s *Scores) {
	top := s[0]
	for _, v := range s {
		top = max(top, v)
	}
	sum := 0.0
	for i, v := range s {
		s[i] = math.Exp(v - top) // At most 1: it cannot overflow.
		sum += s[i]
	}
	for i := range s {
		s[i] /= sum
	}
}
