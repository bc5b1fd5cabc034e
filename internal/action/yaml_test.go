// SPDX-License-Identifier: Apache-2.0

package action

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAValueIsSetAndTheRestStaysAsItIs(t *testing.T) {
	for name, c := range map[string]struct{ text, path, value, want string }{
		"a plain scalar":              {"a:   1 # one\nb: 2\n", ".a", "3", "a:   3 # one\nb: 2\n"},
		"without a leading dot":       {"a: 1\n", "a", "3", "a: 3\n"},
		"a quoted scalar":             {"a: 'it''s' # x\n\n\nb: 2\n", ".a", `"new: one"`, "a: \"new: one\" # x\n\n\nb: 2\n"},
		"of a flow map":               {"r: [{n: a, w: 90}, {n: b, w: 10}]\n", ".r[0].w", "50", "r: [{n: a, w: 50}, {n: b, w: 10}]\n"},
		"of a list":                   {"l:\n    - x   # first\n    - y\n", ".l[1]", "z", "l:\n    - x   # first\n    - z\n"},
		"a key with dots":             {"m: {a.b/c: \"1\", d: 2}\n", `.m["a.b/c"]`, `"2"`, "m: {a.b/c: \"2\", d: 2}\n"},
		"after words of two bytes":    {"\"naïve\": {\"é\": 1, b: 2}\n", ".naïve.b", "3", "\"naïve\": {\"é\": 1, b: 3}\n"},
		"with a hash in it":           {"a: b#c # d\n", ".a", "e", "a: e # d\n"},
		"an empty value":              {"a:\nb: 2\n", ".a", "1", "a: 1\nb: 2\n"},
		"lines that end as elsewhere": {"a: 1\r\nb: 2\r\n", ".b", "3", "a: 1\r\nb: 3\r\n"},
		"the same value":              {"a:    1\nb:   {c:  d}\n", ".b", "{c: d}", "a:    1\nb:   {c:  d}\n"},
		"a new key":                   {"# head\na:\n  b: 1 # one\n", ".a.c", "2", "# head\na:\n  b: 1 # one\n  c: 2\n"},
		"a map for a scalar":          {"# head\na: 1 # one\nb: 2\n", ".a", "{x: 1}", "# head\na: {x: 1} # one\nb: 2\n"},
		"a folded text":               {"a: >-\n  one\n  two\nb: 2 # x\n", ".a", "three", "a: three\nb: 2 # x\n"},
		"the only document that has it": {
			"kind: A\nspec: {n: 1}\n---\nkind: B\nspec: {m: 1} # here\n", ".spec.m", "2", "kind: A\nspec: {n: 1}\n---\nkind: B\nspec: {m: 2} # here\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := setYAML([]byte(c.text), c.path, c.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAValueThatCannotBeSet(t *testing.T) {
	for name, c := range map[string]struct{ text, path, value, want string }{
		"nothing there":         {"a: 1\n", ".b.c", "1", "nothing stands at .b.c"},
		"past the end":          {"a: [1]\n", ".a[1]", "1", "nothing stands"},
		"a list by name":        {"a: [1]\n", ".a.b", "1", "nothing stands"},
		"two documents":         {"a: 1\n---\na: 2\n", ".a", "3", "2 documents"},
		"two documents, new":    {"a: 1\n---\nb: 2\n", ".c", "3", "2 documents"},
		"through an alias":      {"x: &x {a: 1}\ny: *x\n", ".y.a", "3", "nothing stands"},
		"no YAML":               {"a: [\n", ".a", "1", "no YAML"},
		"nothing":               {"# nothing\n", ".a", "1", "nothing"},
		"no value":              {"a: 1\n", ".a", "", "nothing in it"},
		"two values":            {"a: 1\n", ".a", "1\n---\n2", "one YAML value"},
		"no path":               {"a: 1\n", "", "1", "path is empty"},
		"an empty key":          {"a: 1\n", ".a..b", "1", "a key is empty"},
		"a word in brackets":    {"a: [1]\n", ".a[x]", "1", "a number from 0"},
		"a negative place":      {"a: [1]\n", ".a[-1]", "1", "a number from 0"},
		"an open bracket":       {"a: [1]\n", `.a["x`, "1", "not closed"},
		"a key behind brackets": {"a: [1]\n", ".a[0]b", "1", "a dot or a bracket"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := setYAML([]byte(c.text), c.path, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// FuzzSetYAML holds what is promised of any file: it says the new value at the
// path, and the same as before everywhere else.
func FuzzSetYAML(f *testing.F) {
	f.Add("a: 1 # x\nb: [1, {c: 2}]\n", ".b[1].c", "3")
	f.Add("a: >-\n  x\n  y\n", ".a", "'z'")
	f.Add("a: {b: 'c', d: \"e\"}\n---\nf: 1\n", ".a.d", "null")
	f.Fuzz(func(t *testing.T, text, path, value string) {
		out, err := setYAML([]byte(text), path, value)
		if err != nil {
			return
		}
		steps, err := parsePath(path)
		if err != nil {
			t.Fatalf("path %q was taken and cannot be read: %v", path, err)
		}
		wanted, err := one([]byte(value))
		if err != nil {
			t.Fatalf("value %q was taken and cannot be read: %v", value, err)
		}
		docs, err := documents(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
		found := false
		for _, d := range docs {
			if _, at := walk(d, steps); at != nil && same(at, wanted) {
				found = true
			}
		}
		if !found {
			t.Fatalf("%q became %q, without %q at %s", text, out, value, path)
		}
	})
}
