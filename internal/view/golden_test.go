// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/view"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestViewGolden(t *testing.T) {
	for name, in := range inputs() {
		t.Run(name, func(t *testing.T) {
			e := view.Of(in)
			checkView(t, in, &e)
			goldenFile(t, name, golden(t, e))
		})
	}
}

func fileOf(name string) string {
	return filepath.Join("testdata", strings.NewReplacer(" ", "_", ",", "").Replace(name)+".json")
}

func goldenFile(t *testing.T, name string, got []byte) {
	t.Helper()
	file := fileOf(name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

func TestEveryGoldenHasItsCase(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(inputs()) {
		t.Errorf("%d golden files (%v), want %d", len(files), err, len(inputs()))
	}
}

// golden writes a view with numbers of nine digits: some machines fuse multiply
// and add.
func golden(t *testing.T, e view.Experiment) []byte {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(rounded(v)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func rounded(v any) any {
	switch x := v.(type) {
	case json.Number:
		f, _ := x.Float64()
		return json.Number(strconv.FormatFloat(f, 'g', 9, 64))
	case []any:
		for i := range x {
			x[i] = rounded(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = rounded(x[k])
		}
	}
	return v
}

// checkView asks what every view promises.
func checkView(t testing.TB, in view.Input, e *view.Experiment) {
	t.Helper()
	if b, err := json.Marshal(e); err != nil || bytes.Contains(b, []byte(`:null`)) {
		t.Errorf("it cannot be written, or holds null: %v %s", err, b)
	}
	if s := e.Verdict.Sentence; s == "" || strings.ContainsAny(s, "{}\n") || strings.HasSuffix(strings.TrimSpace(s), ";") || strings.HasSuffix(strings.TrimSpace(s), ":") {
		t.Errorf("sentence is %q", s)
	}
	if e.Verdict.Code == "" || len(e.Verdict.Reasons) == 0 || len(e.Decisions) == 0 {
		t.Errorf("verdict without reasons: %+v, %d decisions", e.Verdict, len(e.Decisions))
	}
	for _, r := range e.Verdict.Reasons {
		if r == "" || strings.ContainsAny(r, "{}") {
			t.Errorf("reason is %q", r)
		}
	}
	if s := e.Stage; s.Name == "" || !(s.Progress >= 0 && s.Progress <= 1) || s.Number < 1 || s.Number > s.Of || s.Step < 1 || s.Step > s.Steps || s.Elapsed < 0 {
		t.Errorf("stage is %+v", s)
	}
	if len(e.Versions) != len(in.Plan.Versions) {
		t.Errorf("%d versions, the plan has %d", len(e.Versions), len(in.Plan.Versions))
	}
	share, seen := 0.0, 0.0
	for i, v := range e.Versions {
		if v.Name != in.Plan.Versions[i].Name || (v.Role == "baseline") != (i == 0) || v.Units < 0 || v.Requests < 0 {
			t.Errorf("version %d is %+v", i, v)
		}
		share += v.Share
		if v.Seen != nil {
			seen += *v.Seen
		}
		if r := v.Reward; r != nil && !(r.Low <= r.Value && r.Value <= r.High) {
			t.Errorf("%s: reward is %+v", v.Name, r)
		}
	}
	if math.Abs(share-1) > 1e-9 || (seen != 0 && math.Abs(seen-1) > 1e-9) {
		t.Errorf("shares sum to %v, those seen to %v", share, seen)
	}
	for _, f := range e.Findings {
		if in.Plan.Metric(f.Metric) == nil || f.Status == "" || f.Role == "" || f.Guarantee == "" || f.Version == "" {
			t.Errorf("finding is %+v", f)
		}
	}
}
