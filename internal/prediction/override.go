// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"context"
	"slices"

	"github.com/headgate-dev/headgate/internal/jq"
)

// override puts what the plan's expressions give in the place of class and
// score. They give as many values as there are predictions; where the protocol's
// own reading has another number of them, only what they give counts.
func (r *Reader) override(ctx context.Context, body any, own Reading) Reading {
	classes, err := values(ctx, r.class, body)
	scores, also := values(ctx, r.score, body)
	n := max(len(classes), len(scores))
	switch {
	case ctx.Err() != nil:
		return Reading{}
	case err != nil || also != nil || own.Found == Invalid && n == 0:
		return Reading{Found: Invalid}
	case n == 0:
		return Reading{Found: Empty}
	case r.class != nil && r.score != nil && len(classes) != len(scores):
		return Reading{Found: Invalid}
	}
	out := Reading{All: slices.Clone(own.All), Rows: own.Rows, Found: Read}
	if len(own.All) != n {
		out.All, out.Rows = make([]Row, n), n
	}
	found := aNumber
	for i := range out.All {
		if r.class != nil {
			found = min(found, out.All[i].setClass(classes[i]))
		}
		if r.score != nil {
			found = min(found, out.All[i].setScore(scores[i]))
		}
	}
	switch {
	case found == noNumber || found == nullNumber && own.Found == Invalid:
		return Reading{Found: Invalid}
	case found == nullNumber:
		out.Found = Null
	}
	out.Row = out.All[0]
	return out
}

// values are what an expression gives of a body; without one, nothing.
func values(ctx context.Context, code *jq.Code, body any) ([]any, error) {
	if code == nil {
		return nil, nil
	}
	return code.Values(ctx, body, MaxRows)
}

// setClass takes a class that an expression gave, and says what it is: as for a
// number, of which there can be none, a null or one.
func (r *Row) setClass(v any) number {
	r.Class = ""
	if s, text := v.(string); v == nil || text && notANumber(s) {
		return nullNumber
	}
	class, ok := Class(v)
	if !ok {
		return noNumber
	}
	r.Class = class
	return aNumber
}

// setScore takes a score that an expression gave.
func (r *Row) setScore(v any) number {
	x, found := numberOf(v)
	r.Score, r.HasScore = x, found == aNumber
	return found
}
