// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/examples/digits"
)

// Seldon Core v1: messages with data and meta-data, told apart by a puid.
const (
	puidHeader = "Seldon-Puid"
	maxPuid    = 128
)

type seldonRequest struct {
	Meta struct {
		Puid string `json:"puid"`
	} `json:"meta"`
	Data struct {
		Ndarray [][]pixel     `json:"ndarray"`
		Tensor  *seldonTensor `json:"tensor"`
	} `json:"data"`
}

// seldonTensor is one of the two forms of data; an answer has the form of its
// request.
type seldonTensor struct {
	Shape  []int64 `json:"shape"`
	Values []pixel `json:"values"`
}

type seldonResponse struct {
	Data seldonData `json:"data"`
	Meta seldonMeta `json:"meta"`
}

type seldonData struct {
	Names   []string        `json:"names"` // of the classes
	Ndarray []digits.Scores `json:"ndarray,omitempty"`
	Tensor  *seldonTensor   `json:"tensor,omitempty"`
}

type seldonMeta struct {
	Puid        string            `json:"puid"`
	RequestPath map[string]string `json:"requestPath"` // unit → image that answered
}

// seldonError is the form of a problem in this protocol.
func seldonError(p *problem) any {
	type status struct {
		Code   int    `json:"code"`
		Info   string `json:"info"`
		Reason string `json:"reason"`
		Status string `json:"status"`
	}
	reason := strings.ToUpper(strings.ReplaceAll(http.StatusText(p.status), " ", "_"))
	return struct {
		Status status `json:"status"`
	}{status{p.status, p.text, reason, "FAILURE"}}
}

func (s *service) seldonRoutes() routes {
	return routes{
		"/api/v1.0/predictions": {http.MethodPost: s.seldonPredict},
		"/api/v0.1/predictions": {http.MethodPost: s.seldonPredict},
	}
}

func (s *service) seldonPredict(w http.ResponseWriter, r *http.Request) (any, *problem) {
	puid := r.Header.Get(puidHeader)
	if fail := checkPuid(puid); fail != nil {
		return nil, fail
	}
	if puid != "" {
		w.Header().Set(puidHeader, puid)
	}
	body, fail := readBody(w, r)
	if fail != nil {
		return nil, fail
	}
	images, request, fail := decodeSeldon(body)
	if fail != nil {
		return nil, fail
	}
	if puid == "" {
		if puid = request.Meta.Puid; puid == "" {
			puid = rand.Text()
		}
		w.Header().Set(puidHeader, puid)
	}
	answers, fail := s.predict(r, images)
	if fail != nil {
		return nil, fail
	}
	return seldonResponse{
		Data: seldonAnswer(answers, request.Data.Tensor != nil),
		Meta: seldonMeta{puid, map[string]string{modelName: modelName + ":" + s.model.Name()}},
	}, nil
}

func decodeSeldon(body []byte) ([]digits.Image, *seldonRequest, *problem) {
	request := &seldonRequest{}
	if fail := decodeJSON(body, request); fail != nil {
		return nil, nil, fail
	}
	if fail := checkPuid(request.Meta.Puid); fail != nil {
		return nil, nil, fail
	}
	t := request.Data.Tensor
	switch {
	case t != nil && request.Data.Ndarray != nil:
		return nil, nil, badRequest("data holds an ndarray and a tensor; send one")
	case t != nil:
		images, fail := toTensor("data.tensor", t.Shape, t.Values)
		return images, request, fail
	default:
		images, fail := toImages("data.ndarray", request.Data.Ndarray)
		return images, request, fail
	}
}

// checkPuid refuses what cannot go back in a header.
func checkPuid(puid string) *problem {
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	if len(puid) > maxPuid || strings.ContainsFunc(puid, func(r rune) bool { return !visible(r) }) {
		return badRequest("the puid is not at most %d visible characters of ASCII", maxPuid)
	}
	return nil
}

func seldonAnswer(answers []prediction, asTensor bool) seldonData {
	data := seldonData{Names: make([]string, digits.Classes)}
	for label := range data.Names {
		data.Names[label] = strconv.Itoa(label)
	}
	if !asTensor {
		for i := range answers {
			data.Ndarray = append(data.Ndarray, answers[i].scores)
		}
		return data
	}
	data.Tensor = &seldonTensor{Shape: []int64{int64(len(answers)), digits.Classes}}
	for i := range answers {
		for _, p := range answers[i].scores {
			data.Tensor.Values = append(data.Tensor.Values, pixel(p))
		}
	}
	return data
}
