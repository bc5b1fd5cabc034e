// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4" // What the API server applies patches with.
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

func object(t *testing.T, text string) router.Object {
	t.Helper()
	o, err := router.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPatches(t *testing.T) {
	const one = `{"metadata":{"resourceVersion":"7","name":"x"},"spec":{"hosts":["h"],"http":[{"name":"a","route":[{"host":"v1","weight":90},{"host":"v2","weight":10}]}]}}`
	for name, tc := range map[string]struct {
		before, after string
		owned         []string
		want          []string
	}{
		"nothing to change": {one, one, []string{"/spec/http"}, nil},
		"10 and 10.0 are the same": {
			one, strings.Replace(one, `"weight":10`, `"weight":10.0`, 1), []string{"/spec/http"}, nil,
		},
		"a list is tested and replaced whole": {
			`{"spec":{"l":[1,2],"k":1}}`, `{"spec":{"l":[2],"k":1}}`,
			[]string{"/spec/l"},
			[]string{`test /spec/l [1,2]`, `replace /spec/l [2]`},
		},
		"a field of a list's element is tested with the element": {
			one, strings.Replace(one, `"weight":10`, `"weight":20`, 1),
			[]string{"/spec/http/0/route/1/weight", "/spec/http/0/route/0/weight"},
			[]string{
				`test /spec/http/0 {"name":"a","route":[{"host":"v1","weight":90},{"host":"v2","weight":10}]}`,
				`replace /spec/http/0/route/1/weight 20`,
			},
		},
		"what is not changed is tested too": {
			`{"spec":{"a":1,"b":2}}`, `{"spec":{"a":1,"b":3}}`,
			[]string{"/spec/a", "/spec/b"},
			[]string{`test /spec/a 1`, `test /spec/b 2`, `replace /spec/b 3`},
		},
		"what is absent is tested by what is above it": {
			`{"spec":{"a":1}}`, `{"spec":{"a":1,"b":{"c":2,"d":3}}}`,
			[]string{"/spec/b/c", "/spec/b/d"},
			[]string{`test /spec {"a":1}`, `add /spec/b {"c":2,"d":3}`},
		},
		"near the root the version is tested": {
			`{"metadata":{"resourceVersion":"7"}}`, `{"metadata":{"resourceVersion":"7","annotations":{"a/b":"1"}}}`,
			[]string{"/metadata/annotations/a~1b"},
			[]string{`test /metadata/resourceVersion "7"`, `add /metadata/annotations {"a/b":"1"}`},
		},
		"names are escaped": {
			`{"metadata":{"annotations":{"a/b":"1","c~d":"2"}}}`, `{"metadata":{"annotations":{"a/b":"5","c~d":"6"}}}`,
			[]string{"/metadata/annotations/a~1b", "/metadata/annotations/c~0d"},
			[]string{`test /metadata/annotations/a~1b "1"`, `test /metadata/annotations/c~0d "2"`, `replace /metadata/annotations/a~1b "5"`, `replace /metadata/annotations/c~0d "6"`},
		},
		"removals come from behind": {
			`{"spec":{"l":[1,2,3,4,5,6,7,8,9,10,11,12]}}`, `{"spec":{"l":[1,2,4,5,6,7,8,9,10,11]}}`,
			[]string{"/spec/l"},
			[]string{`test /spec/l [1,2,3,4,5,6,7,8,9,10,11,12]`, `replace /spec/l [1,2,4,5,6,7,8,9,10,11]`},
		},
		"a field is taken out": {
			`{"spec":{"a":null,"b":1}}`, `{"spec":{"b":1}}`,
			[]string{"/spec/a"},
			[]string{`test /spec/a null`, `remove /spec/a `},
		},
		"a pointer in another's subtree is not told twice": {
			`{"spec":{"a":{"b":1}}}`, `{"spec":{"a":{"b":2}}}`,
			[]string{"/spec/a/b", "/spec/a", "/spec/a"},
			[]string{`test /spec/a {"b":1}`, `replace /spec/a {"b":2}`},
		},
		"what begins alike is not below": {
			`{"spec":{"a":1,"ab":1}}`, `{"spec":{"a":2,"ab":2}}`,
			[]string{"/spec/a", "/spec/ab"},
			[]string{`test /spec/a 1`, `test /spec/ab 1`, `replace /spec/a 2`, `replace /spec/ab 2`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := object(t, tc.before), object(t, tc.after)
			changes, err := edits(before, after, tc.owned)
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == nil {
				if len(changes) != 0 {
					t.Errorf("changes %+v, want none", changes)
				}
				return
			}
			patch, err := encode(before, tc.owned, changes)
			if err != nil {
				t.Fatal(err)
			}
			var ops []operation
			if err := json.Unmarshal(patch, &ops); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, op := range ops {
				got = append(got, fmt.Sprintf("%s %s %s", op.Op, op.Path, op.Value))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
			applied, err := apply(patch, tc.before)
			if err != nil {
				t.Fatal(err)
			}
			if !router.Equal(applied, after) {
				t.Errorf("the patch makes %v, want %v", applied, after)
			}
		})
	}
}

func apply(patch []byte, to string) (router.Object, error) {
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	text, err := p.Apply([]byte(to))
	if err != nil {
		return nil, err
	}
	return router.Decode(text)
}

func TestRouterThatChangesWhatItDoesNotOwnIsCaught(t *testing.T) {
	before := object(t, `{"spec":{"a":1,"b":[1,2],"c":1}}`)
	for _, after := range []string{
		`{"spec":{"a":2,"b":[1,2],"c":2}}`, `{"spec":{"a":1,"b":[1,2]}}`, `{"spec":{"a":1,"b":[1,2,3],"c":1}}`, `{}`, `{"spec":{"a":1,"b":[1,2],"c":1},"d":1}`,
	} {
		_, err := edits(before, object(t, after), []string{"/spec/a", "/spec/b/0"})
		if experiment.CodeOf(err) != experiment.CodeInternal || !strings.Contains(err.Error(), "/spec/b/0") {
			t.Errorf("%s: error = %v, want internal", after, err)
		}
	}
}

// TestPatchMakesTheRendered draws documents and owned places, changes what is
// owned, and has the API server's own library apply the patch.
func TestPatchMakesTheRendered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := router.Object{"metadata": map[string]any{"resourceVersion": "1"}, "spec": tree(t, 3)}
		after := router.Copy(before)
		var owned []string
		for range rapid.IntRange(1, 4).Draw(t, "owned") {
			at := []string{"spec"}
			for range rapid.IntRange(1, 3).Draw(t, "depth") {
				at = append(at, rapid.SampledFrom([]string{"a", "b", "0", "1", "2", "c/d", "e~f"}).Draw(t, "step"))
			}
			if parent, ok := lookup(map[string]any(after), at[:len(at)-1]); ok {
				owned = append(owned, join(at))
				m, isMap := parent.(map[string]any)
				switch remove := rapid.Bool().Draw(t, "remove"); {
				case isMap && remove:
					delete(m, at[len(at)-1])
				default:
					after = put(map[string]any(after), at, tree(t, 2)).(map[string]any)
				}
			}
		}
		changes, err := edits(before, after, owned)
		if err != nil {
			t.Fatalf("%v\nbefore %v\nafter  %v\nowned %q", err, before, after, owned)
		}
		text, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		patch, err := encode(before, owned, changes)
		if err != nil {
			t.Fatal(err)
		}
		if len(owned) == 0 {
			return
		}
		got, err := apply(patch, string(text))
		if err != nil {
			t.Fatalf("%v\nbefore %s\npatch %s", err, text, patch)
		}
		if !router.Equal(got, after) {
			t.Fatalf("made %v, want %v\npatch %s", got, after, patch)
		}
		// Whatever changes in an owned subtree meanwhile makes it fail.
		for _, p := range owned {
			other := router.Copy(before)
			at := split(p)
			if parent, ok := lookup(map[string]any(other), at[:len(at)-1]); ok {
				_, there := child(parent, at[len(at)-1])
				other = put(map[string]any(other), at, "somebody else's").(map[string]any)
				if there && !router.Equal(other, before) {
					text, _ := json.Marshal(other)
					if _, err := apply(patch, string(text)); err == nil {
						t.Fatalf("the patch overwrote %s in %s\npatch %s", p, text, patch)
					}
				}
			}
		}
	})
}

func tree(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		return int64(rapid.IntRange(-5, 100).Draw(t, "int"))
	case 1:
		return rapid.SampledFrom([]string{"", "x", "500m", "<&>\u2028"}).Draw(t, "text")
	case 2:
		return nil
	case 3:
		return 0.1 * float64(rapid.IntRange(1, 9).Draw(t, "tenths"))
	case 4:
		out := map[string]any{}
		for _, k := range []string{"a", "b", "c/d", "e~f"} {
			if rapid.Bool().Draw(t, "has") {
				out[k] = tree(t, depth-1)
			}
		}
		return out
	default:
		var out []any
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			e := tree(t, depth-1)
			if e == nil { // The API server keeps none in lists, and its library cannot compare them.
				e = "nothing"
			}
			out = append(out, e)
		}
		return append([]any{}, out...)
	}
}

func TestRise(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after string
		want          int
	}{
		"integer grows":  {`{"spec":{"w":10}}`, `{"spec":{"w":20}}`, 1},
		"quantity falls": {`{"spec":{"w":"900m"}}`, `{"spec":{"w":"50m"}}`, -1},
		"first value":    {`{"spec":{}}`, `{"spec":{"w":"1"}}`, 1},
		"taken out":      {`{"spec":{"w":3}}`, `{"spec":{}}`, -1},
		"as much":        {`{"spec":{"w":[1,2]}}`, `{"spec":{"w":[2,1]}}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := rise(object(t, tc.before), object(t, tc.after), []string{"/spec/w"})
			if got > 0 != (tc.want > 0) || got < 0 != (tc.want < 0) {
				t.Errorf("rise %g, want sign %d", got, tc.want)
			}
		})
	}
}
