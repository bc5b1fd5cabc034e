// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// reply is what one endpoint made of a request.
type reply struct {
	status int
	took   time.Duration
	// kind and example say why there is no answer; kind is empty where there is.
	kind, example string
	// body is nil where it is longer than maxAnswer or coded.
	body            []byte
	oversize, coded bool
}

// failed is what counts as a failure, as for the mirror of a gateway.
func (r *reply) failed() bool { return r.kind != "" || r.status >= http.StatusInternalServerError }

// answer asks once. begun is called when the request is on its way, or cannot
// be.
func (r *run) answer(ctx context.Context, body []byte, begun func()) reply {
	defer begun()
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) { begun() }})
	req := r.request(traced, job{unit: -1, body: body})
	sent := time.Now()
	res, err := r.client.Do(req)
	var out reply
	if err == nil {
		out.body, _, err = drain(res.Body, maxAnswer+1)
	}
	out.took = time.Since(sent)
	if err != nil {
		return reply{kind: kindOf(err, res != nil), example: exampleOf(err), took: out.took}
	}
	out.status = res.StatusCode
	if coding := res.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		out.body, out.coded = nil, true
	}
	if len(out.body) > maxAnswer {
		out.body, out.oversize = nil, true
	}
	return out
}
