// SPDX-License-Identifier: Apache-2.0

// Package jq turns jq expressions into programs that read one number, or a few
// values of any kind, from a JSON value.
//
// An expression is read once, when a plan is translated, and refused there if
// it could give two results for one value (it asks for the time, the
// environment or other input), or if one step of it, which nothing can stop,
// could take all memory or time: assignment, repetition of texts, patterns that
// the value itself brings, lists searched for lists. Whatever is left can be
// stopped between its steps by its context.
package jq

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/itchyny/gojq"
)

// MaxLength is the greatest length of an expression, in bytes.
const MaxLength = 1000

// MaxNumber bounds a number's size, so that sums of squares stay finite.
const MaxNumber = 1e100

// Error is why an expression is refused, and what to write instead. It never
// holds the expression.
type Error struct{ Message, Hint string }

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Code is a compiled expression, safe for concurrent use.
type Code struct{ code *gojq.Code }

// Compile reads an expression. The error is an *Error.
func Compile(expression string) (*Code, error) {
	if len(expression) > MaxLength {
		return nil, &Error{fmt.Sprintf("%d bytes of jq: want at most %d", len(expression), MaxLength), "have the model answer with the number"}
	}
	query, err := gojq.Parse(expression)
	if err != nil {
		return nil, unreadable(err)
	}
	if refused := vet(query); refused != nil {
		return nil, refused
	}
	code, err := gojq.Compile(query, functions()...)
	if err != nil {
		return nil, &Error{"not a jq expression: " + err.Error(), "try it with jq on an answer of the model"}
	}
	return &Code{code}, nil
}

// unreadable says where the expression could not be read.
func unreadable(err error) *Error {
	hint := "try it with jq on an answer of the model"
	if at, ok := errors.AsType[*gojq.ParseError](err); ok && at.Token != "" {
		return &Error{fmt.Sprintf("not a jq expression from byte %d on", at.Offset), hint}
	}
	return &Error{"not a jq expression: it ends too early", hint}
}

// What a value can lack.
var (
	ErrNoNumber = errors.New("the expression gives no number")
	ErrMany     = errors.New("the expression gives more than one number")
)

// Number is the one number that the expression gives of a value as package
// encoding/json decodes it. The error is that of ctx if time ran out.
func (c *Code) Number(ctx context.Context, value any) (float64, error) {
	results := c.code.RunWithContext(ctx, value)
	first, ok := results.Next()
	if !ok {
		return 0, ErrNoNumber
	}
	if err, failed := first.(error); failed {
		return 0, stopped(ctx, err)
	}
	number, ok := gojq.ToFloat64(first)
	if !ok || math.IsNaN(number) || math.Abs(number) > MaxNumber {
		return 0, ErrNoNumber
	}
	second, more := results.Next()
	if err, failed := second.(error); failed {
		return 0, stopped(ctx, err)
	}
	if more {
		return 0, ErrMany
	}
	return number, nil
}

// stopped tells an expression that ran out of time from one that failed. What
// the failure says stays here: it quotes the answer.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	return ErrNoNumber
}
