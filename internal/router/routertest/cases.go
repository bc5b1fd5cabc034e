// SPDX-License-Identifier: Apache-2.0

// Package routertest holds what every router must keep, and runs the routers'
// cases: files of objects and of the traffic that is rendered into them, one
// after the other. The objects are ones that the stack's API server takes, so the
// same files serve tests against a real one.
package routertest

//go:generate go test . -run TestReferenceHasTheCapabilities -update

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Make makes the router under test.
type Make func(*experiment.Plan) (router.Router, error)

// Case is one plan, the objects of the cluster and what is rendered into them.
type Case struct {
	// Name is FILE/NAME.
	Name    string
	Plan    experiment.Plan
	Objects []router.Object
	Steps   []Step
}

// Step is the traffic of one moment: shares in percent, or a kill.
type Step struct {
	Shares    []float64             `json:"shares,omitempty"`
	Default   int                   `json:"default,omitempty"`
	Over      bool                  `json:"over,omitempty"`
	Kill      bool                  `json:"kill,omitempty"`
	Cohort    string                `json:"cohort,omitempty"`
	Overrides []experiment.Override `json:"overrides,omitempty"`
	Where     []router.HeaderMatch  `json:"where,omitempty"`
	Mirror    *struct {
		Share    float64 `json:"share"`
		Versions []int   `json:"versions"`
	} `json:"mirror,omitempty"`
	// Edit puts objects in place of those that the step before left, as somebody
	// else may.
	Edit []json.RawMessage `json:"edit,omitempty"`
}

// Traffic is the step's traffic for a plan.
func (s *Step) Traffic(p *experiment.Plan) router.Traffic {
	if s.Kill {
		return router.KilledTraffic(p)
	}
	slots := func(percent float64) experiment.Share { return experiment.Share(math.Round(percent * 100)) }
	t := router.Traffic{
		Experiment: p.ID(), Versions: p.Versions, Default: s.Default, Over: s.Over,
		Cohort: s.Cohort, Overrides: s.Overrides, Where: s.Where,
	}
	for _, share := range s.Shares {
		t.Shares = append(t.Shares, slots(share))
	}
	if s.Mirror != nil {
		t.Mirror = &router.Mirror{Share: slots(s.Mirror.Share), Versions: s.Mirror.Versions}
	}
	return t
}

// Load reads the cases of every file NAME.in.yaml of a folder.
func Load(t testing.TB, dir fs.FS) []Case {
	t.Helper()
	files, err := fs.Glob(dir, "*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var out []Case
	for _, file := range files {
		data, err := fs.ReadFile(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, read(t, strings.TrimSuffix(file, ".in.yaml"), data)...)
	}
	return out
}

// read reads one file. What a case does not say of its plan and its objects
// stands at the file's beginning.
func read(t testing.TB, file string, data []byte) []Case {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	strict := func(v, into any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if err := dec.Decode(into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	type head struct {
		Plan    map[string]any    `json:"plan"`
		Objects []json.RawMessage `json:"objects"`
	}
	var all struct {
		head
		Anchors any `json:"anchors"`
		Cases   []struct {
			head
			Name  string `json:"name"`
			Steps []Step `json:"steps"`
		} `json:"cases"`
	}
	strict(tree, &all)
	var out []Case
	for _, c := range all.Cases {
		plan := map[string]any{}
		for _, from := range []map[string]any{all.Plan, c.Plan} {
			for k, v := range from {
				plan[k] = v
			}
		}
		one := Case{Name: file + "/" + c.Name, Steps: c.Steps}
		strict(plan, &one.Plan)
		objects := c.Objects
		if objects == nil {
			objects = all.Objects
		}
		one.Objects = decode(t, objects)
		out = append(out, one)
	}
	return out
}

func decode(t testing.TB, raw []json.RawMessage) []router.Object {
	t.Helper()
	var out []router.Object
	for _, data := range raw {
		o, err := router.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// result is what a step gave.
type result struct {
	Error string           `yaml:"error,omitempty"`
	Hint  string           `yaml:"hint,omitempty"`
	Owned []map[string]any `yaml:"owned,omitempty"`
	Asked string           `yaml:"asked,omitempty"`
	// Serving is there where the stack reports it.
	Serving string `yaml:"serving,omitempty"`
	Waits   string `yaml:"waits,omitempty"`
}

// Run runs all cases of a folder and compares what they give with the files
// NAME.out.yaml. Update rewrites these, in the folder testdata of the package
// under test. It returns how many steps were rendered.
func Run(t *testing.T, dir fs.FS, make Make, update bool) int {
	t.Helper()
	steps := 0
	byFile := map[string]map[string][]result{}
	for _, c := range Load(t, dir) {
		file, name, _ := strings.Cut(c.Name, "/")
		if byFile[file] == nil {
			byFile[file] = map[string][]result{}
		}
		if byFile[file][name] != nil {
			t.Fatalf("two cases %s", c.Name)
		}
		t.Run(c.Name, func(t *testing.T) { byFile[file][name] = steppedThrough(t, c, make) })
		steps += len(c.Steps)
	}
	for file, results := range byFile {
		compare(t, dir, file+".out.yaml", results, update)
	}
	return steps
}

func compare(t *testing.T, dir fs.FS, name string, results map[string][]result, update bool) {
	t.Helper()
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(results); err != nil {
		t.Fatal(err)
	}
	if update {
		if err := os.WriteFile(filepath.Join("testdata", name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := fs.ReadFile(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// steppedThrough renders a case's steps one after the other.
func steppedThrough(t *testing.T, c Case, make Make) []result {
	r, err := make(&c.Plan)
	if err != nil {
		return []result{{Error: err.Error(), Hint: experiment.HintOf(err)}}
	}
	objects := c.Objects
	var out []result
	for i := range c.Steps {
		if c.Steps[i].Edit != nil {
			objects = decode(t, c.Steps[i].Edit)
		}
		traffic := c.Steps[i].Traffic(&c.Plan)
		rendered, err := Rendered(r, objects, traffic)
		if err != nil {
			t.Errorf("step %d: %v", i, err)
			continue
		}
		if rendered.Err != nil {
			out = append(out, result{Error: rendered.Err.Error(), Hint: experiment.HintOf(rendered.Err)})
			continue
		}
		objects = rendered.Objects
		step := result{Asked: rendered.Seen.Asked.String(), Waits: rendered.Seen.Why}
		if rendered.Seen.Serving != nil {
			step.Serving = rendered.Seen.Serving.String()
		}
		for k := range objects {
			owned := map[string]any{}
			for _, pointer := range r.Owned(k) {
				owned[pointer] = router.Pointed(objects[k], pointer)
			}
			step.Owned = append(step.Owned, owned)
		}
		out = append(out, step)
	}
	return out
}

// Result is what a router made of objects: Err is its refusal.
type Result struct {
	Objects []router.Object
	Seen    router.Seen
	Err     error
}

// Rendered renders traffic and reports what no router may do whatever it is
// given: change its arguments or what it does not own, give something else when
// asked again, lose what it was asked for, or refuse without a class of failure.
func Rendered(r router.Router, objects []router.Object, t router.Traffic) (Result, error) {
	before := copies(objects)
	out, err := r.Render(objects, t)
	for i := range objects {
		if d := cmp.Diff(before[i], objects[i]); d != "" {
			return Result{}, fmt.Errorf("object %d was changed in place (-was +is):\n%s", i, d)
		}
	}
	if err != nil {
		if code := experiment.CodeOf(err); code == experiment.CodeInternal || code == "" {
			return Result{}, fmt.Errorf("refused without a class of failure: %w", err)
		}
		return Result{Err: err}, nil
	}
	again, err := r.Render(out, t)
	if err != nil {
		return Result{}, fmt.Errorf("what was rendered is refused: %w", err)
	}
	for i := range out {
		if d := cmp.Diff(out[i], again[i]); d != "" {
			return Result{}, fmt.Errorf("object %d changes when rendered again (-first +second):\n%s", i, d)
		}
		if d := cmp.Diff(without(objects[i], r.Owned(i)), without(out[i], r.Owned(i))); d != "" {
			return Result{}, fmt.Errorf("object %d was changed where the router owns nothing (-was +is):\n%s", i, d)
		}
	}
	if drift, err := router.Drift(r, out, t); err != nil || len(drift) > 0 {
		return Result{}, fmt.Errorf("drift right after rendering: %v, %w", drift, err)
	}
	seen, err := r.Read(out, t)
	if err != nil {
		return Result{}, fmt.Errorf("what was rendered cannot be read: %w", err)
	}
	if err := seen.Asked.Check(); err != nil {
		return Result{}, fmt.Errorf("asked: %w", err)
	}
	for v := range t.Shares {
		off := seen.Asked[v] - t.Shares[v]
		exact := r.Kind() != experiment.RouterFields
		if off != 0 && (exact || off >= 100 || off <= -100) || (seen.Asked[v] == 0) != (t.Shares[v] == 0) {
			return Result{}, fmt.Errorf("asked for %s, read %s", t.Shares, seen.Asked)
		}
	}
	return Result{Objects: out, Seen: seen}, nil
}

func copies(objects []router.Object) []router.Object {
	out := make([]router.Object, len(objects))
	for i := range objects {
		out[i] = router.Copy(objects[i])
	}
	return out
}

// without is an object without some subtrees.
func without(o router.Object, pointers []string) router.Object {
	o = router.Copy(o)
	for _, pointer := range pointers {
		at := strings.LastIndexByte(pointer, '/')
		if parent := router.Map(router.Pointed(o, pointer[:at])); parent != nil {
			delete(parent, strings.NewReplacer("~1", "/", "~0", "~").Replace(pointer[at+1:]))
		}
	}
	return o
}
