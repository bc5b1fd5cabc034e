// SPDX-License-Identifier: Apache-2.0

// Package repotest keeps the house in order. It has no code of its own: its
// tests read the repository and fail, with file and line, when
//
//   - a package imports what its room may not see, or is in no room at all
//     (layers_test.go holds the plan of the house);
//   - a pure room reaches the network, a database or a child process, however
//     indirectly, or asks for the time or for random numbers (reach_test.go,
//     clock_test.go);
//   - a package does not say what it promises, or a file its licence
//     (docs_test.go);
//   - a file or a function has grown past what one can read (size_test.go);
//   - a file in a testdata folder is read by no test (orphan_test.go);
//   - a name says nothing, or a path of somebody's machine has slipped in
//     (names_test.go).
//
// Every rule is a function from parsed input to findings, and every rule has a
// test that shows it bad input and wants the finding: a guard that cannot fail
// guards nothing.
package repotest
