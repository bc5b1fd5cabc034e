// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"
	"fmt"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// maxRefused is how many problems of an object are told.
const maxRefused = 20

// refusal is what is wrong with an object, in the validator's words. Lines are
// left out: the object that a cluster holds has none.
type refusal struct {
	problems translate.Problems
	// lacking says that nothing is wrong but that reusable metrics are not there
	// or cannot be read; passing that this may pass by itself.
	lacking, passing bool
}

// Error joins the problems to a sentence for conditions.
func (r *refusal) Error() string { return r.text(" ", "; ") }

// lines gives each of several problems a line of its own.
func (r *refusal) lines() string { return r.text("\n- ", "\n- ") }

func (r *refusal) text(before, between string) string {
	texts := make([]string, len(r.problems))
	for i, p := range r.problems {
		texts[i] = p.String()
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return fmt.Sprintf("%d problems:%s%s", len(texts), before, strings.Join(texts, between))
}

// refusalOf is the refusal in an error, or nil.
func refusalOf(err error) *refusal {
	r, _ := errors.AsType[*refusal](err)
	return r
}

// asObject makes what the validator says of a file what it says of an object.
// Errors that are no problems stay as they are.
func asObject(err error, mend func(*translate.Problem) (lacking, passing bool)) error {
	found, ok := errors.AsType[translate.Problems](err)
	if !ok {
		return err
	}
	r := &refusal{lacking: true}
	for _, p := range found {
		p.Line = 0
		lacking, passing := mend(&p)
		r.lacking, r.passing = r.lacking && lacking, r.passing || passing
		r.problems = append(r.problems, p)
	}
	if more := len(r.problems) - maxRefused; more > 0 {
		r.problems = append(r.problems[:maxRefused:maxRefused], translate.Problem{Message: fmt.Sprintf("and %d more problems", more)})
	}
	code := experiment.CodeInvalid
	if r.lacking && r.passing {
		code = experiment.CodeUnavailable
	}
	return experiment.Errorf(code, "%w", r)
}
