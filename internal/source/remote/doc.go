// SPDX-License-Identifier: Apache-2.0

// Package remote is what sources have in common that ask somebody else: the
// windows of a phase that are asked for, a breaker, and the way to a server that
// speaks HTTP.
//
// What it promises of such a server:
//
//   - Its certificate is verified, always. The proxy that the environment names
//     is used.
//   - Only its own host is asked: a redirect to another host or scheme is an
//     error, so that no credential ever follows one. Link-local addresses, where
//     clouds keep the credentials of machines, are not dialled unless an option
//     says so.
//   - Every question has a deadline, every answer a bound in bytes, and only a
//     few questions are under way at once. What is beyond the bound is not read.
//   - Secrets are read when they are a minute old or were refused, and reach no
//     error; neither do headers, literal ones included, nor the query of an
//     address.
package remote
