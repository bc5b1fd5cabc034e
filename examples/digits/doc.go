// SPDX-License-Identifier: Apache-2.0

// Package digits trains the models that compete in Headgate's demo: three
// readers of handwritten digits, good, better and broken, learned at start from
// real data in a fraction of a second.
//
// It promises that the same program learns the same models every time: the
// split of the data, the first weights and the order of the examples come from
// fixed seeds. Between processor architectures the last bits of a float may
// differ, and with them one or two of the several hundred test rows.
//
// The package is an example: nothing of the product but its demo imports it.
// Package serve, beside it, puts a model behind the usual serving protocols.
package digits
