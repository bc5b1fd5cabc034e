// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestFreeAddrIsKept takes addresses, and as many others as it takes for one of
// them to come again if it could.
func TestFreeAddrIsKept(t *testing.T) {
	kept := make(map[string]bool)
	for _, addr := range freeAddrs(t, 1000) {
		kept[addr] = true
	}
	if len(kept) != 1000 {
		t.Errorf("of 1000 addresses %d differ", len(kept))
	}
	at := FreeAddr(t)
	for range 2 { // Its listener may come back.
		if conn, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("before anybody listens there is %v, %v", conn, err)
		}
		listener, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if other, err := net.Listen("tcp", at); err == nil {
			_ = other.Close()
			t.Error("two listen there")
		}
		_ = conn.Close()
		_ = listener.Close()
	}
	for range 3000 {
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if addr := other.Addr().String(); kept[addr] {
			t.Errorf("%s was given to another", addr)
		}
		_ = other.Close()
	}
}
