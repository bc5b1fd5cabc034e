// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/examples/digits"
)

type object = map[string]any

const (
	inferPath    = "/v2/models/digits/infer"
	predictPath  = "/v1/models/digits:predict"
	seldonPath   = "/api/v1.0/predictions"
	seldonPathV0 = "/api/v0.1/predictions"
)

func TestEveryProtocolGivesTheAnswersOfTheModel(t *testing.T) {
	for _, kind := range []digits.Kind{digits.Weak, digits.Strong, digits.Broken} {
		t.Run(string(kind), func(t *testing.T) {
			model, rows := fixture(t, kind)
			rows = rows[:40]
			var labels []int
			var scores []digits.Scores
			var flatScores []float64
			for _, row := range rows {
				label, s := model.Predict(row.Pixels)
				labels = append(labels, label)
				scores = append(scores, s)
				flatScores = append(flatScores, s[:]...)
			}
			nested, flat := images(rows)
			url, client := start(t, model, Faults{}).URL(), newClient(t)
			post := func(path string, body any) reply {
				return call(t, client, http.MethodPost, url+path, text(t, body))
			}
			check := func(name string, got, want any) {
				t.Helper()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}

			type outputs struct {
				Outputs []struct {
					Name     string
					Datatype string
					Shape    []int
					Data     []float64
				}
			}
			for name, data := range map[string]any{"flat": flat, "nested": nested} {
				for _, path := range []string{inferPath, "/v2/models/digits/versions/" + string(kind) + "/infer"} {
					got := decode[outputs](t, post(path, object{"inputs": []object{
						{"name": "pixels", "datatype": "UINT8", "shape": []int{len(rows), 64}, "data": data},
					}}))
					if len(got.Outputs) != 2 {
						t.Fatalf("%s: %d outputs", path, len(got.Outputs))
					}
					first, second := got.Outputs[0], got.Outputs[1]
					check(name+" label", []any{first.Name, first.Datatype, first.Shape}, []any{"label", "INT64", []int{len(rows)}})
					for i, v := range first.Data {
						check(name+" label", v, float64(labels[i]))
					}
					check(name+" scores", []any{second.Name, second.Datatype, second.Shape}, []any{"scores", "FP64", []int{len(rows), 10}})
					check(name+" scores", second.Data, flatScores)
				}
			}

			predictions := decode[struct{ Predictions []int }](t, post(predictPath, object{"instances": nested}))
			check("KServe v1", predictions.Predictions, labels)

			for _, path := range []string{seldonPath, seldonPathV0} {
				asArray := decode[struct {
					Data struct{ Ndarray []digits.Scores }
				}](t, post(path, object{"data": object{"ndarray": nested}}))
				check("Seldon ndarray", asArray.Data.Ndarray, scores)
				asTensor := decode[struct {
					Data struct {
						Tensor struct {
							Shape  []int
							Values []float64
						}
					}
				}](t, post(path, object{"data": object{"tensor": object{"shape": []int{len(rows), 64}, "values": flat}}}))
				check("Seldon tensor shape", asTensor.Data.Tensor.Shape, []int{len(rows), 10})
				check("Seldon tensor values", asTensor.Data.Tensor.Values, flatScores)
			}
		})
	}
}

func TestAnswersWithoutAnImage(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	url, client := start(t, model, Faults{}).URL(), newClient(t)
	const describe = `{"name":"digits","versions":["weak"],"platform":"headgate_example",` +
		`"inputs":[{"name":"pixels","datatype":"FP64","shape":[-1,64]}],` +
		`"outputs":[{"name":"label","datatype":"INT64","shape":[-1]},{"name":"scores","datatype":"FP64","shape":[-1,10]}]}`
	for _, tc := range []struct {
		path   string
		status int
		body   string
	}{
		{"/v2", 200, `{"name":"headgate-example-digits","version":"weak","extensions":[]}`},
		{"/v2/health/live", 200, `{"live":true}`},
		{"/v2/health/ready", 200, `{"ready":true}`},
		{"/v2/models/digits", 200, describe},
		{"/v2/models/digits/versions/weak", 200, describe},
		{"/v2/models/digits/ready", 200, `{"name":"digits","ready":true}`},
		{"/v2/models/digits/versions/weak/ready", 200, `{"name":"digits","ready":true}`},
		{"/v1/models", 200, `{"models":["digits"]}`},
		{"/v1/models/digits", 200, `{"name":"digits","ready":true}`},
		{"/v2/models/letters", 404, `{"error":"model \"letters\" is not served here; \"digits\" is"}`},
		{"/v2/models/letters/ready", 404, `{"error":"model \"letters\" is not served here; \"digits\" is"}`},
		{"/v2/models/digits/versions/7", 404, `{"error":"version \"7\" of model \"digits\" is not served here; \"weak\" is"}`},
		{"/v2/models/digits/versions/7/ready", 404, `{"error":"version \"7\" of model \"digits\" is not served here; \"weak\" is"}`},
		{"/v1/models/letters", 404, `{"error":"model \"letters\" is not served here; \"digits\" is"}`},
		{"/", 404, `{"error":"nothing is at \"/\""}`},
		{"/metrics", 404, `{"error":"nothing is at \"/metrics\""}`},
		{inferPath, 405, `{"error":"GET is not possible here; use POST"}`},
		{seldonPath, 405, `{"status":{"code":405,"info":"GET is not possible here; use POST","reason":"METHOD_NOT_ALLOWED","status":"FAILURE"}}`},
	} {
		t.Run(strings.TrimPrefix(tc.path, "/"), func(t *testing.T) {
			got := call(t, client, http.MethodGet, url+tc.path, "")
			if got.status != tc.status || string(got.body) != tc.body {
				t.Errorf("answer %d %s\nwant   %d %s", got.status, got.body, tc.status, tc.body)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("content type %q", kind)
			}
			if (got.header.Get("Allow") == http.MethodPost) != (tc.status == 405) {
				t.Errorf("status %d with Allow: %q", got.status, got.header.Get("Allow"))
			}
			if head := call(t, client, http.MethodHead, url+tc.path, ""); head.status != tc.status || len(head.body) != 0 {
				t.Errorf("HEAD gives %d and %d bytes", head.status, len(head.body))
			}
		})
	}
}

func TestBadRequestsAreRefusedInTheProtocolsForm(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	// No request of this test reaches the model: it would fail.
	url, client := start(t, model, Faults{FailShare: 1}).URL(), newClient(t)
	infer := func(name, datatype, shape, data string) string {
		return `{"inputs":[{"name":"` + name + `","datatype":"` + datatype + `","shape":` + shape + `,"data":` + data + `}]}`
	}
	good := strings.TrimSuffix(infer("pixels", "FP64", "[1,64]", blank("0")), "}")
	for _, tc := range []struct {
		name, path, body string
		status           int
		info             string // beginning of the message
	}{
		{"infer, no JSON", inferPath, `{`, 400, "the body is not the JSON that was expected: unexpected end"},
		{"infer, two values", inferPath, `{} {}`, 400, "the body is not the JSON that was expected: invalid character"},
		{"infer, a list", inferPath, `[]`, 400, "the body holds a JSON array, which cannot stand there"},
		{"infer, null", inferPath, `null`, 400, `inputs must hold one tensor with the name "pixels"`},
		{"infer, id of a number", inferPath, `{"id":1}`, 400, "the body, at id, holds a JSON number, which cannot stand there"},
		{"infer, no input", inferPath, `{"inputs":[]}`, 400, `inputs must hold one tensor with the name "pixels"`},
		{"infer, other name", inferPath, infer("x", "FP64", "[1,64]", blank("0")), 400, `inputs must hold one tensor with the name "pixels"`},
		{"infer, bytes", inferPath, infer("pixels", "BYTES", "[1,64]", blank("0")), 400, `inputs[0].datatype is "BYTES"; pixels are numbers`},
		{"infer, no datatype", inferPath, `{"inputs":[{"name":"pixels"}]}`, 400, `inputs[0].datatype is ""`},
		{"infer, no data", inferPath, `{"inputs":[{"name":"pixels","datatype":"FP64","shape":[1,64]}]}`, 400, "inputs[0].data is missing"},
		{"infer, null data", inferPath, infer("pixels", "FP64", "[1,64]", "null"), 400, "inputs[0] has the shape [1,64], but 0 numbers"},
		{"infer, data of an object", inferPath, infer("pixels", "FP64", "[1,64]", "{}"), 400, "inputs[0].data holds a JSON object"},
		{"infer, no shape", inferPath, infer("pixels", "FP64", "null", blank("0")), 400, "inputs[0] has the shape []; it must be [n,64]"},
		{"infer, flat shape", inferPath, infer("pixels", "FP64", "[64]", blank("0")), 400, "inputs[0] has the shape [64]; it must be [n,64]"},
		{"infer, wide shape", inferPath, infer("pixels", "FP64", "[1,65]", blank("0")), 400, "inputs[0] has the shape [1,65]; it must be [n,64]"},
		{"infer, no rows", inferPath, infer("pixels", "FP64", "[0,64]", "[]"), 400, "inputs[0] has the shape [0,64]; it must be"},
		{"infer, negative rows", inferPath, infer("pixels", "FP64", "[-1,64]", blank("0")), 400, "inputs[0] has the shape [-1,64]; it must be"},
		{"infer, too few rows", inferPath, infer("pixels", "FP64", "[2,64]", blank("0")), 400, "inputs[0] has the shape [2,64], but 64 numbers"},
		{"infer, overflowing rows", inferPath, infer("pixels", "FP64", "[288230376151711745,64]", blank("0")), 400, "inputs[0] has the shape [288230376151711745,64], but 64 numbers"},
		{"infer, partial row", inferPath, infer("pixels", "FP64", "[1,64]", blank("0,0")), 400, "inputs[0] has the shape [1,64], but 65 numbers"},
		{"infer, ragged rows", inferPath, infer("pixels", "FP64", "[2,64]", "["+blank("0,0")+","+blank("0")+"]"), 400, "inputs[0].data[0] has 65 numbers"},
		{"infer, too deep", inferPath, infer("pixels", "FP64", "[1,64]", "[["+blank("0")+"]]"), 400, "inputs[0].data is not the JSON that was expected: [0,"},
		{"infer, fraction in integers", inferPath, infer("pixels", "INT32", "[1,64]", blank("0.5")), 400, "number 0 of inputs[0].data is 0.5, which is no INT32"},
		{"infer, NaN", inferPath, infer("pixels", "FP64", "[1,64]", blank("NaN")), 400, "the body is not the JSON that was expected: invalid character"},
		{"infer, infinity", inferPath, infer("pixels", "FP64", "[1,64]", blank("1e999")), 400, "inputs[0], image 0: pixel 0 is +Inf; a pixel is from 0 to 16"},
		{"infer, null pixel", inferPath, infer("pixels", "FP64", "[1,64]", blank("null")), 400, "inputs[0], image 0: pixel 0 is null"},
		{"infer, unknown output", inferPath, good + `,"outputs":[{"name":"x"}]}`, 400, `outputs[0] asks for "x"; there are "label" and "scores"`},
		{"infer, output twice", inferPath, good + `,"outputs":[{"name":"label"},{"name":"label"}]}`, 400, `outputs[1] asks for "label" a second time`},
		{"infer, unknown model", "/v2/models/letters/infer", good + "}", 404, `model "letters" is not served here`},
		{"infer, unknown version", "/v2/models/digits/versions/7/infer", good + "}", 404, `version "7" of model "digits" is not served here`},

		{"predict, no JSON", predictPath, `instances`, 400, "the body is not the JSON that was expected: invalid character"},
		{"predict, empty body", predictPath, ``, 400, "the body is not the JSON that was expected: unexpected end"},
		{"predict, no instances", predictPath, `{"inputs":[]}`, 400, "instances holds no image"},
		{"predict, no list of lists", predictPath, `{"instances":` + blank("0") + `}`, 400, "the body, at instances, holds a JSON number"},
		{"predict, null instance", predictPath, `{"instances":[null]}`, 400, "instances[0] has 0 numbers; an image has 64"},
		{"predict, 63 pixels", predictPath, `{"instances":[` + blank("0") + `,[1` + strings.Repeat(",1", 62) + `]]}`, 400, "instances[1] has 63 numbers; an image has 64"},
		{"predict, text", predictPath, `{"instances":[` + blank(`"5"`) + `]}`, 400, `the body is not the JSON that was expected: "5" is not a number`},
		{"predict, null pixel", predictPath, `{"instances":[` + blank("null") + `]}`, 400, "instances[0]: pixel 0 is null"},
		{"predict, infinity", predictPath, `{"instances":[` + blank("-1e999") + `]}`, 400, "instances[0]: pixel 0 is -Inf"},
		{"predict, too dark", predictPath, `{"instances":[` + blank("16.5") + `]}`, 400, "instances[0]: pixel 0 is 16.5; a pixel is from 0 to 16"},
		{"predict, negative", predictPath, `{"instances":[` + blank("-1") + `]}`, 400, "instances[0]: pixel 0 is -1; a pixel is from 0 to 16"},
		{"predict, unknown model", "/v1/models/letters:predict", `{"instances":[` + blank("0") + `]}`, 404, `model "letters" is not served here`},
		{"predict, no verb", "/v1/models/digits", `{}`, 404, `nothing is done here but digits:predict, not ""`},
		{"predict, other verb", "/v1/models/digits:explain", `{}`, 404, `nothing is done here but digits:predict, not "explain"`},

		{"seldon, no JSON", seldonPath, `nope`, 400, "the body is not the JSON that was expected: invalid character"},
		{"seldon, no data", seldonPath, `{}`, 400, "data.ndarray holds no image"},
		{"seldon, other data", seldonPathV0, `{"strData":"5"}`, 400, "data.ndarray holds no image"},
		{"seldon, two data", seldonPath, `{"data":{"ndarray":[],"tensor":{}}}`, 400, "data holds an ndarray and a tensor; send one"},
		{"seldon, NaN", seldonPath, `{"data":{"ndarray":[` + blank("NaN") + `]}}`, 400, "the body is not the JSON that was expected: invalid character"},
		{"seldon, short row", seldonPath, `{"data":{"ndarray":[[1,2]]}}`, 400, "data.ndarray[0] has 2 numbers; an image has 64"},
		{"seldon, empty tensor", seldonPath, `{"data":{"tensor":{}}}`, 400, "data.tensor has the shape []; it must be [n,64]"},
		{"seldon, tensor of other size", seldonPath, `{"data":{"tensor":{"shape":[3,64],"values":[1]}}}`, 400, "data.tensor has the shape [3,64], but 1 numbers"},
		{"seldon, tensor too dark", seldonPath, `{"data":{"tensor":{"shape":[1,64],"values":` + blank("17") + `}}}`, 400, "data.tensor, image 0: pixel 0 is 17"},
		{"seldon, puid with a line break", seldonPath, `{"meta":{"puid":"a\nb"}}`, 400, "the puid is not at most 128 visible characters of ASCII"},
		{"seldon, long puid", seldonPath, `{"meta":{"puid":"` + strings.Repeat("x", 129) + `"}}`, 400, "the puid is not at most 128 visible characters"},

		{"infer, too large", inferPath, strings.Repeat(" ", maxBody+1), 413, "the body is larger than 1048576 bytes"},
		{"predict, too large", predictPath, strings.Repeat(" ", maxBody+1), 413, "the body is larger than 1048576 bytes"},
		{"seldon, too large", seldonPath, strings.Repeat(" ", maxBody+1), 413, "the body is larger than 1048576 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := call(t, client, http.MethodPost, url+tc.path, tc.body)
			code, info := refusal(t, tc.path, got)
			if got.status != tc.status || code != tc.status || !strings.HasPrefix(info, tc.info) {
				t.Errorf("answer %d %s\nwant   %d %s…", got.status, got.body, tc.status, tc.info)
			}
		})
	}
	t.Run("infer, binary tensors", func(t *testing.T) {
		got := call(t, client, http.MethodPost, url+inferPath, good+"}", "Inference-Header-Content-Length", "10")
		if _, info := refusal(t, inferPath, got); got.status != 400 || !strings.Contains(info, "send JSON") {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("seldon, puid header with a space", func(t *testing.T) {
		got := call(t, client, http.MethodPost, url+seldonPath, "{}", "Seldon-Puid", "a b")
		if _, info := refusal(t, seldonPath, got); got.status != 400 || !strings.Contains(info, "puid") {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
}

func TestLargestBatchIsAnswered(t *testing.T) {
	model, _ := fixture(t, digits.Strong)
	url, client := start(t, model, Faults{}).URL(), newClient(t)
	const n = 8000
	body := `{"instances":[` + blank("0") + strings.Repeat(","+blank("0"), n-1) + `]}`
	if len(body) > maxBody {
		t.Fatalf("the body has %d bytes", len(body))
	}
	got := decode[predictResponse](t, call(t, client, http.MethodPost, url+predictPath, body))
	if len(got.Predictions) != n {
		t.Errorf("%d predictions, want %d", len(got.Predictions), n)
	}
}

func TestInferEchoesTheIDAndGivesTheOutputsThatWereAsked(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	url, client := start(t, model, Faults{}).URL(), newClient(t)
	input := `"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,64],"parameters":{"x":1},"data":` + blank("0") + `}]`
	for name, tc := range map[string]struct {
		body, id string
		outputs  []string
	}{
		"all outputs without an id":   {`{` + input + `}`, "", []string{"label", "scores"}},
		"id of any text":              {`{"id":"4\"2\n☃",` + input + `}`, "4\"2\n☃", []string{"label", "scores"}},
		"one output":                  {`{"id":"1","outputs":[{"name":"scores"}],` + input + `}`, "1", []string{"scores"}},
		"outputs in the order wanted": {`{"outputs":[{"name":"scores"},{"name":"label"}],` + input + `}`, "", []string{"scores", "label"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := call(t, client, http.MethodPost, url+inferPath, tc.body)
			got := decode[inferResponse](t, r)
			var names []string
			for _, out := range got.Outputs {
				names = append(names, out.Name)
			}
			if got.ModelName != "digits" || got.ModelVersion != "weak" || got.ID != tc.id || !cmp.Equal(names, tc.outputs) {
				t.Errorf("answer %s", r.body)
			}
			if tc.id == "" && strings.Contains(string(r.body), `"id"`) {
				t.Errorf("an id that nobody gave: %s", r.body)
			}
		})
	}
}

func TestSeldonMeta(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	url, client := start(t, model, Faults{}).URL(), newClient(t)
	body := func(meta string) string { return `{"meta":` + meta + `,"data":{"ndarray":[` + blank("0") + `]}}` }
	ask := func(t *testing.T, meta string, headers ...string) string {
		t.Helper()
		r := call(t, client, http.MethodPost, url+seldonPath, body(meta), headers...)
		got := decode[seldonResponse](t, r)
		if diff := cmp.Diff(map[string]string{"digits": "digits:weak"}, got.Meta.RequestPath); diff != "" {
			t.Errorf("requestPath (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(strings.Split("0123456789", ""), got.Data.Names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if r.header.Get("Seldon-Puid") != got.Meta.Puid {
			t.Errorf("puid %q in the header and %q in meta", r.header.Get("Seldon-Puid"), got.Meta.Puid)
		}
		return got.Meta.Puid
	}
	t.Run("puid of the header is echoed", func(t *testing.T) {
		if got := ask(t, `{}`, "Seldon-Puid", "abc-1"); got != "abc-1" {
			t.Errorf("puid %q", got)
		}
	})
	t.Run("puid of meta is echoed", func(t *testing.T) {
		if got := ask(t, `{"puid":"abc-2","tags":{"x":1}}`); got != "abc-2" {
			t.Errorf("puid %q", got)
		}
	})
	t.Run("puid of the header wins", func(t *testing.T) {
		if got := ask(t, `{"puid":"abc-2"}`, "Seldon-Puid", "abc-1"); got != "abc-1" {
			t.Errorf("puid %q", got)
		}
	})
	t.Run("puid is made when there is none", func(t *testing.T) {
		one, two := ask(t, `null`), ask(t, `{}`)
		if one == "" || one == two {
			t.Errorf("puids %q and %q", one, two)
		}
	})
	t.Run("puid of the header comes with an error", func(t *testing.T) {
		r := call(t, client, http.MethodPost, url+seldonPath, "{}", "Seldon-Puid", "abc-1")
		if r.status != 400 || r.header.Get("Seldon-Puid") != "abc-1" {
			t.Errorf("status %d with puid %q", r.status, r.header.Get("Seldon-Puid"))
		}
	})
}

// BenchmarkAnswer is one image over loopback, with the client's share.
func BenchmarkAnswer(b *testing.B) {
	model, _ := fixture(b, digits.Strong)
	url, client := start(b, model, Faults{}).URL(), newClient(b)
	for path, body := range goodBodies {
		b.Run(strings.TrimPrefix(path, "/"), func(b *testing.B) {
			for b.Loop() {
				if got := call(b, client, http.MethodPost, url+path, body); got.status != http.StatusOK {
					b.Fatalf("status %d", got.status)
				}
			}
		})
	}
}
