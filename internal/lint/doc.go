// SPDX-License-Identifier: Apache-2.0

// Package lint says what is unwise about a plan that is valid: experiments that
// cannot find out what they ask, that expose users to more than they need to,
// that nobody answers for, or that cannot be taken back. Every finding has a
// code that stays, the place it is about, why it matters and what to do.
//
// An error is a plan that should not start as it is; a warning deserves a
// reason; information is to be known before the result is read. What the
// validator refuses is reported under a code of its own (Refused).
//
// Check is a pure function of the plan and of what is assumed of the world; the
// arithmetic is that of package design.
package lint
