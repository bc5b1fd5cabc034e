// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/headgate-dev/headgate/examples/digits"
)

type predictRequest struct {
	Instances [][]pixel `json:"instances"`
}

type predictResponse struct {
	Predictions []int `json:"predictions"` // labels
}

func (s *service) kserveRoutes() routes {
	list := struct {
		Models []string `json:"models"`
	}{[]string{modelName}}
	return routes{
		"/v1/models":         {http.MethodGet: always(list)},
		"/v1/models/{model}": {http.MethodGet: s.ready, http.MethodPost: s.kservePredict},
	}
}

// kservePredict answers "{model}:predict", which is one segment of the path.
func (s *service) kservePredict(w http.ResponseWriter, r *http.Request) (any, *problem) {
	name, verb, _ := strings.Cut(r.PathValue("model"), ":")
	if fail := s.checkModel(name, ""); fail != nil {
		return nil, fail
	}
	if verb != "predict" {
		return nil, &problem{http.StatusNotFound, fmt.Sprintf("nothing is done here but %s:predict, not %q", modelName, verb)}
	}
	body, fail := readBody(w, r)
	if fail != nil {
		return nil, fail
	}
	images, fail := decodePredict(body)
	if fail != nil {
		return nil, fail
	}
	answers, fail := s.predict(r, images)
	if fail != nil {
		return nil, fail
	}
	response := predictResponse{make([]int, len(answers))}
	for i := range answers {
		response.Predictions[i] = answers[i].label
	}
	return response, nil
}

func decodePredict(body []byte) ([]digits.Image, *problem) {
	var request predictRequest
	if fail := decodeJSON(body, &request); fail != nil {
		return nil, fail
	}
	return toImages("instances", request.Instances)
}
