// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/examples/digits"
	"github.com/headgate-dev/headgate/examples/digits/serve"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Candidate is what may play v2 against the weak v1.
type Candidate struct {
	Name string
	// About says what it is, for people.
	About string
	// Ends is how its experiment should end.
	Ends []experiment.Outcome
	// Kind is the model behind it.
	Kind   digits.Kind
	Faults serve.Faults
}

// Candidates lists them all; the first is the default.
func Candidates() []Candidate {
	return []Candidate{
		{
			Name: "better", About: "a stronger model", Kind: digits.Strong,
			Ends: []experiment.Outcome{experiment.Promoted},
		},
		{
			Name: "worse", About: "the stronger model behind a broken feature pipeline", Kind: digits.Broken,
			Ends: []experiment.Outcome{experiment.RolledBack},
		},
		{
			Name: "slow", About: "the stronger model, but one answer in eight takes a second and a half more", Kind: digits.Strong,
			Faults: serve.Faults{SlowShare: 0.125, SlowBy: 1500 * time.Millisecond},
			Ends:   []experiment.Outcome{experiment.RolledBack},
		},
		{
			Name: "failing", About: "the stronger model, but one answer in six is an error", Kind: digits.Strong,
			Faults: serve.Faults{FailShare: 1.0 / 6},
			Ends:   []experiment.Outcome{experiment.RolledBack},
		},
		{
			Name: "same", About: "v1's own model under another name", Kind: digits.Weak,
			Ends: []experiment.Outcome{experiment.NoDifference, experiment.Inconclusive},
		},
	}
}

// CandidateOf finds a candidate by name; empty means the first.
func CandidateOf(name string) (Candidate, error) {
	all := Candidates()
	if name == "" {
		return all[0], nil
	}
	i := slices.IndexFunc(all, func(c Candidate) bool { return c.Name == name })
	if i < 0 {
		names := make([]string, len(all))
		for j, c := range all {
			names[j] = c.Name
		}
		return Candidate{}, experiment.Errorf(experiment.CodeInvalid, "--candidate: no candidate is called %q", name).
			WithHint("choose one of %s", strings.Join(names, ", "))
	}
	return all[i], nil
}

// World is the demo's models and the rows that users send.
type World struct {
	Models [2]*digits.Model
	Rows   digits.Dataset
	// right says by version and row whether the model reads it right.
	right [2][]bool
}

// Train trains v1 and the candidate's model and asks both for every test row.
func Train(c Candidate) (*World, error) {
	train, test, err := digits.Load()
	if err != nil {
		return nil, fmt.Errorf("load the digits: %w", err)
	}
	w := &World{Rows: test}
	for v, kind := range []digits.Kind{digits.Weak, c.Kind} {
		if w.Models[v], err = digits.Train(kind, train); err != nil {
			return nil, fmt.Errorf("train the %s model: %w", kind, err)
		}
		w.right[v] = make([]bool, len(w.Rows))
		for i, row := range w.Rows {
			label, _ := w.Models[v].Predict(row.Pixels)
			w.right[v][i] = label == row.Label
		}
	}
	return w, nil
}

// Accuracy is the share of rows that each version reads right.
func (w *World) Accuracy() [2]float64 {
	var out [2]float64
	for v, right := range w.right {
		n := 0
		for _, r := range right {
			if r {
				n++
			}
		}
		out[v] = float64(n) / float64(len(right))
	}
	return out
}
