// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// FreeAddr is a loopback address with a port that is the test's own until it
// ends: nobody else gets it, also while whoever listens there is down, and until
// then a connection to it is refused.
//
// A socket that is bound there and does not listen keeps it. The system gives
// such a port neither to another listener that asks for any port nor to a
// connection; but it lets one listen there that names it and, as everything in
// Go does, sets SO_REUSEADDR.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	fd, port, err := keepPort()
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	tb.Cleanup(func() { _ = unix.Close(fd) })
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// keepPort binds a socket to a free port.
func keepPort() (fd, port int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, 0, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, os.NewSyscallError("bind", err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return 0, 0, os.NewSyscallError("getsockname", err)
	}
	own, ok := at.(*unix.SockaddrInet4)
	if !ok {
		return 0, 0, fmt.Errorf("getsockname: %T is no address of IPv4", at)
	}
	return fd, own.Port, nil
}

// freeAddrs is a number of such addresses.
func freeAddrs(tb testing.TB, n int) []string {
	tb.Helper()
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = FreeAddr(tb)
	}
	return addrs
}
