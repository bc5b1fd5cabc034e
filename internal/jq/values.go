// SPDX-License-Identifier: Apache-2.0

package jq

import (
	"context"
	"errors"
)

// What one value of Values can hold: as many lists, objects, texts and numbers
// as a body of a few MiB, no deeper than encoding/json decodes. Lists that are
// doubled and doubled again are small in memory but endless to whoever walks
// them.
const (
	maxNodes = 1 << 20
	maxBytes = 4 << 20
	maxDepth = 10_000
)

// ErrLarge says that a value is too large to be looked at.
var ErrLarge = errors.New("the expression gives too large a value")

// ErrNoValue says that the expression fails on the value.
var ErrNoValue = errors.New("the expression fails")

// Values are the first values, at most as many as asked for, that the expression
// gives of a value as package encoding/json decodes it. They are nil, bool, int,
// float64, *big.Int, json.Number, string, []any or map[string]any, may share
// parts with the value and with each other and must not be changed. None is no
// error. The error is that of ctx if time ran out.
func (c *Code) Values(ctx context.Context, value any, most int) ([]any, error) {
	var out []any
	results := c.code.RunWithContext(ctx, value)
	for len(out) < most {
		v, more := results.Next()
		if !more {
			break
		}
		if err, failed := v.(error); failed {
			if errors.Is(stopped(ctx, err), ErrNoNumber) {
				return nil, ErrNoValue
			}
			return nil, ctx.Err()
		}
		size := measure{nodes: maxNodes, bytes: maxBytes}
		if !size.fits(v, maxDepth) {
			return nil, ErrLarge
		}
		out = append(out, v)
	}
	return out, nil
}

// measure is what a value may still hold.
type measure struct{ nodes, bytes int }

func (m *measure) fits(v any, depth int) bool {
	m.nodes--
	if m.nodes < 0 || depth < 0 {
		return false
	}
	switch v := v.(type) {
	case string:
		m.bytes -= len(v)
	case []any:
		for _, e := range v {
			if !m.fits(e, depth-1) {
				return false
			}
		}
	case map[string]any:
		for name, e := range v {
			m.bytes -= len(name)
			if !m.fits(e, depth-1) {
				return false
			}
		}
	}
	return m.bytes >= 0
}
