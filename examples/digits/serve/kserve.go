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

func (s *service) kserveRoutes() []route {
	list := struct {
		Models []string `json:"models"`
	}{[]string{modelName}}
	return []route{
		{http.MethodGet, "/v1/models", always(list)},
		{http.MethodGet, "/v1/models/{model}", s.ready},
		{http.MethodPost, "/v1/models/{call}", s.kservePredict},
	}
}

// kservePredict answers "{model}:predict", which is one segment of the path.
func (s *service) kservePredict(w http.ResponseWriter, r *http.Request) (any, error) {
	name, verb, _ := strings.Cut(r.PathValue("call"), ":")
	if err := s.checkModel(name, ""); err != nil {
		return nil, err
	}
	if verb != "predict" {
		return nil, &problem{http.StatusNotFound, fmt.Sprintf("%q is not possible; %q is", verb, "predict")}
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	images, err := decodePredict(body)
	if err != nil {
		return nil, err
	}
	answers, err := s.predict(r, images)
	if err != nil {
		return nil, err
	}
	response := predictResponse{make([]int, len(answers))}
	for i := range answers {
		response.Predictions[i] = answers[i].label
	}
	return response, nil
}

func decodePredict(body []byte) ([]digits.Image, error) {
	var request predictRequest
	if err := decodeJSON(body, &request); err != nil {
		return nil, err
	}
	return toImages("instances", request.Instances)
}
