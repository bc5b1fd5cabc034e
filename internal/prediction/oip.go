// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// tensor is an output or an input of the Open Inference Protocol, or a tensor of
// Seldon's.
type tensor struct {
	name, datatype string
	content        string // The parameter content_type.
	rows, width    int    // The first dimension, and the product of the others.
	matrix         bool   // More than one of the others is greater than 1.
	data           []any  // As many as rows and width say; nil where it is in binary.
}

// maxProduct bounds what a shape may say; no body holds so many values.
const maxProduct = 1 << 40

// newTensor reads a shape and its data, which may be nested. It is false where
// they do not agree.
func newTensor(datatype string, shape, data any) (*tensor, bool) {
	t := &tensor{datatype: datatype, rows: 1, width: 1}
	dimensions, ok := shape.([]any)
	if !ok {
		return nil, false
	}
	wide := 0
	for i, v := range dimensions {
		n, ok := dimension(v)
		switch {
		case !ok || max(1, t.rows)*max(1, t.width) > maxProduct/max(1, n):
			return nil, false
		case i == 0:
			t.rows = n
			continue
		case n > 1:
			wide++
		}
		t.width *= n
	}
	t.matrix = wide > 1
	if t.data, ok = data.([]any); !ok {
		return t, data == nil
	}
	if len(t.data) != t.rows*t.width || slices.ContainsFunc(t.data, isList) {
		depth := len(dimensions) + 1
		if leaves(t.data, depth) != t.rows*t.width {
			return nil, false
		}
		t.data = flat(make([]any, 0, t.rows*t.width), t.data, depth)
	}
	return t, true
}

func dimension(v any) (int, bool) {
	s, _ := v.(json.Number)
	n, err := strconv.Atoi(string(s))
	return n, err == nil && n >= 0 && n <= maxProduct
}

// row is one row of the data.
func (t *tensor) row(i int) []any { return t.data[i*t.width : (i+1)*t.width] }

// readOIP reads an answer of the Open Inference Protocol v2. The outputs that
// have as many rows as the first one with data are parts of the same
// predictions.
func readOIP(body any) Reading {
	m, _ := body.(map[string]any)
	list, ok := m["outputs"].([]any)
	if text, generated := m["text_output"]; generated && !ok {
		return readOne(map[string]any{"text_output": text}, readValue)
	}
	if !ok || m["error"] != nil {
		return Reading{Found: Invalid}
	}
	var outputs []*tensor
	for _, v := range list {
		t, ok := outputOf(v)
		if !ok {
			return Reading{Found: Invalid}
		}
		if t.data != nil && (len(outputs) == 0 || outputs[0].rows == t.rows) {
			outputs = append(outputs, t)
		}
	}
	switch {
	case len(outputs) > 0:
		return readOutputs(outputs)
	case len(list) > 0:
		return Reading{} // Everything is in binary.
	default:
		return Reading{Found: Empty}
	}
}

// outputOf reads one output. Without data it must say that they follow in
// binary.
func outputOf(v any) (*tensor, bool) {
	m, _ := v.(map[string]any)
	name, named := m["name"].(string)
	datatype, typed := m["datatype"].(string)
	if !named || !typed {
		return nil, false
	}
	t, ok := newTensor(datatype, m["shape"], m["data"])
	if !ok {
		return nil, false
	}
	parameters, _ := m["parameters"].(map[string]any)
	t.name = name
	t.content, _ = parameters["content_type"].(string)
	return t, t.data != nil || parameters["binary_data_size"] != nil
}

func readOutputs(outputs []*tensor) Reading {
	if slices.ContainsFunc(outputs, func(t *tensor) bool { return len(t.data) == 0 }) {
		return Reading{Found: Empty}
	}
	valid := true
	out := readRows(outputs[0].rows, func(b *rowBuilder, i int) {
		b.void = true
		for _, t := range outputs {
			if t.width == 1 || b.take(t.width) {
				valid = b.output(t, t.row(i)) && valid
			}
		}
	})
	if !valid {
		return Reading{Found: Invalid}
	}
	return out
}

// output reads one row of one output, after those before it. It is false where
// the data is not of the data type.
func (b *rowBuilder) output(t *tensor, row []any) bool {
	switch {
	case t.datatype == "BYTES":
		return b.outputTexts(t, row)
	case t.datatype == "BOOL":
		b.void = false
		return t.width > 1 || b.outputBool(row[0])
	case strings.HasPrefix(t.datatype, "INT"), strings.HasPrefix(t.datatype, "UINT"):
		b.void = false
		return b.outputWhole(row)
	case strings.HasPrefix(t.datatype, "FP"), t.datatype == "BF16":
		b.void = false
		return b.outputFloats(t, row)
	default:
		return false
	}
}

func (b *rowBuilder) outputTexts(t *tensor, row []any) bool {
	for _, v := range row {
		if _, text := v.(string); !text && v != nil {
			return false
		}
		b.null = b.null || v == nil
		b.void = b.void && v == ""
	}
	s, _ := row[0].(string)
	switch {
	case t.width > 1:
		if b.Ranking == nil {
			b.Ranking = scalars(row)
		}
	case strings.HasPrefix(t.content, "hg_json"):
		if v, err := Decode([]byte(s)); err == nil {
			b.value(v, maxNesting)
		}
	case slices.Contains(textNames, t.name):
		b.Text = s
	case b.Class == "" || b.hasSoft:
		b.Class, b.Text = classOf(s), s
	}
	return true
}

func (b *rowBuilder) outputBool(v any) bool {
	is, ok := v.(bool)
	switch {
	case ok && b.Class == "":
		b.Class = strconv.FormatBool(is)
	case v == nil:
		b.null = true
	}
	return ok || v == nil
}

// outputWhole reads whole numbers: a class, which is a score too if there is no
// other, or ranked ids.
func (b *rowBuilder) outputWhole(row []any) bool {
	for _, v := range row {
		_, found := numberOf(v)
		if found == noNumber {
			return false
		}
		b.null = b.null || found == nullNumber
	}
	switch {
	case len(row) > 1:
		if b.Ranking == nil {
			b.Ranking = scalars(row)
		}
	case b.Class == "" && row[0] != nil:
		b.Class, _ = Class(row[0])
		b.soft, _ = numberOf(row[0])
		b.hasSoft = true
	}
	return true
}

// outputFloats reads scores, of which the first vector and the first number
// count.
func (b *rowBuilder) outputFloats(t *tensor, row []any) bool {
	for _, v := range row {
		if _, found := numberOf(v); found == noNumber {
			return false
		} else if found == nullNumber {
			b.null = true
		}
	}
	switch x, found := numberOf(row[0]); {
	case t.width > 1:
		if b.Scores == nil {
			b.plain = t.matrix
			b.vector(row)
		}
	case found == aNumber && !b.HasScore:
		b.Score, b.HasScore = x, true
	}
	return true
}
