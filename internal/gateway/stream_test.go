// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestServerSentEventsPassOneByOne lets the model send an event only when the
// client has the one before: a buffer anywhere would stop both.
func TestServerSentEventsPassOneByOne(t *testing.T) {
	for _, length := range []string{"", "70"} {
		t.Run("Content-Length="+length, func(t *testing.T) {
			got := make(chan struct{})
			v := backend(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				if length != "" {
					w.Header().Set("Content-Length", length)
					w.Header().Set("Content-Type", "application/json")
				}
				for i := range 10 {
					fmt.Fprintf(w, "data:%d\n", i)
					http.NewResponseController(w).Flush()
					select {
					case <-got:
					case <-r.Context().Done():
						return
					}
				}
			})
			g := testGateway(t, Options{})
			swap(t, g, routeTo(experiment.Baseline(1), v))
			url, client := serving(t, g)
			req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			br := bufio.NewReader(res.Body)
			for i := range 10 {
				line, err := br.ReadString('\n')
				if want := fmt.Sprintf("data:%d\n", i); line != want || err != nil {
					t.Fatalf("event %q, %v, want %q", line, err, want)
				}
				got <- struct{}{}
			}
		})
	}
}

// zeros is a body of n bytes that nobody has in memory. It watches the heap.
type zeros struct {
	n    int64
	peak *atomic.Uint64
	next int64
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.n)
	clear(p[:n])
	if z.n -= n; z.n < z.next {
		z.next = z.n - 8<<20
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		z.peak.Store(max(z.peak.Load(), m.HeapAlloc))
	}
	return int(n), nil
}

func TestHugeBodiesStreamInLittleMemory(t *testing.T) {
	const size = 100 << 20
	for name, unit := range map[string]experiment.Unit{"unit in the header": {Header: "X-User-Id"}, "unit in the body": {JSONPath: "id"}} {
		t.Run(name, func(t *testing.T) {
			var peak atomic.Uint64
			v := backend(t, func(w http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				w.Header().Set("X-Got", fmt.Sprint(n))
				io.Copy(w, &zeros{n: size, peak: &peak, next: size})
			})
			g := testGateway(t, Options{})
			r := routeTo(experiment.Baseline(1), v)
			r.Assignment.Unit = unit
			swap(t, g, r)
			url, client := serving(t, g)
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			// No length: a body that must be read to know that it is too long.
			req, _ := http.NewRequestWithContext(t.Context(), "POST", url, io.MultiReader(&zeros{n: size, peak: &peak, next: size}))
			req.Header.Set("X-User-Id", "anna")
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			n, err := io.Copy(io.Discard, res.Body)
			if err != nil || n != size || res.Header.Get("X-Got") != fmt.Sprint(size) {
				t.Errorf("%s bytes up, %d down, %v", res.Header.Get("X-Got"), n, err)
			}
			if grown := int64(peak.Load()) - int64(before.HeapAlloc); peak.Load() == 0 || grown > 24<<20 {
				t.Errorf("heap grew by %d KiB", grown>>10)
			}
		})
	}
}

// TestAnswersThatComeBeforeTheRequestIsReadAreWhole: a model need not read what
// it is sent.
func TestAnswersThatComeBeforeTheRequestIsReadAreWhole(t *testing.T) {
	const size = 256 << 10
	v := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, io.LimitReader(ones{}, size)) })
	g := testGateway(t, Options{})
	swap(t, g, routeTo(experiment.Baseline(1), v))
	url, client := serving(t, g)
	for range 200 {
		if a := ask(t, client, "POST", url, `{"a":1}`, "X-User-Id", "anna"); len(a.body) != size {
			t.Fatalf("%d bytes, want %d", len(a.body), size)
		}
	}
}

// TestTheRestOfARequestIsPassedOnAfterTheAnswerHasBegun lets the client send the
// rest of its body only when it has the first of the answer, as it may in
// HTTP/1.1: none of it may be lost, and neither side may wait for the other.
func TestTheRestOfARequestIsPassedOnAfterTheAnswerHasBegun(t *testing.T) {
	v := backend(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		for p := make([]byte, 32<<10); ; {
			n, err := r.Body.Read(p)
			w.Write(p[:n])
			c.Flush()
			if err != nil {
				return
			}
		}
	})
	g := testGateway(t, Options{})
	swap(t, g, routeTo(experiment.Baseline(1), v))
	url, client := serving(t, g)
	rest := strings.Repeat("x", 100<<10)
	for range 20 { // Whatever becomes of the connection, the next one is whole too.
		body, send := io.Pipe()
		go send.Write([]byte("first"))
		req, _ := http.NewRequestWithContext(t.Context(), "POST", url, body)
		req.ContentLength = int64(len("first") + len(rest))
		req.Header.Set("X-User-Id", "anna")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, len("first"))
		if _, err := io.ReadFull(res.Body, first); err != nil {
			t.Fatal(err)
		}
		go func() {
			send.Write([]byte(rest))
			send.Close()
		}()
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(got) != rest {
			t.Fatalf("%d bytes of %d, %v", len(got), len(rest), err)
		}
	}
}

// ones are without end.
type ones struct{}

func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 1
	}
	return len(p), nil
}
