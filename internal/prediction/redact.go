// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Redactor takes fields out of requests and answers. It is safe for concurrent
// use, by each on a value of its own; nil takes out nothing.
type Redactor struct {
	fields []field
	hash   func([]byte) uint64
}

// field is one field to take out.
type field struct {
	steps []step
	how   experiment.RedactionHow
}

// step is one step of a path.
type step struct {
	name  string // A name in an object.
	place int    // A place in a list, or -1.
	all   bool   // Every element of a list.
}

// maxSteps bounds the length of a path.
const maxSteps = 32

const pathHint = "write it as $.user.email, $.items[*].id or $.rows[0]"

// NewRedactor reads redactions. A path is $ and then names (.name, where a name
// of digits is also a place in a list), places ([0]) and [*], every element of a
// list. The hash is keyed by the caller and is asked of Canonical texts; it may
// be nil where nothing is hashed. The error is an *experiment.Error, names the
// path and carries a hint.
func NewRedactor(redactions []experiment.Redaction, hash func([]byte) uint64) (*Redactor, error) {
	r := &Redactor{hash: hash}
	for _, d := range redactions {
		steps, problem := parsePath(d.Path)
		switch {
		case problem != "":
			return nil, experiment.Errorf(experiment.CodeInvalid, "redact %q: %s", d.Path, problem).WithHint(pathHint)
		case d.How != experiment.RedactRemove && d.How != experiment.RedactHash:
			return nil, experiment.Errorf(experiment.CodeInvalid, "redact %q: %q is no way to redact", d.Path, d.How).WithHint("take remove or hash")
		case d.How == experiment.RedactHash && hash == nil:
			return nil, experiment.Errorf(experiment.CodeInvalid, "redact %q: there is no key to hash with", d.Path).WithHint("give a key, or remove the field")
		}
		r.fields = append(r.fields, field{steps, d.How})
	}
	return r, nil
}

// parsePath reads a path, or says what is wrong with it.
func parsePath(path string) (steps []step, problem string) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, "a path begins with $"
	}
	for rest != "" {
		var s step
		if s, rest, problem = parseStep(rest); problem != "" {
			return nil, problem
		}
		steps = append(steps, s)
	}
	switch {
	case len(steps) == 0:
		return nil, "it is everything"
	case len(steps) > maxSteps:
		return nil, fmt.Sprintf("%d steps: want at most %d", len(steps), maxSteps)
	}
	return steps, ""
}

// parseStep reads the first step of what is left of a path.
func parseStep(rest string) (s step, after, problem string) {
	if inside, ok := strings.CutPrefix(rest, "["); ok {
		place, after, closed := strings.Cut(inside, "]")
		switch {
		case !closed:
			return s, "", "a [ is not closed"
		case place == "*":
			return step{place: -1, all: true}, after, ""
		}
		n, ok := placeOf(place)
		if !ok {
			return s, "", "between [ and ] stands neither * nor a place from 0"
		}
		return step{place: n}, after, ""
	}
	rest, ok := strings.CutPrefix(rest, ".")
	if !ok {
		return s, "", "a name begins with a dot"
	}
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	name := rest[:end]
	switch {
	case name == "":
		return s, "", "a name is missing after a dot"
	case strings.ContainsAny(name, `*]?()'"`):
		return s, "", "a name holds one of *]?()'\""
	}
	s = step{name: name, place: -1}
	if n, ok := placeOf(name); ok {
		s.place = n
	}
	return s, rest[end:], ""
}

// placeOf reads a place in a list: digits alone.
func placeOf(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && wholeNumber(s) && n >= 0 && s[0] != '-'
}

// Apply redacts a decoded JSON value, in place where it can, and returns what
// it has become. What a path does not meet stays as it is. A field that is
// removed leaves its object; an element of a list becomes null, so that others
// keep their places. A hashed one becomes the text "h:" and 16 hexadecimal
// digits. Redactions are applied in their order.
func (r *Redactor) Apply(value any) any {
	if r == nil {
		return value
	}
	for _, f := range r.fields {
		r.take(value, f.steps, f.how)
	}
	return value
}

// take redacts what is at the end of a path that begins at v.
func (r *Redactor) take(v any, steps []step, how experiment.RedactionHow) {
	s, rest := steps[0], steps[1:]
	switch v := v.(type) {
	case map[string]any:
		below, ok := v[s.name]
		switch {
		case s.name == "" || !ok:
		case len(rest) > 0:
			r.take(below, rest, how)
		case how == experiment.RedactRemove:
			delete(v, s.name)
		default:
			v[s.name] = r.hashed(below)
		}
	case []any:
		from, to := s.place, s.place+1
		if s.all {
			from, to = 0, len(v)
		}
		if from < 0 {
			return
		}
		for i := from; i < min(to, len(v)); i++ {
			switch {
			case len(rest) > 0:
				r.take(v[i], rest, how)
			case how == experiment.RedactRemove:
				v[i] = nil
			default:
				v[i] = r.hashed(v[i])
			}
		}
	}
}

// hashed is the text that takes a value's place.
func (r *Redactor) hashed(v any) string {
	return fmt.Sprintf("h:%016x", r.hash(Canonical(v)))
}
