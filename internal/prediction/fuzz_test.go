// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// FuzzRead looks for answers that break the reader, take it long, or lead it
// beyond its bounds, as whichever protocol they are read.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"outputs":[{"name":"a","datatype":"FP32","shape":[2,2],"data":[[1,2],[3,null]]},{"name":"b","datatype":"BYTES","shape":[2],"parameters":{"content_type":"hg_json"},"data":["{\"label\":1}","x"]}]}`,
		`{"predictions":[1,0.5,"a",true,null,[1,2],["a","b"],[["a",1],["b",2]],[[1,2],[3,4]],{"label":"a","score":1},{"probabilities":{"a":1,"b":0}},[{"id":1},{"id":"b"}]]}`,
		`{"data":{"names":["a","b"],"ndarray":[[0.25,0.75],["x",1]]},"status":{"status":"SUCCESS"}}`,
		`{"data":{"tensor":{"shape":[1000000,0],"values":[]}}}`,
		`{"choices":[{"message":{"content":[{"text":"a"}],"tool_calls":[{"function":{"name":"f"}}]}}],"usage":{"total_tokens":3}}`,
		`{"data":[{"embedding":[1,NaN]},{"embedding":"AAAAPw=="}]}`,
		`{"outputs":{"a":[1,2],"b":["x","y"]},"jsonData":[1],"strData":"x","object":"response","output":[{"type":"message","content":[{"text":"x"}]}]}`,
		`{"outputs":[{"name":"a","datatype":"INT8","shape":[1000000000000,1000000000000],"data":[-1e999]}],"inputs":[{"name":"x","data":[[]]}],"instances":[{"x":1},[2]]}`,
	} {
		f.Add([]byte(seed))
	}
	var readers []*Reader
	for _, p := range []experiment.Protocol{"", experiment.ProtocolOIP, experiment.ProtocolKServe, experiment.ProtocolSeldon, experiment.ProtocolOpenAI, experiment.ProtocolJSON} {
		readers = append(readers, reader(f, experiment.Predictions{Protocol: p, Features: []string{"x", "0", "a.b"}}))
	}
	readers = append(readers, reader(f, experiment.Predictions{Class: "..", Score: "..|numbers"}))
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := Decode(body)
		if err != nil {
			return
		}
		for _, r := range readers {
			began := time.Now()
			got := r.Read(t.Context(), v, "")
			r.Features(v, "")
			if took := time.Since(began); took > 5*time.Second {
				t.Fatalf("%q took %v", body, took)
			}
			checkReading(t, got)
		}
	})
}

// checkReading holds a reading against what Reading promises.
func checkReading(t *testing.T, got Reading) {
	t.Helper()
	if len(got.All) > MaxRows || len(got.All) > got.Rows {
		t.Fatalf("%d rows read of %d", len(got.All), got.Rows)
	}
	if len(got.All) > 0 && got.Found != Read && got.Found != Null {
		t.Fatalf("%s, but %d rows", got.Found, len(got.All))
	}
	components := 0
	for _, row := range got.All {
		components += len(row.Scores) + len(row.Ranking)
		if len(row.Class) > experiment.MaxClass || !utf8.ValidString(row.Class) {
			t.Fatalf("class %q", row.Class)
		}
		if row.Names != nil && len(row.Names) != len(row.Scores) {
			t.Fatalf("%d names of %d scores", len(row.Names), len(row.Scores))
		}
		for _, x := range append([]float64{row.Score}, row.Scores...) {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("score %v", x)
			}
		}
	}
	if components > MaxComponents {
		t.Fatalf("%d components", components)
	}
}

// FuzzRedact looks for paths and values that break the redactor, and checks that
// what was taken out is gone.
func FuzzRedact(f *testing.F) {
	for _, path := range []string{"$.a.b", "$.a[*].b[0]", "$[0].1", "$.é", "$[*][*]", "$.a..b", "$.a["} {
		f.Add(path, []byte(`{"a":[{"b":[1,{"c":2}]},{"b":{"0":3}}],"é":null,"1":[[1]]}`))
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		r, err := NewRedactor([]experiment.Redaction{hash(path), remove(path)}, hashOf)
		if err != nil {
			if experiment.HintOf(err) == "" {
				t.Fatalf("%v has no hint", err)
			}
			return
		}
		v, err := Decode(body)
		if err != nil {
			return
		}
		once := Canonical(r.Apply(v))
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("%s is no JSON: %v", once, err)
		}
		gone, err := NewRedactor([]experiment.Redaction{remove(path)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if twice := Canonical(gone.Apply(again)); string(twice) != string(once) {
			t.Fatalf("%s left something in %s: %s", path, once, twice)
		}
	})
}
