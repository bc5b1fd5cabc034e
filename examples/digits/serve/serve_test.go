// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/examples/digits"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a model and rows to show it.
func fixture(t testing.TB, kind digits.Kind) (*digits.Model, digits.Dataset) {
	t.Helper()
	train, test, err := digits.Load()
	if err != nil {
		t.Fatal(err)
	}
	model, err := digits.Train(kind, train)
	if err != nil {
		t.Fatal(err)
	}
	return model, test
}

// start serves model until the test ends.
func start(t testing.TB, model *digits.Model, faults Faults) *Server {
	t.Helper()
	s, err := Start(t.Context(), "127.0.0.1:0", model, faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newClient is a client whose connections end with the test.
func newClient(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// reply is what a server answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call makes a request; headers come in pairs of name and value.
func call(t testing.TB, client *http.Client, method, url, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, bytes.TrimSpace(text)}
}

// text writes v as JSON.
func text(t testing.TB, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// decode reads an answer of status 200 into T.
func decode[T any](t testing.TB, r reply) T {
	t.Helper()
	var v T
	if r.status != http.StatusOK {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

// images are the pixels of rows, in the form of a batch.
func images(rows digits.Dataset) (nested [][]float64, flat []float64) {
	for _, row := range rows {
		nested = append(nested, row.Pixels[:])
		flat = append(flat, row.Pixels[:]...)
	}
	return nested, flat
}

// blank is an image of 64 numbers as text, the first of which is first.
func blank(first string) string { return "[" + first + strings.Repeat(",0", digits.Pixels-1) + "]" }

// refusal reads an answer that is not 200, strictly in the form of the protocol
// that the path belongs to.
func refusal(t testing.TB, path string, r reply) (code int, info string) {
	t.Helper()
	in := json.NewDecoder(bytes.NewReader(r.body))
	in.DisallowUnknownFields()
	if !strings.HasPrefix(path, "/api/") {
		var plain struct{ Error string }
		if err := in.Decode(&plain); err != nil || plain.Error == "" {
			t.Fatalf("no error of the protocol: %d %s", r.status, r.body)
		}
		return r.status, plain.Error
	}
	var seldon struct {
		Status struct {
			Code                 int
			Info, Reason, Status string
		}
	}
	if err := in.Decode(&seldon); err != nil || seldon.Status.Status != "FAILURE" || seldon.Status.Reason == "" {
		t.Fatalf("no error of the protocol: %d %s", r.status, r.body)
	}
	return seldon.Status.Code, seldon.Status.Info
}
