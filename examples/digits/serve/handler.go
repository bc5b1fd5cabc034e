// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

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

func (p *problem) Error() string { return p.text }

// badRequest is a problem of what the client sent.
func badRequest(format string, args ...any) error {
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
	for _, r := range s.inferenceRoutes() {
		r.register(mux, plainError)
	}
	for _, r := range s.kserveRoutes() {
		r.register(mux, plainError)
	}
	for _, r := range s.seldonRoutes() {
		r.register(mux, seldonError)
	}
	route{http.MethodGet, "/", nowhere}.register(mux, plainError)
	return mux, nil
}

// endpoint answers a request with something to be written as JSON, or fails
// with a *problem. It may set headers.
type endpoint func(w http.ResponseWriter, r *http.Request) (any, error)

// errorBody is how a protocol writes a problem down.
type errorBody func(*problem) any

// plainError is the form of the Open Inference Protocol and of KServe v1.
func plainError(p *problem) any {
	return struct {
		Error string `json:"error"`
	}{p.text}
}

type route struct {
	method  string
	pattern string
	answer  endpoint
}

// register serves the route, and refuses other methods in the protocol's form.
func (rt route) register(mux *http.ServeMux, form errorBody) {
	mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
		isHead := r.Method == http.MethodHead && rt.method == http.MethodGet
		var answer any
		var err error
		if r.Method == rt.method || isHead {
			answer, err = rt.answer(w, r)
		} else {
			w.Header().Set("Allow", rt.method)
			err = &problem{http.StatusMethodNotAllowed, fmt.Sprintf("%s is not possible here; use %s", r.Method, rt.method)}
		}
		status := http.StatusOK
		if err != nil {
			p, ok := errors.AsType[*problem](err)
			if !ok {
				p = &problem{http.StatusInternalServerError, err.Error()}
			}
			status, answer = p.status, form(p)
		}
		writeJSON(w, status, answer)
	})
}

// writeJSON writes one line. What cannot be written, the client has left.
func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// nowhere answers for every path that no protocol has.
func nowhere(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, &problem{http.StatusNotFound, fmt.Sprintf("nothing is at %q", r.URL.Path)}
}

// readBody reads a body of bounded size.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes; send fewer images at once", maxBody)}
	}
	if err != nil {
		return nil, badRequest("the body cannot be read: %v", err)
	}
	return body, nil
}

// decodeJSON decodes a body that is one JSON object.
func decodeJSON(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return badRequest("the body is not the JSON that was expected: %v", err)
	}
	return nil
}

// predict reads each image, after the fault that is due.
func (s *service) predict(r *http.Request, images []digits.Image) ([]prediction, error) {
	if err := s.dice.roll(r.Context()); err != nil {
		return nil, err
	}
	answers := make([]prediction, len(images))
	for i, image := range images {
		answers[i].label, answers[i].scores = s.model.Predict(image)
	}
	return answers, nil
}

// checkModel refuses a model or a version that is not served; version may be
// empty.
func (s *service) checkModel(name, version string) error {
	if name != modelName {
		return &problem{http.StatusNotFound, fmt.Sprintf("model %q is not served here; %q is", name, modelName)}
	}
	if version != "" && version != s.model.Name() {
		return &problem{http.StatusNotFound, fmt.Sprintf("version %q of model %q is not served here; %q is", version, name, s.model.Name())}
	}
	return nil
}
