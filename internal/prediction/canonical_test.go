// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestClassIsCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`1`: "1", `1.0`: "1", `1.00e0`: "1", `10e-1`: "1", `0.1E+1`: "1", `-0`: "0", `-0.0`: "0", `0e5`: "0", `-1.50`: "-1.5",
		`1e3`: "1000", `1e20`: "100000000000000000000", `1e21`: "1e21", `12.5e21`: "1.25e22", `0.000001`: "0.000001", `1e-7`: "1e-7", `1.5e-7`: "1.5e-7",
		`9007199254740993`: "9007199254740993", `123456789.012345678901`: "123456789.012345678901", `1e99999999999`: "1e99999999999",
		`"cat"`: "cat", `"1.0"`: "1.0", `""`: "", `true`: "true", `false`: "false",
		`"a\u001fb\nc"`: "a b c",
	} {
		got, ok := Class(decoded(t, in))
		if !ok || got != want {
			t.Errorf("%s: %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{`null`, `[1]`, `{"a":1}`} {
		if got, ok := Class(decoded(t, in)); ok || got != "" {
			t.Errorf("%s: %q, %v, want none", in, got, ok)
		}
	}
	for in, want := range map[any]string{1.0: "1", 0.1: "0.1", 1e21: "1e21", 7: "7", big.NewInt(-8): "-8", math.Copysign(0, -1): "0"} {
		if got, ok := Class(in); !ok || got != want {
			t.Errorf("%v: %q, %v, want %q", in, got, ok, want)
		}
	}
}

func TestClassIsCutAtACharacter(t *testing.T) {
	for pad := range 5 {
		in := strings.Repeat("x", pad) + strings.Repeat("日", 40)
		got, _ := Class(in)
		if len(got) > experiment.MaxClass || len(got) < experiment.MaxClass-2 || !utf8.ValidString(got) || !strings.HasPrefix(in, got) {
			t.Errorf("%d: %q of %d bytes", pad, got, len(got))
		}
	}
	exact := strings.Repeat("y", experiment.MaxClass)
	if got, _ := Class(exact); got != exact {
		t.Errorf("%q was cut", got)
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		` {"b": [1.0, null, true], "a": {"y": "é", "x": "</\u0001\"\\"}} `: `{"a":{"x":"</\u0001\"\\","y":"é"},"b":[1,null,true]}`,
		`[]`: `[]`, `{}`: `{}`, `[0.50, 5e-1]`: `[0.5,0.5]`,
	} {
		got := string(Canonical(decoded(t, in)))
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		if again := string(Canonical(decoded(t, got))); again != got {
			t.Errorf("%s is not canonical: %s", got, again)
		}
	}
}

func TestSameNumber(t *testing.T) {
	for _, tc := range []struct {
		x, y any
		want bool
	}{
		{json.Number("1"), json.Number("1.0"), true},
		{json.Number("0.30"), 0.3, true},
		{json.Number("9007199254740993"), json.Number("9007199254740992"), false},
		{json.Number("1e400"), json.Number("10e399"), true},
		{json.Number("1e400"), json.Number("1e401"), false},
		{json.Number("7"), 7, true},
		{json.Number("7"), big.NewInt(7), true},
		{json.Number("1"), "1", false},
		{nil, nil, false},
	} {
		if got := SameNumber(tc.x, tc.y); got != tc.want || SameNumber(tc.y, tc.x) != tc.want {
			t.Errorf("%v and %v: %v", tc.x, tc.y, got)
		}
	}
}

func TestDecode(t *testing.T) {
	for in, want := range map[string]any{
		`{"a": 1.0}`:                       map[string]any{"a": json.Number("1.0")},
		` null `:                           nil,
		`[NaN, -Infinity,Infinity, -1]`:    []any{nil, nil, nil, json.Number("-1")},
		`{"NaN": NaN, "b": "\"NaN\\"}`:     map[string]any{"NaN": nil, "b": `"NaN\`},
		`["-Infinity", "I", "N", {}, NaN]`: []any{"-Infinity", "I", "N", map[string]any{}, nil},
	} {
		got, err := Decode([]byte(in))
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		``:                          "not JSON: it ends too early",
		`{"secret": `:               "not JSON: it ends too early",
		`{"a": secret}`:             "not JSON from byte 7 on",
		`{"a": 1} secret`:           "something follows the JSON value",
		`{} {}`:                     "something follows the JSON value",
		`[NaN`:                      "not JSON from byte 2 on",
		`[NaNNaN]`:                  "not JSON from byte 2 on",
		strings.Repeat("[", 20_000): "not JSON from byte 10001 on",
	} {
		if got, err := Decode([]byte(in)); err == nil || err.Error() != want || got != nil {
			t.Errorf("%.40s: %v, %v, want %s", in, got, err, want)
		}
	}
}
