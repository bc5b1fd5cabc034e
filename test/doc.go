// SPDX-License-Identifier: Apache-2.0

// Package test runs Headgate as its users do: it builds the real binaries,
// starts them as processes and looks at what they print, serve and leave
// behind. It is a module of its own, so that what only these tests need stays
// out of the product's dependencies.
package test
