// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/examples/digits"
)

const (
	// modelName is what every protocol calls the one model that is served.
	modelName = "digits"
	// maxBody bounds a request's body, in bytes.
	maxBody = 1 << 20
)

// problem is an answer that is not 200.
type problem struct {
	status int
	text   string
}

// badRequest is a problem of what the client sent.
func badRequest(format string, args ...any) *problem {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// prediction is what the model makes of one image.
type prediction struct {
	label  int
	scores digits.Scores
}

// service answers for one model.
type service struct {
	model *digits.Model
	dice  *dice
}

// NewHandler answers for model under every protocol of the package. It fails
// when faults make no sense.
func NewHandler(model *digits.Model, faults Faults) (http.Handler, error) {
	if model == nil {
		return nil, errors.New("no model was given")
	}
	if err := faults.check(); err != nil {
		return nil, err
	}
	s := &service{model: model, dice: newDice(faults)}
	mux := http.NewServeMux()
	register(mux, plainError, s.inferenceRoutes())
	register(mux, plainError, s.kserveRoutes())
	register(mux, seldonError, s.seldonRoutes())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, plainError(&problem{http.StatusNotFound, fmt.Sprintf("nothing is at %q", r.URL.Path)}))
	})
	return mux, nil
}

// endpoint answers a request with something to be written as JSON, or with a
// problem. It may set headers.
type endpoint func(w http.ResponseWriter, r *http.Request) (any, *problem)

// errorBody is how a protocol writes a problem down.
type errorBody func(*problem) any

// plainError is the form of the Open Inference Protocol and of KServe v1.
func plainError(p *problem) any {
	return struct {
		Error string `json:"error"`
	}{p.text}
}

// routes maps a path's pattern to its methods.
type routes map[string]map[string]endpoint

// register serves the routes of one protocol and refuses other methods in the
// protocol's form.
func register(mux *http.ServeMux, form errorBody, paths routes) {
	for pattern, methods := range paths {
		allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet // net/http leaves the body out.
			}
			answer, found := methods[method]
			if !found {
				w.Header().Set("Allow", allowed)
				fail := &problem{http.StatusMethodNotAllowed, fmt.Sprintf("%s is not possible here; use %s", r.Method, allowed)}
				writeJSON(w, fail.status, form(fail))
				return
			}
			body, fail := answer(w, r)
			if fail != nil {
				writeJSON(w, fail.status, form(fail))
				return
			}
			writeJSON(w, http.StatusOK, body)
		})
	}
}

// writeJSON writes one line. What cannot be written, the client has left.
func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// readBody reads a body of bounded size.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes; send fewer images at once", maxBody)}
	}
	if err != nil {
		return nil, badRequest("the body cannot be read: %v", err)
	}
	return body, nil
}

// decodeJSON decodes a body that is one JSON value.
func decodeJSON(body []byte, into any) *problem {
	if err := json.Unmarshal(body, into); err != nil {
		return notExpected("the body", err)
	}
	return nil
}

// notExpected says, in the client's words and not in Go's, why JSON did not fit.
func notExpected(where string, err error) *problem {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field != "" {
			where += ", at " + wrong.Field + ","
		}
		return badRequest("%s holds a JSON %s, which cannot stand there", where, wrong.Value)
	}
	return badRequest("%s is not the JSON that was expected: %v", where, err)
}

// predict reads each image, after the fault that is due.
func (s *service) predict(r *http.Request, images []digits.Image) ([]prediction, *problem) {
	if fail := s.dice.roll(r.Context()); fail != nil {
		return nil, fail
	}
	answers := make([]prediction, len(images))
	for i, image := range images {
		answers[i].label, answers[i].scores = s.model.Predict(image)
	}
	return answers, nil
}

// checkModel refuses a model or a version that is not served; version may be
// empty.
func (s *service) checkModel(name, version string) *problem {
	if name != modelName {
		return &problem{http.StatusNotFound, fmt.Sprintf("model %q is not served here; %q is", name, modelName)}
	}
	if version != "" && version != s.model.Name() {
		return &problem{http.StatusNotFound, fmt.Sprintf("version %q of model %q is not served here; %q is", version, name, s.model.Name())}
	}
	return nil
}
