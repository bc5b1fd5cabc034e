// SPDX-License-Identifier: Apache-2.0

package jq

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValues(t *testing.T) {
	const answer = `{"items":[{"id":"a","p":0.5},{"id":"b","p":1}],"label":"cat","n":9007199254740993}`
	for expression, want := range map[string][]any{
		`.label`:                 {"cat"},
		`.items[].id`:            {"a", "b"},
		`[.items[].id]`:          {[]any{"a", "b"}},
		`.n`:                     {json.Number("9007199254740993")},
		`.items[0]`:              {map[string]any{"id": "a", "p": json.Number("0.5")}},
		`.missing`:               {nil},
		`empty`:                  nil,
		`.label == "cat"`:        {true},
		`.items|map(.p)|add`:     {1.5},
		`range(100)`:             {0, 1, 2},
		`1, 2, 3, error("late")`: {1, 2, 3},
	} {
		code, err := Compile(expression)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		got, err := code.Values(t.Context(), decoded(t, answer), 3)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s = %#v, %v, want %#v", expression, got, err, want)
		}
	}
}

func TestValuesSaysWhatFails(t *testing.T) {
	for expression, want := range map[string]error{
		`.label.x`:                            ErrNoValue,
		`1, error("secret")`:                  ErrNoValue,
		`reduce range(40) as $i (1; [., .])`:  ErrLarge,
		`reduce range(22) as $i ("x"; . + .)`: nil,
		`[reduce range(20) as $i ("x"; . + .)|range(9) as $i | .]`:             ErrLarge,
		`reduce range(22) as $i ({"a": 1}; {a: ., b: .})`:                      ErrLarge,
		`reduce range(12000) as $i (1; [.])`:                                   ErrLarge,
		`last(repeat(1))`:                                                      context.DeadlineExceeded,
		`def f: f; f`:                                                          context.DeadlineExceeded,
		`{("x" * 0 | tostring): 1}`:                                            ErrNoValue,
		`[range(300)] | {a: ., b: ., c: [., .]} | [.a, .b] | flatten | length`: nil,
	} {
		code, err := Compile(expression)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		within := time.Minute // A busy machine must not change the answer.
		if errors.Is(want, context.DeadlineExceeded) {
			within = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), within)
		if got, err := code.Values(ctx, decoded(t, `{"label":"cat"}`), 10); !errors.Is(err, want) || err != nil && got != nil {
			t.Errorf("%s: %v, want %v", expression, err, want)
		}
		cancel()
	}
}

func TestValuesLeavesTheValueAlone(t *testing.T) {
	value, before := decoded(t, `{"b":[3,1,2],"a":{"x":1.0}}`), decoded(t, `{"b":[3,1,2],"a":{"x":1.0}}`)
	for _, expression := range []string{`.b|sort`, `.b|map(. + 1)`, `to_entries`, `.a + {y: 2}`, `[..]`} {
		code, err := Compile(expression)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		if _, err := code.Values(t.Context(), value, 100); err != nil || !cmp.Equal(value, before) {
			t.Errorf("%s: %v, value %v, want %v", expression, err, value, before)
		}
	}
}
