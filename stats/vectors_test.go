// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Reference numbers: rows of inputs and outputs of named functions, made by
// independent programs. How a function of the rows is computed here stands in
// rows_<family>_test.go, one file for each package of the tree. More files of
// rows can be named in HEADGATE_STATS_VECTORS, separated as in PATH.

// vector is one row; src names the program or the publication.
type vector struct {
	ID     string          `json:"id"`
	Fn     string          `json:"fn"`
	Input  json.RawMessage `json:"input"`
	Expect map[string]any  `json:"expect"`
	Tol    float64         `json:"tol"`
	Src    string          `json:"src"`
}

// answer are computed outputs by name. A value is a number, a list of numbers
// or another answer; nil means that a row asks for a variant that is not here.
type answer map[string]any

// computation computes a row from its input.
type computation = func(json.RawMessage) (answer, error)

// row makes a computation of a function whose argument says which fields the
// input has. Keys match without regard to case; unknown keys are ignored.
func row[T any](f func(in T) (answer, error)) computation {
	return func(raw json.RawMessage) (answer, error) {
		var in T
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, fmt.Errorf("decode input: %w", err)
		}
		return f(in)
	}
}

// computed collects the computations of all families.
func computed(t *testing.T) map[string]computation {
	t.Helper()
	all := map[string]computation{}
	for _, family := range []map[string]computation{
		coreRows(), multipleRows(), quantileRows(), counterRows(),
		bayesRows(), pairedRows(), delayedRows(), adaptiveRows(), banditRows(),
	} {
		for fn, c := range family {
			if all[fn] != nil {
				t.Fatalf("%s is computed twice", fn)
			}
			all[fn] = c
		}
	}
	return all
}

func TestVectors(t *testing.T) {
	compute := computed(t)
	files := []string{filepath.Join("testdata", "vectors.jsonl")}
	files = append(files, filepath.SplitList(os.Getenv("HEADGATE_STATS_VECTORS"))...)
	for i, file := range files {
		for _, v := range readVectors(t, file) {
			name := v.ID
			if i > 0 {
				name = filepath.Base(file) + "/" + v.ID
			}
			t.Run(name, func(t *testing.T) { v.check(t, compute[v.Fn]) })
		}
	}
}

func readVectors(t *testing.T, file string) []vector {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []vector
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<22)
	for sc.Scan() {
		if len(strings.TrimSpace(sc.Text())) == 0 {
			continue
		}
		var v vector
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		rows = append(rows, v)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no rows", file)
	}
	return rows
}

// check compares what is computed with what the row expects, output by output.
func (v vector) check(t *testing.T, compute computation) {
	if compute == nil {
		t.Skipf("there is no function for %s", v.Fn)
	}
	got, err := compute(v.Input)
	if err != nil {
		t.Fatal(err)
	}
	if got == nil {
		t.Skipf("there is no variant of %s for %s", v.Fn, v.Input)
	}
	v.compare(t, "", got, v.Expect)
}

func (v vector) compare(t *testing.T, prefix string, got answer, expect map[string]any) {
	if len(expect) == 0 {
		t.Errorf("%s expects nothing", prefix)
	}
	for key, want := range expect {
		have, ok := got[key]
		if !ok {
			t.Errorf("%s%s is not computed", prefix, key)
			continue
		}
		if nested, ok := want.(map[string]any); ok {
			inner, _ := have.(answer)
			v.compare(t, prefix+key+".", inner, nested)
			continue
		}
		h, w := numbers(have), numbers(want)
		if len(h) != len(w) || len(w) == 0 {
			t.Errorf("%s%s = %v, want %v", prefix, key, have, want)
			continue
		}
		for i := range w {
			if reason := v.disagree(key, h[i], w[i]); reason != "" {
				t.Errorf("%s%s[%d] = %.12g, want %.12g: %s (%s)", prefix, key, i, h[i], w[i], reason, v.Src)
			}
		}
	}
}

// numbers flattens numbers, lists of numbers and the words for infinity.
func numbers(v any) []float64 {
	switch v := v.(type) {
	case float64:
		return []float64{v}
	case int:
		return []float64{float64(v)}
	case int64:
		return []float64{float64(v)}
	case []float64:
		return v
	case string:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return []float64{f}
		}
	case []any:
		var out []float64
		for _, e := range v {
			out = append(out, numbers(e)...)
		}
		return out
	}
	return nil
}

// disagree applies the pass rule: the row's tolerance, relative above 1, and
// for p-values below 0.001 and for e-values, given as logarithms, also 1e-4
// relative, because accurate tails are the point.
func (v vector) disagree(key string, got, want float64) string {
	if got == want {
		return ""
	}
	d := math.Abs(got - want)
	if !(d <= v.Tol*max(1, math.Abs(want))) {
		return fmt.Sprintf("off by %.3g, tolerance %.3g", d, v.Tol)
	}
	switch {
	case v.isPValue(key) && want > 0 && want < 1e-3 && !(d <= 1e-4*want):
		return fmt.Sprintf("off by %.3g of a small p-value", d/want)
	case (key == "logE" || key == "logBF") && !(d <= 1e-4):
		return fmt.Sprintf("off by %.3g in the logarithm of an e-value", d)
	}
	return ""
}

// isPValue tells p-values from other probabilities, such as that of being best.
func (v vector) isPValue(key string) bool {
	if strings.HasPrefix(v.Fn, "bayes.") || strings.HasPrefix(v.Fn, "alloc.") {
		return false
	}
	return key == "adj" || key == "midp" || key == "p" || strings.HasPrefix(key, "p_") && key != "p_hat"
}

func TestVectorsAreToldApart(t *testing.T) {
	v := vector{Fn: "x", Tol: 1e-6}
	for name, c := range map[string]struct {
		key       string
		got, want float64
		agree     bool
	}{
		"equal":                   {"est", 2, 2, true},
		"relative above one":      {"est", 1e6 + 0.5, 1e6, true},
		"absolute below one":      {"est", 2e-6, 1e-7, false},
		"small p within":          {"p", 1.00005e-5, 1e-5, true},
		"small p beyond":          {"p", 1.0002e-5, 1e-5, false},
		"the same of an estimate": {"est", 1.0002e-5, 1e-5, true},
		"not a number":            {"est", math.NaN(), 1, false},
		"both infinite":           {"hi", math.Inf(1), math.Inf(1), true},
		"one infinite":            {"hi", math.Inf(1), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			if reason := v.disagree(c.key, c.got, c.want); (reason == "") != c.agree {
				t.Errorf("%q", reason)
			}
		})
	}
	if got := numbers([]any{1.0, "+Inf", []any{2.0}}); !slices.Equal(got, []float64{1, math.Inf(1), 2}) {
		t.Errorf("numbers: %v", got)
	}
}
