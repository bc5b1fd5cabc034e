// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// maxFile bounds an experiment file; real ones are a few kilobytes.
const maxFile = 1 << 20

// decoder fills API structs from a YAML document, strictly: what it does not
// know it names, with the line and the nearest name it does know.
type decoder struct {
	lines    map[string]int
	problems Problems
}

// Decode reads one experiment from YAML or JSON. The lines of its fields go
// with it, so that later problems can name theirs.
func decode(data []byte) (*v1alpha1.Experiment, *decoder) {
	d := &decoder{lines: map[string]int{}}
	if len(data) > maxFile {
		d.add("", 0, fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("the file is larger than %d bytes", maxFile), "an experiment is a few kilobytes; is this the right file?")
		return nil, d
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		d.add("", 0, "", "not YAML: "+strings.TrimPrefix(err.Error(), "yaml: "), "")
		return nil, d
	}
	if err := dec.Decode(&more); err == nil {
		d.add("", more.Line, "", "the file has more than one document", "put each experiment into a file of its own")
		return nil, d
	}
	e := new(v1alpha1.Experiment)
	d.value(doc.Content[0], reflect.ValueOf(e).Elem(), "")
	return e, d
}

func (d *decoder) add(path string, line int, value, message, hint string) {
	d.problems = append(d.problems, Problem{Path: path, Line: line, Value: value, Message: message, Hint: hint})
}

// value decodes a node into v.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.lines[path] = n.Line
	if n.Tag == "!!null" {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "fields")
		return
	}
	fields := fieldsOf(v.Type())
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := join(path, key.Value)
		index := slices.Index(fields, key.Value)
		switch {
		case index < 0:
			d.add(at, key.Line, "", "unknown field", nearest(key.Value, fields))
		case seen[key.Value]:
			d.add(at, key.Line, "", "the field is given twice", "")
		default:
			seen[key.Value] = true
			d.value(n.Content[i+1], v.Field(index), at)
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "names with values")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := join(path, key.Value)
		if v.MapIndex(reflect.ValueOf(key.Value)).IsValid() {
			d.add(at, key.Line, "", "the name is given twice", "")
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(n.Content[i+1], item, at)
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, path, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// scalar decodes strings, whole numbers and booleans. Quantities take numbers
// too; other strings do not, because "name: 1e3" is seldom what was meant.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, path, "a single value")
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		if b, err := strconv.ParseBool(n.Value); err == nil && n.Tag == "!!bool" {
			v.SetBool(b)
			return
		}
		d.wrong(n, path, "true or false")
	case reflect.Int64:
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil && n.Tag == "!!int" {
			v.SetInt(i)
			return
		}
		d.wrong(n, path, "a whole number")
	default:
		number := n.Tag == "!!int" || n.Tag == "!!float"
		if n.Tag != "!!str" && !(number && v.Type() == reflect.TypeFor[v1alpha1.Quantity]()) {
			d.wrong(n, path, "a string")
			return
		}
		v.SetString(n.Value)
	}
}

func (d *decoder) wrong(n *yaml.Node, path, want string) {
	got := "a list"
	switch n.Kind {
	case yaml.ScalarNode:
		got = strconv.Quote(clip(n.Value))
	case yaml.MappingNode:
		got = "fields"
	}
	d.add(path, n.Line, got, "want "+want, "")
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fieldsOf lists the JSON names of a struct's fields, in order.
func fieldsOf(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

// nearest suggests the closest of the known names, or lists them.
func nearest(name string, known []string) string {
	best := slices.MinFunc(known, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	if distance(name, best) <= max(1, len(name)/3) {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "known here: " + strings.Join(known, ", ")
}

// distance is the Levenshtein distance of two names, ignoring case.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// finite parses a number and refuses NaN and infinities.
func finite(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}
