// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestMessageBoundariesOverRawTCP sends what smugglers send. The model must see
// whole requests of the gateway's framing only, and bytes that somebody in
// front may have taken for a body must never become a request.
func TestMessageBoundariesOverRawTCP(t *testing.T) {
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\nX-User-Id: eve\r\n\r\n"
	const head = "Host: h\r\nX-User-Id: anna\r\n"
	for name, tc := range map[string]struct {
		send     string
		statuses []int
		upstream []string // method, path, framing and body
		// strict is the engine fast's answer where it refuses what the engine
		// full, on net/http, cannot tell from an honest request.
		strict int
	}{
		"honest requests share a connection": {
			"POST /a HTTP/1.1\r\n" + head + "Content-Length: 2\r\n\r\nab" + "GET /b HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n",
			[]int{200, 200},
			[]string{"POST /a 2 [] ab", "GET /b 0 [] "},
			0,
		},
		"both lengths: chunks count, the rest is not a request": {
			fmt.Sprintf("POST /a HTTP/1.1\r\n"+head+"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", 5+len(smuggled), smuggled),
			[]int{200},
			[]string{"POST /a -1 [chunked] "},
			400,
		},
		"both lengths the other way round": {
			"POST /a HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\nab\r\n0\r\n\r\n" + smuggled,
			[]int{200},
			[]string{"POST /a -1 [chunked] ab"},
			400,
		},
		"HTTP/1.0 with chunks: the length counts, the rest is not a request": {
			"POST /a HTTP/1.0\r\n" + head + "Connection: keep-alive\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nab" + smuggled,
			[]int{200},
			[]string{"POST /a 2 [] ab"},
			400,
		},
		"two lengths are refused": {
			"POST /a HTTP/1.1\r\n" + head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
			[]int{400},
			nil,
			0,
		},
		"signed length is refused": {
			"POST /a HTTP/1.1\r\n" + head + "Content-Length: +2\r\n\r\nab" + smuggled,
			[]int{400},
			nil,
			0,
		},
		"disguised chunked is refused": {
			"POST /a HTTP/1.1\r\n" + head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
			[]int{501},
			nil,
			0,
		},
		"two encodings are refused": {
			"POST /a HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
			[]int{501},
			nil,
			400,
		},
		"space before the colon is refused": {
			"POST /a HTTP/1.1\r\n" + head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
			[]int{400},
			nil,
			0,
		},
		"broken chunk is the client's fault": {
			"POST /a HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled,
			[]int{400},
			nil,
			0,
		},
		"body that waits to be asked for is asked for": {
			"POST /a HTTP/1.1\r\n" + head + "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
			[]int{100, 200},
			[]string{"POST /a 2 [] ab"},
			200,
		},
		"other expectations are refused": {
			"POST /a HTTP/1.1\r\n" + head + "Expect: 200-ok\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
			[]int{417},
			nil,
			0,
		},
		"forward proxy is refused": {
			"CONNECT example.com:443 HTTP/1.1\r\n" + head + "\r\n" + smuggled,
			[]int{405},
			nil,
			0,
		},
		"absolute address stays here": {
			"GET http://u:p@example.com/a?b HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n",
			[]int{200},
			[]string{"GET /a?b 0 [] "},
			0,
		},
		"opaque address is refused": {
			"GET mail:eve HTTP/1.1\r\n" + head + "\r\n" + smuggled,
			[]int{400},
			nil,
			0,
		},
		"absolute address of nobody is refused": {
			"GET http://?b HTTP/1.1\r\n" + head + "\r\n" + smuggled,
			[]int{400},
			nil,
			0,
		},
		"huge head is refused": {
			"GET /a HTTP/1.1\r\n" + head + "X-Pad: " + strings.Repeat("x", 80<<10) + "\r\n\r\n",
			[]int{431},
			nil,
			0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var upstream []string
			v := backend(t, func(_ http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if err != nil {
					return // The gateway broke off.
				}
				mu.Lock()
				defer mu.Unlock()
				upstream = append(upstream, fmt.Sprintf("%s %s %d %v %s", r.Method, r.RequestURI, r.ContentLength, r.TransferEncoding, b))
			})
			g := testGateway(t, Options{})
			r := routeTo(experiment.Baseline(1), v)
			swap(t, g, r)
			url, client := serving(t, g)
			if engine == "fast" && tc.strict != 0 {
				tc.statuses = []int{tc.strict}
				if tc.strict >= 400 {
					tc.upstream = nil
				}
			}
			statuses := exchangeRaw(t, strings.TrimPrefix(url, "http://"), tc.send)
			settled(client)
			if diff := cmp.Diff(tc.statuses, statuses); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(tc.upstream, upstream); diff != "" {
				t.Errorf("upstream (-want +got):\n%s", diff)
			}
			if got := count(sealAll(t, g, r), 0, experiment.CellRequests).Counts; int(got.N) != len(tc.upstream) || got.X != 0 {
				t.Errorf("cell = %+v, want %d requests and no failure", got, len(tc.upstream))
			}
		})
	}
}

// exchangeRaw sends bytes and gives the statuses of all answers until the
// connection ends.
func exchangeRaw(t *testing.T, address, send string) []int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A server that refuses may close before all is written.
	go io.WriteString(conn, send)
	var statuses []int
	for br := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return statuses
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		statuses = append(statuses, res.StatusCode)
	}
}
