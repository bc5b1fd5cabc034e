// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/headgate-dev/headgate/examples/digits"
)

// FuzzDecoders sends any body to each of the three protocols: every answer is
// JSON, a refusal is the client's fault and in the protocol's form, and what is
// accepted is a batch of images of the right range, each of which is answered.
func FuzzDecoders(f *testing.F) {
	paths := []string{inferPath, predictPath, seldonPath}
	decoders := []func([]byte) ([]digits.Image, *problem){
		func(body []byte) ([]digits.Image, *problem) {
			got, _, fail := decodeInfer(body)
			return got, fail
		},
		decodePredict,
		func(body []byte) ([]digits.Image, *problem) {
			got, _, fail := decodeSeldon(body)
			return got, fail
		},
	}
	for i, path := range paths {
		f.Add(uint8(i), []byte(goodBodies[path]))
		f.Add(uint8(i), []byte(`{"inputs":null,"instances":[[]],"data":{"tensor":null}}`))
	}
	f.Add(uint8(0), []byte(`{"id":"1","inputs":[{"name":"pixels","datatype":"INT8","shape":[2,64],"data":[`+blank("16")+`,`+blank("null")+`]}],"outputs":[{"name":"label"}]}`))
	f.Add(uint8(1), []byte(`{"instances":[`+blank("1e999")+`,`+blank("-0")+`]}`))
	f.Add(uint8(2), []byte(`{"meta":{"puid":"\u0000"},"data":{"tensor":{"shape":[1,64],"values":`+blank("1.5")+`}}}`))
	h := handler(f, Faults{})
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		i := int(which) % len(paths)
		got := ask(t.Context(), h, http.MethodPost, paths[i], string(body))
		if !json.Valid(got.body) {
			t.Fatalf("answer %d is no JSON: %s", got.status, got.body)
		}
		if len(body) > maxBody {
			return
		}
		batch, fail := decoders[i](body)
		if fail != nil {
			if _, info := refusal(t, paths[i], got); got.status != http.StatusBadRequest || info == "" {
				t.Fatalf("answer %d %s", got.status, got.body)
			}
			return
		}
		if n := answered(t, paths[i], got); n != len(batch) || n == 0 {
			t.Fatalf("%d answers to %d images: %s", n, len(batch), got.body)
		}
		for _, image := range batch {
			for _, v := range image {
				if !(v >= 0 && v <= digits.MaxPixel) {
					t.Fatalf("a pixel of %v was accepted", v)
				}
			}
		}
	})
}

// answered counts the images that an answer is about.
func answered(t *testing.T, path string, r reply) int {
	t.Helper()
	switch path {
	case inferPath:
		return decode[inferResponse](t, r).Outputs[0].Shape[0]
	case predictPath:
		return len(decode[predictResponse](t, r).Predictions)
	default:
		data := decode[seldonResponse](t, r).Data
		if data.Tensor != nil {
			return len(data.Tensor.Values) / digits.Classes
		}
		return len(data.Ndarray)
	}
}
