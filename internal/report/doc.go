// SPDX-License-Identifier: Apache-2.0

// Package report makes one self-contained account of an experiment from its
// journal, to be read months later by somebody who was not there: the verdict
// first, then the question, the versions, what was found and for whom, what was
// done and when, what can and cannot be concluded, what departed from the plan,
// whether the evidence can be trusted, what it cost, and how to check all of it.
//
// It is pure: the same journal gives the same bytes. HTML and Markdown need
// nothing but themselves; names and texts of the plan are escaped. What the
// view hides is not in the report either.
package report
