// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"reflect"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Decode reads an object's JSON. Whole numbers become int64, others float64.
func Decode(data []byte) (Object, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "reading an object: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, experiment.Errorf(experiment.CodeInvalid, "reading an object: something follows it")
	}
	return Object(numbers(m).(map[string]any)), nil
}

// numbers turns the numbers below v into what Object promises.
func numbers(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = numbers(x[k])
		}
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, err := x.Float64()
		if err != nil {
			return x.String() // Beyond what JSON numbers hold: no number for us.
		}
		return f
	}
	return v
}

// Copy copies what JSON is made of, deeply.
func Copy[T any](v T) T {
	out, _ := deep(any(v)).(T)
	return out
}

func deep(v any) any {
	switch x := v.(type) {
	case Object:
		return Object(deep(map[string]any(x)).(map[string]any))
	case map[string]any:
		if x == nil {
			return x
		}
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = deep(e)
		}
		return out
	case []any:
		if x == nil {
			return x
		}
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = deep(e)
		}
		return out
	}
	return v
}

// Equal reports whether two pieces of JSON say the same: 1 and 1.0 do.
func Equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch x := a.(type) {
	case Object:
		return Equal(map[string]any(x), b)
	case map[string]any:
		if o, ok := b.(Object); ok {
			b = map[string]any(o)
		}
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			e, ok := y[k]
			if !ok || !Equal(x[k], e) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case int:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// Int reads a whole number, however it is held.
func Int(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case int:
		return int64(x), true
	case float64:
		if x == math.Trunc(x) && math.Abs(x) <= maxWeight {
			return int64(x), true
		}
	}
	return 0, false
}

// At is the value below nested fields; nil where there is none.
func At(v any, fields ...string) any {
	for _, f := range fields {
		m := Map(v)
		if m == nil {
			return nil
		}
		v = m[f]
	}
	return v
}

// Map is v as an object's fields, or nil.
func Map(v any) map[string]any {
	switch x := v.(type) {
	case map[string]any:
		return x
	case Object:
		return x
	}
	return nil
}

// Text is the text below nested fields, or empty.
func Text(v any, fields ...string) string {
	s, _ := At(v, fields...).(string)
	return s
}

// List is the list of objects below nested fields. Anything else there is
// refused by its path; nothing there is an empty list.
func List(v any, fields ...string) ([]map[string]any, error) {
	at := At(v, fields...)
	if at == nil {
		return nil, nil
	}
	path := ""
	for _, f := range fields {
		path += "." + f
	}
	list, ok := at.([]any)
	if !ok {
		return nil, experiment.Errorf(experiment.CodeInvalid, "%s: not a list", path)
	}
	out := make([]map[string]any, len(list))
	for i, e := range list {
		if out[i] = Map(e); out[i] == nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "%s[%d]: not an object", path, i)
		}
	}
	return out, nil
}

// Plain is a list of objects as JSON holds it.
func Plain(list []map[string]any) []any {
	out := make([]any, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

// One is the only object of a router that has one; its spec must be there.
func One(objects []Object, kind string) (Object, error) {
	if len(objects) != 1 {
		return nil, experiment.Errorf(experiment.CodeInternal, "%d objects: want one %s", len(objects), kind)
	}
	if got := Text(objects[0], "kind"); got != kind {
		return nil, experiment.Errorf(experiment.CodeInvalid, "kind is %q: want %s", got, kind)
	}
	if Map(objects[0]["spec"]) == nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "%s %s: no .spec", kind, Text(objects[0], "metadata", "name"))
	}
	return objects[0], nil
}
