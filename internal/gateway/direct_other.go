// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package gateway

import "net"

// directly does nothing here: connections are as the library makes them.
func directly(conn net.Conn) net.Conn { return conn }

func plain(conn net.Conn) net.Conn { return conn }

// together writes p at once: here there is no better way.
func together(conn net.Conn, p []byte) error {
	_, err := conn.Write(p)
	return err
}
