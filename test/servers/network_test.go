// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/headgate-dev/headgate/test/servers"
)

func TestNetworkReachesItsBackends(t *testing.T) {
	var namespace string
	t.Run("a test", func(t *testing.T) {
		n := servers.NewNetwork(t, 3)
		namespace = n.Namespace
		for i, addr := range n.Addrs {
			l := n.Listen(t, addr, 8080) // The same port at each address.
			go func() {
				if conn, err := l.Accept(); err == nil {
					_, _ = fmt.Fprintf(conn, "backend %d", i)
					_ = conn.Close()
				}
			}()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(conn); string(text) != fmt.Sprintf("backend %d", i) || err != nil {
				t.Errorf("%s says %q, %v", addr, text, err)
			}
			_ = conn.Close()
		}
		if l, err := net.Listen("tcp", net.JoinHostPort(n.Addrs[0].String(), "0")); err == nil {
			_ = l.Close()
			t.Error("the test itself has an address of the network: it did not leave it")
		}
	})
	if namespace == "" {
		t.Skip("the test was skipped")
	}
	if _, err := os.Stat(filepath.Join("/run/netns", namespace)); !os.IsNotExist(err) {
		t.Errorf("the namespace is still there: %v", err)
	}
}
