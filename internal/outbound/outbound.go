// SPDX-License-Identifier: Apache-2.0

// Package outbound decides which addresses are asked at the bidding of whoever
// wrote an experiment: a program in a cluster sees addresses that the author may
// not, and those of the link are where clouds keep credentials. Whether a name
// stands for one of them is looked at when it is dialled, so that a name that is
// resolved twice cannot be two things.
package outbound

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// ErrLinkLocal is an address that is not asked.
var ErrLinkLocal = errors.New("link-local addresses are not asked: clouds keep credentials there")

// credentialsIPv6 is where EC2 has its credentials in IPv6: not of the link, but
// its service all the same.
var credentialsIPv6 = netip.MustParseAddr("fd00:ec2::254")

// LinkLocal says whether an address is of 169.254.0.0/16, of fe80::/10 or
// multicast of the link, also as written in IPv6, or by which IPv6 reaches the
// same services.
func LinkLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip == credentialsIPv6
}

// Guard is the Control of a net.Dialer: asked with each address before it is
// dialled, names resolved, it refuses those of the link by ErrLinkLocal, and what
// is no address and port. Where linkLocal is true nothing is refused, and it is
// nil.
func Guard(linkLocal bool) func(network, address string, _ syscall.RawConn) error {
	if linkLocal {
		return nil
	}
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%s is no address", address)
		}
		if LinkLocal(at.Addr()) {
			return ErrLinkLocal
		}
		return nil
	}
}

// Proxy is the Proxy of an http.Transport: the environment's, but for addresses
// that are refused, since a proxy would ask them. The address of a proxy may
// hold a password, so a bad one is not repeated.
func Proxy(linkLocal bool) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		ip, err := netip.ParseAddr(strings.TrimSuffix(req.URL.Hostname(), "."))
		if !linkLocal && err == nil && LinkLocal(ip) {
			return nil, ErrLinkLocal
		}
		u, err := http.ProxyFromEnvironment(req)
		if err != nil {
			return nil, errors.New("the proxy that the environment names is no URL")
		}
		return u, nil
	}
}
