// SPDX-License-Identifier: Apache-2.0

// Package h1 reads HTTP/1.1 messages off a connection, strictly (RFC 9112) and
// without allocating: a head is parsed in place, fields are slices of the
// reader's buffer.
//
// Strict means that whatever two parties could read in two ways is refused
// instead of mended: both Transfer-Encoding and Content-Length, a transfer
// coding other than chunked, folded lines, blanks before a colon, bare line
// feeds, control characters, differing lengths, a second Host. What is written
// on is framed anew, so that nothing of a sender's framing gets through.
//
// It knows messages only, nothing of gateways.
package h1
