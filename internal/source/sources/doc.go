// SPDX-License-Identifier: Apache-2.0

// Package sources puts the providers of one plan together: whatever kind each is
// of, its windows are sealed together, and a strict plan is told one number of
// every metric and version.
//
// A provider that several plans of a namespace name alike is one, with one bound
// of questions and one breaker, where the plans are opened with the same Shared.
package sources
