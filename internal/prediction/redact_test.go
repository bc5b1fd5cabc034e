// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func hashOf(text []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(text)
	return h.Sum64()
}

func remove(path string) experiment.Redaction {
	return experiment.Redaction{Path: path, How: experiment.RedactRemove}
}

func hash(path string) experiment.Redaction {
	return experiment.Redaction{Path: path, How: experiment.RedactHash}
}

func redactor(t testing.TB, redactions ...experiment.Redaction) *Redactor {
	t.Helper()
	r, err := NewRedactor(redactions, hashOf)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRedactor(t *testing.T) {
	const in = `{"user":{"email":"a@b","id":7},"items":[{"id":1,"p":0.5},{"id":2}],"rows":[[1,2],[3,4]],"9":{"x":1}}`
	for name, tc := range map[string]struct {
		redactions []experiment.Redaction
		want       string
	}{
		"nothing":                 {nil, in},
		"a field":                 {[]experiment.Redaction{remove("$.user.email")}, strings.Replace(in, `"email":"a@b",`, "", 1)},
		"a whole object":          {[]experiment.Redaction{remove("$.user")}, strings.Replace(in, `"user":{"email":"a@b","id":7},`, "", 1)},
		"a field of each element": {[]experiment.Redaction{remove("$.items[*].p")}, strings.Replace(in, `,"p":0.5`, "", 1)},
		"an element becomes null": {[]experiment.Redaction{remove("$.rows[0]")}, strings.Replace(in, `[1,2]`, "null", 1)},
		"an element of each":      {[]experiment.Redaction{remove("$.rows[*][1]")}, strings.Replace(strings.Replace(in, `[1,2]`, "[1,null]", 1), "[3,4]", "[3,null]", 1)},
		"a dotted place":          {[]experiment.Redaction{remove("$.items.0.id"), remove("$.9.x")}, strings.Replace(strings.Replace(in, `"id":1,`, "", 1), `"x":1`, "", 1)},
		"all elements":            {[]experiment.Redaction{remove("$.items[*]")}, strings.Replace(in, `{"id":1,"p":0.5},{"id":2}`, "null,null", 1)},
		"a hash":                  {[]experiment.Redaction{hash("$.user.email")}, strings.Replace(in, `"a@b"`, fmt.Sprintf(`"h:%016x"`, hashOf([]byte(`"a@b"`))), 1)},
		"what is not there":       {[]experiment.Redaction{remove("$.nothing.at.all"), hash("$.user[0]"), hash("$.rows.id"), remove("$.rows[7]"), remove("$.user.email.x"), hash("$.items[*].p.q")}, in},
		"one after the other":     {[]experiment.Redaction{remove("$.user.email"), remove("$.user.id")}, strings.Replace(in, `"email":"a@b","id":7`, "", 1)},
		"below what was taken":    {[]experiment.Redaction{remove("$.user"), remove("$.user.id")}, strings.Replace(in, `"user":{"email":"a@b","id":7},`, "", 1)},
	} {
		if diff := cmp.Diff(decoded(t, tc.want), redactor(t, tc.redactions...).Apply(decoded(t, in))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestEqualValuesHaveEqualHashes(t *testing.T) {
	r := redactor(t, hash("$[*]"))
	got := r.Apply(decoded(t, `[{"a":1,"b":[2]},{"b":[2.0],"a":1e0},{"a":1,"b":[3]},"1",1]`)).([]any)
	if got[0] != got[1] || got[0] == got[2] || got[3] == got[4] {
		t.Errorf("%v", got)
	}
}

func TestRedactorTakesAnyJSON(t *testing.T) {
	r := redactor(t, remove("$[*].a"), hash("$.b"), remove("$[0]"))
	for in, want := range map[string]string{`null`: `null`, `7`: `7`, `"a"`: `"a"`, `[]`: `[]`, `{}`: `{}`, `[{"a":1},{"a":2,"c":3}]`: `[null,{"c":3}]`} {
		if diff := cmp.Diff(decoded(t, want), r.Apply(decoded(t, in))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
	var none *Redactor
	if got := none.Apply("x"); got != "x" {
		t.Errorf("got %v", got)
	}
}

func TestNewRedactorRefuses(t *testing.T) {
	const hint = "write it as $.user.email, $.items[*].id or $.rows[0]"
	for in, tc := range map[experiment.Redaction]struct{ message, hint string }{
		remove(""):          {`redact "": a path begins with $`, hint},
		remove("user"):      {`redact "user": a path begins with $`, hint},
		remove("$"):         {`redact "$": it is everything`, hint},
		remove("$user"):     {`redact "$user": a name begins with a dot`, hint},
		remove("$."):        {`redact "$.": a name is missing after a dot`, hint},
		remove("$..a"):      {`redact "$..a": a name is missing after a dot`, hint},
		remove("$.a[0"):     {`redact "$.a[0": a [ is not closed`, hint},
		remove("$.a[-1]"):   {`redact "$.a[-1]": between [ and ] stands neither * nor a place from 0`, hint},
		remove("$.a[+1]"):   {`redact "$.a[+1]": between [ and ] stands neither * nor a place from 0`, hint},
		remove("$.a[]"):     {`redact "$.a[]": between [ and ] stands neither * nor a place from 0`, hint},
		remove("$.a['b']"):  {`redact "$.a['b']": between [ and ] stands neither * nor a place from 0`, hint},
		remove("$.*"):       {`redact "$.*": a name holds one of *]?()'"`, hint},
		remove("$.a?(@.b)"): {`redact "$.a?(@.b)": a name holds one of *]?()'"`, hint},
		{Path: "$.a"}:       {`redact "$.a": "" is no way to redact`, "take remove or hash"},
		remove("$" + strings.Repeat(".a", maxSteps+1)): {`redact "$` + strings.Repeat(".a", maxSteps+1) + `": 33 steps: want at most 32`, hint},
	} {
		_, err := NewRedactor([]experiment.Redaction{in}, hashOf)
		if err == nil || err.Error() != tc.message || experiment.HintOf(err) != tc.hint {
			t.Errorf("%q: %v (hint %q), want %q", in.Path, err, experiment.HintOf(err), tc.message)
		}
	}
	if _, err := NewRedactor([]experiment.Redaction{hash("$.a")}, nil); err == nil || experiment.HintOf(err) != "give a key, or remove the field" {
		t.Errorf("without a hash: %v", err)
	}
	if _, err := NewRedactor([]experiment.Redaction{remove("$.a")}, nil); err != nil {
		t.Errorf("removal needs no hash: %v", err)
	}
}
