// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Problem is one thing wrong with an experiment: where, with what value, and
// what to write instead.
type Problem struct {
	// Path is like spec.stages[1].split.v2.
	Path string `json:"path"`
	// Line is the line of the file, from 1; 0 where there is none.
	Line    int    `json:"line,omitempty"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Value != "" {
		fmt.Fprintf(&b, ", got %s", p.Value)
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, " (%s)", p.Hint)
	}
	return b.String()
}

// Problems is everything wrong with an experiment at once, in the order of the
// file.
type Problems []Problem

// maxProblems is how many problems are worth reading.
const maxProblems = 100

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, x := range p {
		lines[i] = x.String()
	}
	return strings.Join(lines, "\n")
}

// asError is nil without problems, and of class invalid with them.
func (p Problems) asError() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	p = slices.Compact(p) // Two keys that are no names say the same of their place.
	if more := len(p) - maxProblems; more > 0 {
		p = append(p[:maxProblems:maxProblems], Problem{Message: fmt.Sprintf("and %d more problems", more)})
	}
	return experiment.Errorf(experiment.CodeInvalid, "%w", p)
}
