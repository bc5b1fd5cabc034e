// SPDX-License-Identifier: Apache-2.0

package jq

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func decoded(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNumber(t *testing.T) {
	const answer = `{"items":[{"id":9007199254740993,"premium":true},{"id":9007199254740992,"premium":false}],"score":"0.5","usage":{"tokens":12.5},"label":"cat"}`
	for expression, want := range map[string]float64{
		`[.items[]|select(.premium)]|length`:                       1,
		`.items|length`:                                            2,
		`.usage.tokens * 2`:                                        25,
		`def twice: . * 2; .usage.tokens|twice`:                    50 / 2,
		`[.items[].id]|unique|length`:                              2,
		`.score|tonumber`:                                          0.5,
		`if .label == "cat" then 1 else 0 end`:                     1,
		`.label|test("^c"; "i")|if . then 1 else 0 end`:            1,
		`[.label|splits("a")]|length`:                              2,
		`.label|gsub("a"; "xx")|length`:                            4,
		`reduce .items[] as $i (0; . + ($i.id % 2))`:               1,
		`[.items[]|to_entries[]]|length`:                           4,
		`.missing // 7`:                                            7,
		`.usage.tokens - 2.5 - 1`:                                  9,
		`.items[.items|length - 1].premium|if . then 1 else 0 end`: 0,
		`.label + "s" + null|length`:                               4,
		`1 + 2 * 3 - 4 / 2`:                                        5,
		`{a: 1} + {b: 2}|length`:                                   2,
		`[1] + [2]|add`:                                            3,
		`.usage["tokens"]`:                                         12.5,
		`.items[1:]|length`:                                        1,
		`-3`:                                                       -3,
	} {
		code, err := Compile(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		for range 2 { // It can be used again.
			got, err := code.Number(t.Context(), decoded(t, answer))
			if err != nil || got != want {
				t.Errorf("%s = %v, %v, want %v", expression, got, err, want)
			}
		}
	}
}

func TestWhatGivesNoNumberIsSaid(t *testing.T) {
	for expression, want := range map[string]error{
		`.label`:          ErrNoNumber,
		`.nothing`:        ErrNoNumber,
		`true`:            ErrNoNumber,
		`[1]`:             ErrNoNumber,
		`empty`:           ErrNoNumber,
		`error("secret")`: ErrNoNumber,
		`.label.x`:        ErrNoNumber,
		`nan`:             ErrNoNumber,
		`infinite`:        ErrNoNumber,
		`1e101`:           ErrNoNumber,
		`1, 2`:            ErrMany,
		`1, error("x")`:   ErrNoNumber,
		`reduce range(60) as $i ("x"; . + .)|length`: ErrNoNumber,
		`reduce range(60) as $i ([1]; . + .)|length`: ErrNoNumber,
		`.label - .label`:      ErrNoNumber,
		`[1,2] - [1]|length`:   ErrNoNumber,
		`[1,2][[1]]|length`:    ErrNoNumber,
		`.label * 1000`:        ErrNoNumber,
		`{a: 1} * {b: 2}`:      ErrNoNumber,
		`def f: f; f`:          context.DeadlineExceeded,
		`last(repeat(1))`:      context.DeadlineExceeded,
		`[range(1e12)]|length`: context.DeadlineExceeded,
	} {
		code, err := Compile(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		within := time.Minute // A busy machine must not change the answer.
		if errors.Is(want, context.DeadlineExceeded) {
			within = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), within)
		if got, err := code.Number(ctx, decoded(t, `{"label":"cat"}`)); !errors.Is(err, want) || got != 0 {
			t.Errorf("%s = %v, %v, want %v", expression, got, err, want)
		}
		cancel()
	}
}

func TestCompileRefuses(t *testing.T) {
	for expression, hint := range map[string]string{
		``:                               "try it with jq on an answer of the model",
		`now`:                            sameAgain,
		`.a | now - .b`:                  sameAgain,
		`$ENV.HOME`:                      sameAgain,
		`[env]|length`:                   sameAgain,
		`input`:                          sameAgain,
		`[inputs]|length`:                sameAgain,
		`def now: 1; now`:                sameAgain,
		`.[input_line_number]`:           sameAgain,
		`{a: now}.a`:                     sameAgain,
		`"\(now)"|length`:                sameAgain,
		`. as {a: [$x]} | localtime`:     sameAgain,
		`.a = 1`:                         readsOnly,
		`.n += 1 | .n`:                   readsOnly,
		`.s *= 1000000`:                  readsOnly,
		`setpath([5e8]; 1)|length`:       readsOnly,
		`pick(.[500000000])|length`:      readsOnly,
		`.a|contains(["x"])|length`:      oneByOne,
		`.a|index(.b)`:                   oneByOne,
		`jn(2000000000; 0.5)`:            "it takes as many steps as its first argument says",
		`import "x" as x; x::f`:          "write the function out",
		`include "x"; f`:                 "write the function out",
		`.a|test(.b)|length`:             plainTexts,
		`.a|test("\(.b)")|length`:        plainTexts,
		`.a|gsub("x"; "y"; .f)|length`:   plainTexts,
		`.a|split(.b; null)|length`:      plainTexts,
		`.a|`:                            "try it with jq on an answer of the model",
		`.a ]`:                           "try it with jq on an answer of the model",
		`unknown`:                        "try it with jq on an answer of the model",
		`$x`:                             "try it with jq on an answer of the model",
		strings.Repeat(".", MaxLength+1): "have the model answer with the number",
	} {
		_, err := Compile(expression)
		refused, ok := errors.AsType[*Error](err)
		if !ok || refused.Hint != hint || refused.Message == "" {
			t.Errorf("%.40s: %v (hint %q), want hint %q", expression, err, hintOf(refused), hint)
		}
	}
}

func hintOf(e *Error) string {
	if e == nil {
		return ""
	}
	return e.Hint
}

// FuzzCompile looks for expressions that break the compiler, run beyond their
// time, or give what no number is.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`[.items[]|select(.premium)]|length`, `.a * 2`, `def f(x): x * x; f(.a)`, `reduce .[] as [$a, {b: $c}] (0; . + $a * $c)`,
		`label $out | foreach .[] as $x (0; . + $x; if . > 3 then ., break $out else empty end)`, `try error catch 1`, `"\(1 * 2)"|length`,
		`.a?.b?[1:2]`, `@base64 "x\(.a)"|length`, `limit(3; repeat(1))`, `-(.a * .b)`, `.. | numbers`, `test("a{1000}{1000}")`, `{(.a|tostring): 1}|length`, `if . then 1 elif 2 then 3 end`,
	} {
		f.Add(seed, `{"a":1.5,"b":[1,"x",null],"items":[{"premium":true}]}`)
	}
	f.Fuzz(func(t *testing.T, expression, value string) {
		code, err := Compile(expression)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%q: %v is no refusal", expression, err)
			}
			return
		}
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if n, err := code.Number(ctx, v); math.IsNaN(n) || math.Abs(n) > MaxNumber || err != nil && n != 0 {
			t.Fatalf("%q of %q = %v, %v", expression, value, n, err)
		}
	})
}
