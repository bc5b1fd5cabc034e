// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/headgate-dev/headgate/test/badshadow"
)

// badShadow is a candidate that gets copies only, in this process.
type badShadow struct {
	badshadow.Handler
	url string
}

// newBadShadow is bad in the moods that it is told; in the mood "well" the model
// at usually answers.
func newBadShadow(t *testing.T, usually string) *badShadow {
	t.Helper()
	target, err := url.Parse(usually)
	if err != nil {
		t.Fatal(err)
	}
	b := &badShadow{Handler: badshadow.Handler{Well: httputil.NewSingleHostReverseProxy(target)}}
	b.Mood.Store("well")
	s := httptest.NewServer(b)
	t.Cleanup(func() {
		s.CloseClientConnections() // It may hang, or flood.
		s.Close()
	})
	b.url = s.URL
	return b
}
