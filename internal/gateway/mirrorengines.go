// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"net/http"
)

// capturedBody is the baseline's answer in the engine full.
type capturedBody struct {
	io.ReadCloser
	original *original
}

// Read implements io.Reader.
func (b *capturedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.original.take(p[:n])
	if err == io.EOF {
		b.original.done()
	}
	return n, err
}

// departed takes in the head that the engine full sends.
func (x *fullExchange) departed(header http.Header) {
	target := x.in.URL.EscapedPath()
	if x.in.URL.ForceQuery || x.in.URL.RawQuery != "" {
		target += "?" + x.in.URL.RawQuery
	}
	x.original.edit = x.edit
	x.original.depart(target, header.Clone())
}

// capture listens to the answer in the engine full.
func (x *fullExchange) capture(res *http.Response) {
	length := res.ContentLength
	if x.in.Method == http.MethodHead {
		length = 0
	}
	x.original.answers(res.StatusCode, length, fullAnswer(res.Header))
	res.Body = &capturedBody{res.Body, x.original}
}

// departed takes in the head that the engine fast sends.
func (x *fastExchange) departed() {
	c := x.c
	header := make(http.Header, len(c.head.Fields)+3)
	for i := range c.head.Fields {
		f := &c.head.Fields[i]
		if !f.Hop && !isReserved(f.Name) && !isForwarding(f.Name) {
			header.Add(string(f.Name), string(f.Value))
		}
	}
	if len(c.ip) > 0 {
		header.Set("X-Forwarded-For", string(c.ip))
	}
	if len(c.head.Host) > 0 {
		header.Set("X-Forwarded-Host", string(c.head.Host))
	}
	header.Set("X-Forwarded-Proto", "http")
	x.original.edit = x.edit
	x.original.depart(string(c.head.Target), header)
}
