// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// boundaryMutations is how many inputs are made of the seeds.
const boundaryMutations = 1500

// webSocket is what HAProxy wants of an offer of WebSocket.
const webSocket = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// boundarySeeds are what honest clients and smugglers send.
var boundarySeeds = []string{
	"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /a?b=c HTTP/1.1\r\nHost: h:80\r\nAccept: */*\r\nX-User-Id: anna\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nPUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nabGET /b HTTP/1.0\r\n\r\n",
	"POST /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nabGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nabGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +2\r\n\r\nabGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
	"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nDELETE /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n",
	"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\nGET http://h HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET mail:eve HTTP/1.1\r\nHost: h\r\n\r\n",
	"\r\nGET /a HTTP/1.1\r\nHost: h\r\nX-Pad: " + strings.Repeat("x", 3000) + "\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: h\r\nX-Folded: a\r\n b\r\n\r\n",
	"GET /a HTTP/1.1\nHost: h\n\nGET /b HTTP/1.1\nHost: h\n\n",
	"GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + webSocket + "\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + webSocket + "Content-Length: 2\r\n\r\nabGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + webSocket + "Transfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nxGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
}

// boundaryPieces are put into inputs, boundaryOctets in the place of octets.
var (
	boundaryPieces = []string{
		"\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", "\x00", "\x0b", ":", ";", ",", "0", "0\r\n\r\n", "1\r\nx\r\n",
		"Transfer-Encoding: chunked\r\n", "Transfer-Encoding:chunked\r\n", "transfer-encoding: CHUNKED\r\n", "Transfer-Encoding:\tchunked\r\n",
		"Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: \"chunked\"\r\n",
		"Transfer-Encoding:\r\n chunked\r\n", "Transfer-Encoding\r\n: chunked\r\n", "Transfer_Encoding: chunked\r\n", "X: y\rTransfer-Encoding: chunked\r\n",
		"Content-Length: 0\r\n", "Content-Length: 2\r\n", "Content-Length: 10\r\n", "Content-Length: 02\r\n", "Content-Length: 2, 2\r\n", "Content-Length: 0x2\r\n",
		"Content-Length: -1\r\n", "Content-Length: 2 2\r\n", "Content-Length: \r\n", "Content-Length: 99999999999999999999\r\n", "Content-Length : 2\r\n",
		"Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: Content-Length\r\n", "Connection: Transfer-Encoding\r\n", "Connection: Host\r\n",
		"Host: h\r\n", "Host: other\r\n", "Expect: 100-continue\r\n", "Upgrade: websocket\r\n", "TE: trailers\r\n", "Trailer: Content-Length\r\n",
		" HTTP/1.1", " HTTP/1.0", " HTTP/2.0", "GET /c HTTP/1.1\r\nHost: h\r\n\r\n", "ffffffffffffffff\r\n", "00000000000000000000\r\n", "2;a=\"b\r\nc\"\r\nab\r\n",
	}
	boundaryOctets = "\r\n \t\x00\x0b\x0c\x7f\x80\xff:;,/?#%*0123456789abcfxHTP.-_\"'"
)

// boundaryInputs are the seeds, what fuzzing has kept, and mutations of both:
// the same ones in every run.
func boundaryInputs(t *testing.T) []string {
	t.Helper()
	inputs := append(append([]string(nil), boundarySeeds...), corpus(t)...)
	seeds := len(inputs)
	rng := rand.New(rand.NewPCG(1, 2))
	mutations := boundaryMutations
	if os.Getenv("HEADGATE_SOAK") != "" {
		mutations *= 20
	}
	for range mutations {
		in := []byte(inputs[rng.IntN(seeds)])
		for range 1 + rng.IntN(3)/2 {
			in = mutate(rng, in, inputs[:seeds])
		}
		inputs = append(inputs, string(in))
	}
	return inputs
}

// mutate changes an input in one place.
func mutate(rng *rand.Rand, in []byte, seeds []string) []byte {
	if len(in) == 0 {
		return in
	}
	at := rng.IntN(len(in))
	if rng.IntN(2) == 0 { // Where lines begin, most is decided.
		if i := bytes.IndexByte(in[at:], '\n'); i >= 0 && at+i+1 < len(in) {
			at += i + 1
		}
	}
	insert := func(piece string) []byte {
		return append(append(append([]byte(nil), in[:at]...), piece...), in[at:]...)
	}
	octet := boundaryOctets[rng.IntN(len(boundaryOctets))]
	switch rng.IntN(8) {
	case 0, 1, 2:
		return insert(boundaryPieces[rng.IntN(len(boundaryPieces))])
	case 3:
		return insert(string(octet))
	case 4:
		out := bytes.Clone(in)
		out[at] = octet
		return out
	case 5: // Leave some out.
		return append(bytes.Clone(in[:at]), in[min(len(in), at+1+rng.IntN(4)):]...)
	case 6: // A line twice.
		end := bytes.IndexByte(in[at:], '\n')
		return insert(string(in[at : at+end+1]))
	default: // Go on as another.
		other := seeds[rng.IntN(len(seeds))]
		if other == "" {
			return in
		}
		return append(bytes.Clone(in[:at]), other[rng.IntN(len(other)):]...)
	}
}
