// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Network is a network namespace of its own with addresses that only this
// machine reaches. Backends get their addresses here: an EndpointSlice may not
// hold a loopback address, and a backend that listens on another address of the
// machine would be open to its neighbours.
type Network struct {
	Namespace string       // as ip netns exec wants it
	Addrs     []netip.Addr // of backends, on both sides of nothing but one wire

	pinned *os.File // the namespace
}

// NewNetwork makes a network with a number of addresses, at most 200, for the
// length of the test, which is skipped where that is not allowed.
func NewNetwork(tb testing.TB, addrs int) *Network {
	tb.Helper()
	wanted(tb)
	if os.Getuid() != 0 {
		tb.Skip("a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		tb.Skip("a network namespace needs the program ip (Debian: iproute2)")
	}
	removeLeftNetworks()
	n := &Network{Namespace: fmt.Sprintf("%s%d-%d", networkPrefix, os.Getpid(), rand.IntN(1000))}
	if err := ip("netns", "add", n.Namespace); err != nil {
		tb.Skipf("a network namespace is not allowed here: %v", err)
	}
	tb.Cleanup(func() {
		if n.pinned != nil {
			_ = n.pinned.Close()
		}
		if err := ip("netns", "delete", n.Namespace); err != nil {
			tb.Error(err)
		}
	})
	if err := n.wire(addrs); err != nil {
		tb.Fatal(err)
	}
	return n
}

const networkPrefix = "hg"

// removeLeftNetworks deletes namespaces whose test program was killed.
func removeLeftNetworks() {
	names, _ := filepath.Glob("/run/netns/" + networkPrefix + "*-*")
	for _, file := range names {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(file), networkPrefix), "-")
		if number, err := strconv.Atoi(pid); err == nil && errors.Is(unix.Kill(number, 0), unix.ESRCH) {
			_ = ip("netns", "delete", filepath.Base(file)) // Another test may be faster.
		}
	}
}

// wire joins the namespace to the machine by a pair of interfaces: the machine
// is .1 of a network of its own, the backends are .2 and on.
func (n *Network) wire(addrs int) error {
	net24, err := freeNetwork()
	if err != nil {
		return err
	}
	outside, inside := n.Namespace+"a", n.Namespace+"b"
	steps := [][]string{
		{"link", "add", outside, "type", "veth", "peer", "name", inside, "netns", n.Namespace},
		{"addr", "add", host(net24, 1).String() + "/24", "dev", outside},
		{"link", "set", outside, "up"},
		{"-n", n.Namespace, "link", "set", inside, "up"},
		{"-n", n.Namespace, "link", "set", "lo", "up"},
	}
	for i := range addrs {
		addr := host(net24, byte(2+i))
		n.Addrs = append(n.Addrs, addr)
		steps = append(steps, []string{"-n", n.Namespace, "addr", "add", addr.String() + "/24", "dev", inside})
	}
	for _, step := range steps {
		if err := ip(step...); err != nil {
			return err
		}
	}
	n.pinned, err = os.Open("/run/netns/" + n.Namespace)
	return err
}

func host(net24 netip.Addr, last byte) netip.Addr {
	bytes := net24.As4()
	bytes[3] = last
	return netip.AddrFrom4(bytes)
}

// freeNetwork is a /24 below 10/8 to which the machine has no address.
func freeNetwork() (netip.Addr, error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for range 100 {
		candidate := netip.AddrFrom4([4]byte{10, byte(64 + rand.IntN(190)), byte(rand.IntN(256)), 0})
		free := true
		for _, addr := range taken {
			prefix, err := netip.ParsePrefix(addr.String())
			free = free && (err != nil || !prefix.Overlaps(netip.PrefixFrom(candidate, 24)))
		}
		if free {
			return candidate, nil
		}
	}
	return netip.Addr{}, errors.New("find a free network: 100 are taken")
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Listen opens a TCP port, 0 for any, at one of the network's addresses. The
// caller serves on it in this process, as on any other listener.
func (n *Network) Listen(tb testing.TB, addr netip.Addr, port uint16) net.Listener {
	tb.Helper()
	listener, err := n.listen(netip.AddrPortFrom(addr, port).String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	return listener
}

// listen enters the namespace with this thread alone, and leaves it again: a
// socket stays where it was opened. Ending the thread would be simpler, but
// servers that it happened to start would be killed with it (see start).
func (n *Network) listen(addr string) (l net.Listener, err error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer func() { _ = home.Close() }()
	if err := unix.Setns(int(n.pinned.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("enter the network: %w", err)
	}
	l, err = net.Listen("tcp", addr)
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return nil, fmt.Errorf("leave the network: %w", back) // The thread stays locked: nobody else may use it.
	}
	runtime.UnlockOSThread()
	return l, err
}
