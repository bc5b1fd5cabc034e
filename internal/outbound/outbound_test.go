// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAddressesOfTheLinkAreNotDialled(t *testing.T) {
	guard := Guard(false)
	for address, allowed := range map[string]bool{
		"169.254.169.254:80": false, "169.254.0.1:443": false, "[fe80::1]:80": false, "[fe80::1%eth0]:80": false,
		"[::ffff:169.254.169.254]:80": false, "[fd00:ec2::254]:80": false, "224.0.0.1:80": false, "[ff02::1]:80": false,
		"127.0.0.1:80": true, "10.0.0.1:80": true, "[::1]:80": true, "[fd00::1]:80": true, "169.253.0.1:80": true,
	} {
		if err := guard("tcp", address, nil); (err == nil) != allowed || errors.Is(err, ErrLinkLocal) == allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := guard("unix", "/run/secrets.sock", nil); err == nil {
		t.Error("a file is dialled")
	}
	if Guard(true) != nil {
		t.Error("what is allowed is guarded")
	}
	dialer := net.Dialer{Control: guard}
	if _, err := dialer.DialContext(t.Context(), "tcp", "169.254.1.1:1"); !errors.Is(err, ErrLinkLocal) {
		t.Error(err)
	}
}

func TestAProxyIsNotAskedForAddressesOfTheLink(t *testing.T) {
	for target, refused := range map[string]bool{
		"http://169.254.169.254/x": true, "http://169.254.169.254./x": true, "http://[fe80::1%25lo]/": true, "http://[::ffff:169.254.169.254]/": true,
		"http://[fd00:ec2::254]/": true, "http://127.0.0.1/": false,
	} {
		req := httptest.NewRequest(http.MethodGet, target, http.NoBody)
		if _, err := Proxy(false)(req); errors.Is(err, ErrLinkLocal) != refused {
			t.Errorf("%s: %v", target, err)
		}
		if _, err := Proxy(true)(req); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}
