// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// refusal is an answer that the gateway gives itself. It names no backend: what
// stands behind the gateway is not the client's business.
type refusal struct {
	status  int
	code    experiment.Code
	message string
	hint    string
}

var (
	refusedNoRoute = refusal{
		http.StatusServiceUnavailable, experiment.CodeUnavailable,
		"no experiment is served yet", "try again in a moment",
	}
	refusedBusy = refusal{
		http.StatusServiceUnavailable, experiment.CodeUnavailable,
		"too many requests are under way", "try again in a moment",
	}
	refusedNoUnit = refusal{
		http.StatusBadRequest, experiment.CodeInvalid,
		"the request has no usable unit", "send the unit where the experiment's assignment looks for it: at most 256 bytes, no control characters",
	}
	refusedBody = refusal{
		http.StatusBadRequest, experiment.CodeInvalid,
		"the body of the request ended early or came too slowly", "send the whole body",
	}
	refusedMessage = refusal{
		http.StatusBadRequest, experiment.CodeInvalid,
		"the request is not HTTP/1.1, or could be read in two ways", "",
	}
	refusedHead = refusal{
		http.StatusRequestHeaderFieldsTooLarge, experiment.CodeInvalid,
		"the head of the request is too large", "send fewer or shorter header fields",
	}
	refusedCoding = refusal{
		http.StatusNotImplemented, experiment.CodeInvalid,
		"the request's transfer coding is not chunked", "send it chunked or with its length",
	}
	refusedVersion = refusal{
		http.StatusHTTPVersionNotSupported, experiment.CodeInvalid,
		"the gateway speaks HTTP/1.1 and HTTP/2", "",
	}
	refusedExpectation = refusal{
		http.StatusExpectationFailed, experiment.CodeInvalid,
		"the request expects something other than 100-continue", "",
	}
	refusedMethod = refusal{
		http.StatusMethodNotAllowed, experiment.CodeInvalid,
		"the gateway is not a forward proxy", "send requests to the gateway's own address",
	}
	failedGateway = refusal{
		http.StatusBadGateway, experiment.CodeUnavailable,
		"the model version did not answer", "",
	}
	failedTimeout = refusal{
		http.StatusGatewayTimeout, experiment.CodeUnavailable,
		"the model version did not answer in time", "",
	}
)

// body is the refusal as JSON.
func (r *refusal) body() []byte {
	type failure struct {
		Code    experiment.Code `json:"code"`
		Message string          `json:"message"`
		Hint    string          `json:"hint,omitempty"`
	}
	body, err := json.Marshal(map[string]failure{"error": {r.code, r.message, r.hint}})
	if err != nil { // Three strings can always be written.
		return nil
	}
	return body
}

// write answers with the refusal.
func (r *refusal) write(w http.ResponseWriter) {
	body := r.body()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(body) // A client that is gone needs no answer.
}
