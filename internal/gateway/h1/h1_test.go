// SPDX-License-Identifier: Apache-2.0

package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const limit = 4096

func request(t *testing.T, text string) (*Head, *Reader, error) {
	t.Helper()
	b := NewReader(strings.NewReader(text), 64)
	h := new(Head)
	return h, b, h.ReadRequest(b, limit)
}

func TestRequestHeads(t *testing.T) {
	type want struct {
		method, target, host string
		minor                int
		length               int64
		chunked, close       bool
		upgrade, expect      bool
	}
	for text, w := range map[string]want{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                                {"GET", "/", "a", 1, 0, false, false, false, false},
		"\r\nGET / HTTP/1.1\r\nhost:\r\n\r\n":                                              {"GET", "/", "", 1, 0, false, false, false, false},
		"POST /v2/models/m/infer?x=1 HTTP/1.1\r\nHOST: a:80\r\nContent-Length: 12\r\n\r\n": {"POST", "/v2/models/m/infer?x=1", "a:80", 1, 12, false, false, false, false},
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n":                 {"POST", "/", "a", 1, -1, true, false, false, false},
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n":     {"POST", "/", "a", 1, 3, false, false, false, false},
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":                           {"GET", "/", "a", 1, 0, false, true, false, false},
		"GET / HTTP/1.0\r\n\r\n":                                                           {"GET", "/", "", 0, 0, false, true, false, false},
		"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n":                                 {"GET", "/", "", 0, 0, false, false, false, false},
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n":   {"GET", "/", "a", 1, 0, false, false, true, false},
		"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n":   {"PUT", "/", "a", 1, 1, false, false, false, true},
	} {
		h, _, err := request(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := want{string(h.Method), string(h.Target), string(h.Host), h.Minor, h.Length, h.Chunked, h.Close, h.Upgrade, h.Expect}
		if got != w {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	for text, want := range map[string]error{
		"":                                                io.EOF,
		"GET / HT":                                        io.ErrUnexpectedEOF,
		"GET / HTTP/1.1\r\n\r\n":                          ErrMalformed, // no Host
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n":               ErrVersion,
		"GET / HTTP/1.2\r\nHost: a\r\n\r\n":               ErrVersion,
		"GET /\r\nHost: a\r\n\r\n":                        ErrMalformed,
		"GET  / HTTP/1.1\r\nHost: a\r\n\r\n":              ErrMalformed,
		"G(T / HTTP/1.1\r\nHost: a\r\n\r\n":               ErrMalformed,
		"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n":           ErrMalformed,
		"GET / HTTP/1.1\nHost: a\n\n":                     io.ErrUnexpectedEOF,
		"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n":         ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":    ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n":             ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n":      ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n":      ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n": ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n":  ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n":    ErrMalformed,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n":          ErrMalformed,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n":          ErrMalformed,
		"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n":                               ErrMalformed,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n":                         ErrUnsupported,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n": ErrMalformed,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n":                   ErrMalformed,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n":                                       ErrMalformed,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n":                                     ErrMalformed,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n":                     ErrMalformed,
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", limit) + "\r\n\r\n":                     ErrTooLarge,
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: a\r\n", MaxFields) + "\r\n":                 ErrTooLarge,
		strings.Repeat("a", 2*limit): ErrTooLarge,
	} {
		if _, _, err := request(t, text); !errors.Is(err, want) {
			t.Errorf("%.60q: got %v, want %v", text, err, want)
		}
	}
}

func TestFieldsOfTheConnectionStayThere(t *testing.T) {
	h, _, err := request(t, "GET / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\nX-User-Id: u\r\nConnection: x-secret, keep-alive\r\n"+
		"Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: x\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	var passed []string
	for _, f := range h.Fields {
		if !f.Hop {
			passed = append(passed, string(f.Name))
		}
	}
	if d := cmp.Diff([]string{"X-User-Id"}, passed); d != "" {
		t.Error(d)
	}
	if got := h.Get("x-user-ID"); string(got) != "u" {
		t.Errorf("got %q", got)
	}
	if h.Get("x-user") != nil {
		t.Error("half a name is no name")
	}
}

func TestResponses(t *testing.T) {
	type want struct {
		status         int
		length         int64
		chunked, close bool
		body           string
		bodyErr        error
	}
	for text, w := range map[string]want{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi":                                            {200, 2, false, false, "hi", nil},
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi":                                            {200, 3, false, false, "hi", io.ErrUnexpectedEOF},
		"HTTP/1.1 200\r\n\r\nhi":                                                                    {200, -1, false, true, "hi", nil},
		"HTTP/1.1 204 \r\n\r\nhi":                                                                   {204, 0, false, false, "", nil},
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n":                                    {304, 0, false, false, "", nil},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nA: b\r\n\r\n":     {200, -1, true, false, "hi", nil},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n":       {200, -1, true, true, "", nil},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi":                              {200, -1, true, false, "hi", io.ErrUnexpectedEOF},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n":                {200, -1, true, false, "hi", ErrMalformed},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n":                   {200, -1, true, false, "", ErrMalformed},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n":                {200, -1, true, false, "", ErrMalformed},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n":                  {200, -1, true, false, "", ErrMalformed},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhi":              {200, -1, true, false, "", ErrMalformed},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1", 300) + "\r\n": {200, -1, true, false, "", ErrMalformed},
	} {
		for name, src := range map[string]io.Reader{"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
			b := NewReader(src, 64)
			var h Head
			if err := h.ReadResponse(b, limit, false); err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			var body Body
			h.Body(b, &body)
			got := want{h.Status, h.Length, h.Chunked, h.Close, "", nil}
			all, err := io.ReadAll(&body)
			got.body, got.bodyErr = string(all), err
			if got != w {
				t.Errorf("%q %s: got %+v", text, name, got)
			}
			if body.Done() != (err == nil) {
				t.Errorf("%q: done is %t, the error %v", text, body.Done(), err)
			}
		}
	}
}

func TestResponsesThatAreRefused(t *testing.T) {
	for text, want := range map[string]error{
		"":                                  io.ErrUnexpectedEOF,
		"HTTP/1.1 20 OK\r\n\r\n":            ErrMalformed,
		"HTTP/1.1 2000 OK\r\n\r\n":          ErrMalformed,
		"HTTP/1.1 099 OK\r\n\r\n":           ErrMalformed,
		"HTTP/1.1 600 OK\r\n\r\n":           ErrMalformed,
		"HTTP/1.1 200 O\x01\r\n\r\n":        ErrMalformed,
		"HTTP/3 200 OK\r\n\r\n":             ErrVersion,
		"SSH-2.0 200 OK\r\n\r\n":            ErrMalformed,
		"HTTP/1.1 200 OK\r\nX y\r\n\r\n":    ErrMalformed,
		"HTTP/1.1 200 OK\r\nX: y\r\n":       io.ErrUnexpectedEOF,
		"HTTP/1.1 200 OK\r\n\tX: y\r\n\r\n": ErrMalformed,
	} {
		var h Head
		if err := h.ReadResponse(NewReader(strings.NewReader(text), 64), limit, false); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

func TestMessagesFollowEachOther(t *testing.T) {
	b := NewReader(strings.NewReader("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst\r\n"+
		"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n"+
		"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"), 64)
	var h Head
	var body Body
	var got []string
	for {
		err := h.ReadRequest(b, limit)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		target := string(h.Target)
		h.Body(b, &body)
		text, err := io.ReadAll(&body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, target+" "+string(text))
	}
	if d := cmp.Diff([]string{"/1 first", "/2 second", "/3 "}, got); d != "" {
		t.Error(d)
	}
}

func TestAPrefixIsNotTaken(t *testing.T) {
	h, b, err := request(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 100))
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Prefix(100)
	if err != nil || len(p) != 100 || string(h.Host) != "a" {
		t.Fatalf("%d bytes, host %q: %v", len(p), h.Host, err)
	}
	var body Body
	h.Body(b, &body)
	if all, err := io.ReadAll(&body); err != nil || len(all) != 100 {
		t.Errorf("%d bytes: %v", len(all), err)
	}
}

func TestHeadsAreReadWithoutAllocation(t *testing.T) {
	text := []byte("POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nX-User-Id: user-1\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n")
	src := bytes.NewReader(text)
	b, h := NewReader(src, 4096), new(Head)
	n := testing.AllocsPerRun(100, func() {
		src.Reset(text)
		if err := h.ReadRequest(b, limit); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever is accepted, net/http understands in the same way: the boundaries
// of messages above all.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /y HTTP/1.1\r\nHost: b\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, theirs := NewReader(bytes.NewReader(text), 32), bufio.NewReader(bytes.NewReader(text))
		var h Head
		var body Body
		for {
			if err := h.ReadRequest(ours, limit); err != nil || h.Upgrade {
				return // net/http may be more lenient.
			}
			// An empty line before a request is passed over here.
			if p, err := theirs.Peek(2); err == nil && p[0] == '\r' && p[1] == '\n' {
				_, _ = theirs.Discard(2)
			}
			r, err := http.ReadRequest(theirs)
			if err != nil {
				if !strings.Contains(err.Error(), "parse") && !strings.Contains(err.Error(), "invalid URI") {
					t.Fatalf("net/http refuses what is accepted here: %v", err)
				}
				return // A target that is no URL is seen to by the gateway.
			}
			if r.Method != string(h.Method) || r.RequestURI != string(h.Target) || (len(r.TransferEncoding) > 0) != h.Chunked || r.ContentLength != h.Length {
				t.Fatalf("net/http reads %s %s %v %d, we %s %s %t %d", r.Method, r.RequestURI, r.TransferEncoding, r.ContentLength, h.Method, h.Target, h.Chunked, h.Length)
			}
			h.Body(ours, &body)
			mine, err := io.ReadAll(&body)
			if err != nil {
				return
			}
			yours, err := io.ReadAll(r.Body)
			if err != nil && !strings.Contains(err.Error(), "trailer") || err == nil && !bytes.Equal(mine, yours) {
				t.Fatalf("net/http reads the body %q (%v), we %q", yours, err, mine)
			}
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	text := []byte("POST /v2/models/m/infer HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-User-Id: user-1234\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n")
	src := bytes.NewReader(text)
	in, h := NewReader(src, 4096), new(Head)
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(text)
		if err := h.ReadRequest(in, limit); err != nil {
			b.Fatal(err)
		}
	}
}
