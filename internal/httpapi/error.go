// SPDX-License-Identifier: Apache-2.0

// Package httpapi is Headgate's HTTP face: outcomes come in as JSON and are
// acknowledged once they are stored. Every failure is answered as
// {"error":{"code","message","path","hint"}}: what is wrong, where, and what
// to do about it. It never repeats a token or a unit id.
package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// retrySeconds is what a client is told to wait when the store is down.
const retrySeconds = 1

// StatusOf is the one mapping from classes of failure to HTTP statuses.
func StatusOf(code experiment.Code) int {
	switch code {
	case "":
		return http.StatusOK
	case experiment.CodeInvalid:
		return http.StatusBadRequest
	case experiment.CodeNotFound:
		return http.StatusNotFound
	case experiment.CodeConflict, experiment.CodeUntrustworthy:
		return http.StatusConflict
	case experiment.CodeUnauthorized:
		return http.StatusUnauthorized
	case experiment.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Failure is the body of every answer that is not a success.
type Failure struct {
	Code    experiment.Code `json:"code"`
	Message string          `json:"message"`
	// Path is the field that is wrong: outcomes[3].value.
	Path string `json:"path,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// WriteError answers with an error, under the status of its class. An error
// without a class is answered as internal, without its text: it may say more
// than a stranger should know.
func WriteError(w http.ResponseWriter, err error) {
	code := experiment.CodeOf(err)
	f := Failure{Code: code, Message: err.Error(), Path: experiment.PathOf(err), Hint: experiment.HintOf(err)}
	if code == experiment.CodeInternal {
		f.Message, f.Path = "something is wrong inside Headgate", ""
	}
	writeFailure(w, StatusOf(code), f)
}

func writeFailure(w http.ResponseWriter, status int, f Failure) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	}
	WriteJSON(w, status, map[string]Failure{"error": f})
}

// WriteJSON answers with a value as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"the answer cannot be written as JSON"}}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that has gone cannot be told.
	_, _ = w.Write(append(body, '\n'))
}

// allow answers 405 and reports false unless the request has one of the
// methods.
func allow(w http.ResponseWriter, r *http.Request, methods string, ok bool) bool {
	if !ok {
		w.Header().Set("Allow", methods)
		writeFailure(w, http.StatusMethodNotAllowed, Failure{
			Code: experiment.CodeInvalid, Message: "method " + quote(r.Method) + " is not for this address", Hint: "use " + methods,
		})
	}
	return ok
}
