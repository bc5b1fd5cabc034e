// SPDX-License-Identifier: Apache-2.0

//go:build unix

package gateway

import "syscall"

// peek looks at a connection without taking from it: quiet is open and nothing
// to read, ended is closed by the other side. Neither is something to read.
func peek(raw syscall.RawConn) (quiet, ended bool) {
	if raw == nil {
		return true, false
	}
	var n int
	var err error
	var b [1]byte
	failed := raw.Control(func(fd uintptr) {
		n, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	})
	switch {
	case failed != nil:
		return false, true
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return true, false
	default:
		return false, err != nil || n == 0
	}
}
