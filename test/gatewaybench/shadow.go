// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/headgate-dev/headgate/test/badshadow"
)

// badShadows serves a bad shadow of each mood, prints where, and at the end of
// standard input how many copies and how many other requests there were.
func badShadows() error {
	var all []*badshadow.Handler
	for _, mood := range badshadow.Moods() {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		h := new(badshadow.Handler)
		h.Mood.Store(mood)
		all = append(all, h)
		s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		go func() { _ = s.Serve(ln) }() // Until the process ends.
		fmt.Println("http://" + ln.Addr().String())
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	copies, others := int64(0), int64(0)
	for _, h := range all {
		copies += h.Copies.Load()
		others += h.Others.Load()
	}
	fmt.Println(copies, others)
	return nil
}
