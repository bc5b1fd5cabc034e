// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"errors"
	"fmt"
)

// Code is a class of failure. One function each maps codes to HTTP statuses,
// exit codes and conditions.
type Code string

// The classes of failure.
const (
	CodeInvalid       Code = "invalid"
	CodeNotFound      Code = "not_found"
	CodeConflict      Code = "conflict"
	CodeUnauthorized  Code = "unauthorized"
	CodeUnavailable   Code = "unavailable"
	CodeUntrustworthy Code = "untrustworthy"
	CodeInternal      Code = "internal"
)

// Error is a failure with its class and, where there is one, the next thing to
// try.
type Error struct {
	Code    Code
	Message string
	Hint    string
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Errorf makes an Error of a class. A %w verb keeps its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// WithHint returns the error with the next thing to try.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// CodeOf is the class of an error; CodeInternal for any other error, and empty
// for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// HintOf is the hint of an error, or nothing.
func HintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}
