// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestRequestsAreTakenInBeforeTheyAreRefused refuses requests in HTTP/2, as one
// without a unit and as one that a proxy cannot pass on: an answer before the
// end of a request makes a reset of the stream, and some clients take that for
// a failure.
func TestRequestsAreTakenInBeforeTheyAreRefused(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(experiment.Baseline(1), named(t, "one"))
	r.Assignment.RejectMissing = true
	swap(t, g, r)
	for name, tc := range map[string]struct {
		method, body string
		major, left  int
		status       int
	}{
		"without a unit":          {"POST", "1234", 2, 0, 400},
		"not to be passed on":     {"CONNECT", "1234", 2, 0, 405},
		"longer than is taken in": {"POST", strings.Repeat("x", lingerBytes+1), 2, 1, 400},
		"HTTP/1.1 needs it not":   {"POST", "1234", 1, 4, 400},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.NewReader(tc.body)
			in, out := httptest.NewRequest(tc.method, "/", io.NopCloser(body)), httptest.NewRecorder()
			in.ProtoMajor = tc.major
			g.Handler().ServeHTTP(out, in)
			if body.Len() != tc.left || out.Code != tc.status {
				t.Errorf("%d with %d bytes left, want %d with %d", out.Code, body.Len(), tc.status, tc.left)
			}
		})
	}
}
