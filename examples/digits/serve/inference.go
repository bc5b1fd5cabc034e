// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"

	"github.com/headgate-dev/headgate/examples/digits"
)

// The Open Inference Protocol, also called KServe v2: tensors with names.
const (
	inputName    = "pixels"
	labelOutput  = "label"
	scoresOutput = "scores"
	// binaryHeader announces tensors as bytes behind the JSON, an extension.
	binaryHeader = "Inference-Header-Content-Length"
)

// floating and integral are the datatypes that can hold pixels.
var (
	floating = []string{"FP16", "FP32", "FP64"}
	integral = []string{"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
)

// tensor describes an input or output; in a description of the model it has no
// data, and -1 in a shape is any size.
type tensor struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
	Data     any    `json:"data,omitempty"`
}

type inferRequest struct {
	ID     string `json:"id"`
	Inputs []struct {
		Name     string          `json:"name"`
		Datatype string          `json:"datatype"`
		Shape    []int64         `json:"shape"`
		Data     json.RawMessage `json:"data"`
	} `json:"inputs"`
	Outputs []struct {
		Name string `json:"name"`
	} `json:"outputs"`
}

type inferResponse struct {
	ModelName    string   `json:"model_name"`
	ModelVersion string   `json:"model_version"`
	ID           string   `json:"id,omitempty"`
	Outputs      []tensor `json:"outputs"`
}

type readiness struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
}

func (s *service) inferenceRoutes() routes {
	const model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
	live := struct {
		Live bool `json:"live"`
	}{true}
	ready := struct {
		Ready bool `json:"ready"`
	}{true}
	server := struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}{"headgate-example-digits", s.model.Name(), []string{}}
	return routes{
		"/v2":              {http.MethodGet: always(server)},
		"/v2/health/live":  {http.MethodGet: always(live)},
		"/v2/health/ready": {http.MethodGet: always(ready)},
		model:              {http.MethodGet: s.describe},
		version:            {http.MethodGet: s.describe},
		model + "/ready":   {http.MethodGet: s.ready},
		version + "/ready": {http.MethodGet: s.ready},
		model + "/infer":   {http.MethodPost: s.infer},
		version + "/infer": {http.MethodPost: s.infer},
	}
}

// always gives the same answer to everybody.
func always(answer any) endpoint {
	return func(http.ResponseWriter, *http.Request) (any, *problem) { return answer, nil }
}

func (s *service) ready(_ http.ResponseWriter, r *http.Request) (any, *problem) {
	if fail := s.checkModel(r.PathValue("model"), r.PathValue("version")); fail != nil {
		return nil, fail
	}
	return readiness{modelName, true}, nil
}

func (s *service) describe(_ http.ResponseWriter, r *http.Request) (any, *problem) {
	if fail := s.checkModel(r.PathValue("model"), r.PathValue("version")); fail != nil {
		return nil, fail
	}
	return struct {
		Name     string   `json:"name"`
		Versions []string `json:"versions"`
		Platform string   `json:"platform"`
		Inputs   []tensor `json:"inputs"`
		Outputs  []tensor `json:"outputs"`
	}{
		modelName,
		[]string{s.model.Name()},
		"headgate_example",
		[]tensor{{Name: inputName, Datatype: "FP64", Shape: []int{-1, digits.Pixels}}},
		[]tensor{
			{Name: labelOutput, Datatype: "INT64", Shape: []int{-1}},
			{Name: scoresOutput, Datatype: "FP64", Shape: []int{-1, digits.Classes}},
		},
	}, nil
}

func (s *service) infer(w http.ResponseWriter, r *http.Request) (any, *problem) {
	if fail := s.checkModel(r.PathValue("model"), r.PathValue("version")); fail != nil {
		return nil, fail
	}
	if r.Header.Get(binaryHeader) != "" {
		return nil, badRequest("the header %s announces binary tensors, which are not understood; send JSON", binaryHeader)
	}
	body, fail := readBody(w, r)
	if fail != nil {
		return nil, fail
	}
	images, request, fail := decodeInfer(body)
	if fail != nil {
		return nil, fail
	}
	answers, fail := s.predict(r, images)
	if fail != nil {
		return nil, fail
	}
	return inferResponse{modelName, s.model.Name(), request.ID, outputs(request, answers)}, nil
}

// decodeInfer reads an inference request and checks all that it asks for.
func decodeInfer(body []byte) ([]digits.Image, *inferRequest, *problem) {
	request := &inferRequest{}
	if fail := decodeJSON(body, request); fail != nil {
		return nil, nil, fail
	}
	if len(request.Inputs) != 1 || request.Inputs[0].Name != inputName {
		return nil, nil, badRequest("inputs must hold one tensor with the name %q", inputName)
	}
	in := &request.Inputs[0]
	if !slices.Contains(floating, in.Datatype) && !slices.Contains(integral, in.Datatype) {
		return nil, nil, badRequest("inputs[0].datatype is %.40q; pixels are numbers, FP64 for example", in.Datatype)
	}
	values, fail := decodeValues("inputs[0].data", in.Data)
	if fail != nil {
		return nil, nil, fail
	}
	images, fail := toTensor("inputs[0]", in.Shape, values)
	if fail != nil {
		return nil, nil, fail
	}
	if slices.Contains(integral, in.Datatype) {
		i := slices.IndexFunc(values, func(v pixel) bool { return float64(v) != math.Trunc(float64(v)) })
		if i >= 0 {
			return nil, nil, badRequest("number %d of inputs[0].data is %v, which is no %s", i, values[i], in.Datatype)
		}
	}
	asked := make(map[string]bool)
	for i, out := range request.Outputs {
		if out.Name != labelOutput && out.Name != scoresOutput {
			return nil, nil, badRequest("outputs[%d] asks for %.40q; there are %q and %q", i, out.Name, labelOutput, scoresOutput)
		}
		if asked[out.Name] {
			return nil, nil, badRequest("outputs[%d] asks for %q a second time", i, out.Name)
		}
		asked[out.Name] = true
	}
	return images, request, nil
}

// outputs are the tensors that were asked for, in that order; all, if none was.
func outputs(request *inferRequest, answers []prediction) []tensor {
	labels := make([]int, len(answers))
	scores := make([]float64, 0, len(answers)*digits.Classes)
	for i := range answers {
		labels[i] = answers[i].label
		scores = append(scores, answers[i].scores[:]...)
	}
	all := []tensor{
		{labelOutput, "INT64", []int{len(answers)}, labels},
		{scoresOutput, "FP64", []int{len(answers), digits.Classes}, scores},
	}
	if len(request.Outputs) == 0 {
		return all
	}
	var asked []tensor
	for _, out := range request.Outputs {
		at := slices.IndexFunc(all, func(t tensor) bool { return t.Name == out.Name })
		asked = append(asked, all[at])
	}
	return asked
}
