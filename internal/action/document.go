// SPDX-License-Identifier: Apache-2.0

package action

import (
	"encoding/json"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Document is what the texts and the condition of an action can use: every
// variable of the version that is recommended, its name, and how the experiment
// stands. this is the object that the experiment was made for, or nil. All of it
// is as package encoding/json decodes it, but for whole numbers, which are int.
func Document(p *experiment.Plan, s *experiment.State, i experiment.Intent, this any) map[string]any {
	recommended := recommendedOf(p, s)
	doc := map[string]any{"name": p.Versions[recommended].Name}
	for _, v := range p.Versions[recommended].Variables {
		doc[v.Name] = v.Value
	}
	winner, found := winnerOf(s)
	name := ""
	if found {
		name = p.Versions[winner].Name
	}
	shares := map[string]any{}
	for v, share := range s.Slots.Shares(len(p.Versions)) {
		shares[p.Versions[v].Name] = number(100 * share.Fraction())
	}
	stage := ""
	if s.Stage >= 0 && s.Stage < len(p.Stages) {
		stage = p.Stages[s.Stage].Name
	}
	doc["experiment"] = map[string]any{
		"name": p.Name, "namespace": p.Namespace, "id": p.ID(), "key": Key(p.ID(), i),
		"outcome": outcomeOf(s), "condition": string(s.Condition), "stage": stage, "hook": string(i.Hook),
		"baseline": p.Versions[0].Name, "recommended": p.Versions[recommended].Name,
		"winner": name, "winnerFound": found, "candidateWon": found && winner != 0 && len(p.Versions) == 2,
		"promoted": promoted(s), "shares": shares, "strict": p.Strict,
	}
	if this != nil {
		doc["this"] = plain(this)
	}
	return doc
}

// promoted says that a promotion was decided, also while the old version is kept
// warm.
func promoted(s *experiment.State) bool {
	return s.Condition == experiment.Warm || s.Outcome == experiment.Promoted
}

// outcomeOf is how the experiment ended; that of a promotion is known before it
// is final.
func outcomeOf(s *experiment.State) string {
	if s.Outcome == "" && promoted(s) {
		return string(experiment.Promoted)
	}
	return string(s.Outcome)
}

// winnerOf is the version that won, if one did.
func winnerOf(s *experiment.State) (version int, found bool) {
	switch {
	case s.Iteration != nil:
		return s.Iteration.Winner, s.Iteration.Found
	case promoted(s):
		return s.Winner, true
	}
	return 0, false
}

// recommendedOf is the version to promote: that of the iterations, the winner of
// a promotion, else the one that has most of the traffic.
func recommendedOf(p *experiment.Plan, s *experiment.State) int {
	switch {
	case p.Strict:
		return s.Iteration.Recommended()
	case promoted(s):
		return s.Winner
	}
	most := 0
	shares := s.Slots.Shares(len(p.Versions))
	for v, share := range shares {
		if share > shares[most] {
			most = v
		}
	}
	return most
}

// plain is a value as JSON has it; what JSON has not is nothing.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var out any
	if d.Decode(&out) != nil {
		return nil
	}
	return counted(out)
}

// counted turns whole numbers into int and all others into float64: templates
// write large floats with an exponent.
func counted(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = counted(x[k])
		}
	case []any:
		for i := range x {
			x[i] = counted(x[i])
		}
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return int(n)
		}
		f, err := x.Float64()
		if err != nil {
			return x.String()
		}
		return f
	}
	return v
}

// number is an int where it is whole.
func number(f float64) any {
	if f == float64(int(f)) {
		return int(f)
	}
	return f
}
