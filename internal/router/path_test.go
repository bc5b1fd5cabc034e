// SPDX-License-Identifier: Apache-2.0

package router

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestParsePath(t *testing.T) {
	for text, want := range map[string]string{
		".spec.http[0].route[1].weight": "/spec/http/0/route/1/weight",
		"{.spec.a}":                     "/spec/a",
		"$.spec.a":                      "/spec/a",
		".metadata.annotations['example.org/a.b~c']": "/metadata/annotations/example.org~1a.b~0c",
		`.a["b c"].d`:                            "/a/b c/d",
		".spec.traffic[65535].percent":           "/spec/traffic/65535/percent",
		"['spec'].nodes['root'].steps[0].weight": "/spec/nodes/root/steps/0/weight",
		".spec.canary-traffic_percent":           "/spec/canary-traffic_percent",
	} {
		p, err := ParsePath(text)
		if err != nil || p.Pointer() != want {
			t.Errorf("%s: %s, %v; want %s", text, p.Pointer(), err, want)
		}
	}
	for text, want := range map[string]string{
		"":                        "names no field",
		"spec":                    "want a dot or a bracket at character 1",
		".":                       "want the name of a field at character 1",
		".a..b":                   "at character 3",
		".a[*]":                   "want an index",
		".a[-1]":                  "want an index",
		".a[01]":                  "want an index",
		".a[70000]":               "want an index",
		".a[1":                    "bracket is not closed",
		".a['b":                   "quote is not closed",
		".a['']":                  "empty name",
		".a[?(@.b=='c')]":         "want an index",
		".a.0":                    "an index stands in brackets",
		"[0].a":                   "an object is no list",
		".a b":                    "want the name of a field",
		"..a":                     "want the name of a field",
		".a.*":                    "want the name of a field",
		`.a['b\'c']`:              "not known here",
		strings.Repeat(".a", 300): "want at most",
	} {
		_, err := ParsePath(text)
		if err == nil || !strings.Contains(err.Error(), want) || experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzParsePath checks that what is read can be written and read again, that its
// pointer leads to the same field, and that nothing panics.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{".spec.http[0].route[1].weight", "$['a.b'][0]", "{.a}", ".a[\"b\"]", ".é.b", ".a~1['~0/']", ".", "[']"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePath(text)
		if err != nil {
			if experiment.HintOf(err) == "" && len(text) <= maxPath {
				t.Errorf("%q: no hint with %v", text, err)
			}
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || !cmp.Equal(p, again) {
			t.Fatalf("%q is %q, written %s, read %q, %v", text, p, p, again, err)
		}
		// An object in which the path leads to a value, built from its end.
		var v any = "here"
		for i := len(p) - 1; i >= 0; i-- {
			v = map[string]any{p[i]: v}
		}
		o := Object(v.(map[string]any))
		got, ok, err := p.Field(o)
		if err != nil || !ok || got != "here" || Pointed(o, p.Pointer()) != "here" {
			t.Fatalf("%q: field %v %v %v, pointed %v", text, got, ok, err, Pointed(o, p.Pointer()))
		}
	})
}

func TestFieldsAreFoundAndSet(t *testing.T) {
	o, err := Decode([]byte(`{"spec":{"list":[{"n":1},{"n":2.5}],"none":null,"text":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		".spec.list[2].n": ".spec.list[2] is not there",
		".spec.gone.n":    ".spec.gone is not there",
		".spec.none.n":    ".spec.none.n is not there",
		".spec.text.n":    ".spec.text.n is not there",
		".spec.list.n":    ".spec.list.n is not there",
		".spec.list[2]":   ".spec.list[2] is not there",
	} {
		p, err := ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Field(o); err == nil || !strings.Contains(err.Error(), want) || p.Set(o, 1) == nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{".spec.new", ".spec.none", ".spec.list[0].n", ".spec.list[1]", ".spec.list[0].m"} {
		p, err := ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Set(o, int64(7)); err != nil || Pointed(o, p.Pointer()) != int64(7) {
			t.Errorf("%s: %v, %v", text, err, o)
		}
	}
}

func TestBackends(t *testing.T) {
	for text, want := range map[string]Destination{
		"ranker":                              {Host: "ranker"},
		"ranker:8080/v2":                      {Host: "ranker", Port: 8080, Subset: "v2"},
		"ranker.search.svc.cluster.local/v-2": {Host: "ranker.search.svc.cluster.local", Subset: "v-2"},
		"Ranker.Example.com:1":                {Host: "ranker.example.com", Port: 1},
	} {
		if got, err := ParseDestination(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/v2", ":80", "a/", "a:", "a:0", "a:70000", "a:080", "a:-1", "a b", "*", "a/b/c", "http://a", "a..b", "-a", strings.Repeat("a", 254)} {
		if got, err := ParseDestination(text); err == nil || experiment.HintOf(err) == "" {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]Service{
		"ranker":              {Name: "ranker"},
		"ranker:8080":         {Name: "ranker", Port: 8080},
		"models/ranker-v2:80": {Namespace: "models", Name: "ranker-v2", Port: 80},
	} {
		if got, err := ParseService(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/a", "a/", "a/b/c", "A", "a.b", "a:", "a:x", "http://a", "a/b:0", strings.Repeat("a", 64)} {
		if got, err := ParseService(text); err == nil || experiment.HintOf(err) == "" {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestDecodeAndEqual(t *testing.T) {
	for _, bad := range []string{"", "[]", `{"a":1}{}`, `{"a":}`, "null "} {
		if o, err := Decode([]byte(bad)); err == nil && o != nil {
			t.Errorf("%q: %v", bad, o)
		}
	}
	a, err := Decode([]byte(`{"n":1,"f":1.5,"big":9007199254740993,"list":[{"x":null}]}`))
	if err != nil || a["n"] != int64(1) || a["f"] != 1.5 || a["big"] != int64(9007199254740993) {
		t.Fatalf("%v, %v", a, err)
	}
	b := Copy(a)
	b["n"] = 1.0
	if !Equal(a, b) || !Equal(map[string]any(a), b) {
		t.Error("1 and 1.0 differ")
	}
	Map(b["list"].([]any)[0])["x"] = "y"
	if Equal(a, b) || Map(a["list"].([]any)[0])["x"] != nil {
		t.Error("the copy shares what it holds")
	}
}
