// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/suggest"
)

// Bounds of what is read at all. Real experiments have a few kilobytes and some
// hundred values; aliases of aliases could make billions out of a small file.
const (
	maxFile   = 1 << 20
	maxValues = 5_000
)

// decoder fills API structs from a YAML document, strictly: what it does not
// know it names, with the line and the nearest name it does know.
type decoder struct {
	lines    map[string]int  // by path
	nulls    map[string]bool // paths that hold nothing
	broken   []string        // paths that could not be read
	values   int
	problems Problems
	metrics  []*reusable // those of the file's other documents
}

func newDecoder() *decoder { return &decoder{lines: map[string]int{}, nulls: map[string]bool{}} }

// decode reads one experiment from YAML or JSON. The lines of its fields go
// with it, so that later problems can name theirs. The experiment is nil if
// nothing sensible can be said about its content.
func decode(data []byte) (*v1alpha1.Experiment, *decoder) {
	d := newDecoder()
	roots := d.documents(data)
	if len(roots) == 0 {
		return nil, d
	}
	if len(roots) > 1 {
		metrics, others := apart(roots)
		if len(others) != 1 {
			d.add("", more(roots, others).Line, "", "the file has more than one document", "put each experiment into a file of its own; only reusable metrics, kind: Metric, may stand beside it")
			return nil, d
		}
		roots, d.metrics = others, reusables(metrics)
	}
	e := new(v1alpha1.Experiment)
	if !d.read(roots[0], reflect.ValueOf(e).Elem()) {
		return nil, d
	}
	return e, d
}

// more is the first document that is one too many.
func more(roots, others []*yaml.Node) *yaml.Node {
	if len(others) > 1 {
		return others[1]
	}
	return roots[1]
}

// documents parses a file; none if it says nothing that can be read.
func (d *decoder) documents(data []byte) []*yaml.Node {
	if len(data) > maxFile {
		d.add("", 0, fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("the file is larger than %d bytes", maxFile), "an experiment is a few kilobytes; is this the right file?")
		return nil
	}
	roots, err := parse(data)
	switch {
	case err != nil:
		d.notYAML(data, err)
	case len(roots) == 0:
		d.add("", 0, "", "the file is empty", "")
	}
	return roots
}

// read decodes a document; false if nothing sensible can be said about it.
func (d *decoder) read(root *yaml.Node, v reflect.Value) bool {
	d.value(root, v, "")
	if d.values > maxValues {
		d.problems = nil
		d.add("", 0, "", fmt.Sprintf("more than %d values", maxValues), "an experiment has some hundred, aliases written out")
		return false
	}
	return !slices.Contains(d.broken, "")
}

func (d *decoder) add(path string, line int, value, message, hint string) {
	d.problems = append(d.problems, Problem{Path: path, Line: line, Value: value, Message: message, Hint: hint})
}

// unread reports a path whose value is lost, so that nothing more is said about
// what follows from that.
func (d *decoder) unread(path string, line int, value, message, hint string) {
	d.broken = append(d.broken, path)
	d.add(path, line, value, message, hint)
}

// given says whether a field is in the file: a zero that somebody wrote is not
// the same as none.
func (d *decoder) given(path string) bool {
	_, ok := d.lines[path]
	return ok && !d.nulls[path]
}

// value decodes a node into v. Null is a field that is not given.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.values += 1 + len(n.Content); d.values > maxValues {
		return
	}
	d.lines[path] = n.Line
	if n.Style&yaml.TaggedStyle != 0 && (n.Kind != yaml.ScalarNode || n.Tag != "!!str") {
		d.unread(path, n.Line, quote(n.Tag), "tags are not read", "leave it out")
		return
	}
	if n.Tag == "!!null" {
		d.nulls[path] = true
		return
	}
	if short := shortOf(n, v); short.IsValid() {
		d.value(n, short, path)
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

// shortOf gives what a short form stands for: groups without a word are those
// to include, and a name alone is a list of one.
func shortOf(n *yaml.Node, v reflect.Value) reflect.Value {
	switch v.Type() {
	case reflect.TypeFor[v1alpha1.Groups]():
		if n.Kind != yaml.MappingNode {
			return v.FieldByName("In")
		}
	case reflect.TypeFor[v1alpha1.Names]():
		if n.Kind == yaml.ScalarNode {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			return v.Index(0)
		}
	}
	return reflect.Value{}
}

// entry is one key of a mapping and what stands behind it.
type entry struct {
	key   string
	path  string
	line  int
	value *yaml.Node
}

// entries lists the keys of a mapping and reports those that are no names, or
// there twice.
func (d *decoder) entries(n *yaml.Node, path string) []entry {
	var out []entry
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		line := key.Line
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		at := join(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode:
			d.unread(path, line, "", "a field's name is a list or fields", "")
		case key.Tag == "!!merge":
			d.broken = append(d.broken, path) // What is missing stands in there.
			d.add(at, line, "", "merge keys are not read", "write the fields out")
		case seen[key.Value]:
			d.unread(at, line, "", "given twice", "")
		default:
			seen[key.Value] = true
			out = append(out, entry{key.Value, at, line, n.Content[i+1]})
		}
	}
	return out
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "fields", "known here: "+strings.Join(fieldsOf(v.Type()), ", "))
		return
	}
	members := membersOf(v.Type())
	for _, e := range d.entries(n, path) {
		if i := slices.IndexFunc(members, func(m member) bool { return m.name == e.key }); i >= 0 {
			d.value(e.value, v.FieldByIndex(members[i].index), e.path)
			continue
		}
		if slices.Contains(kept(v.Type()), e.key) {
			continue
		}
		fields := fieldsOf(v.Type())
		d.unread(e.path, e.line, "", "unknown field", nearest(e.key, fields))
		if meant := suggest.Closest(e.key, fields); meant != "" {
			d.broken = append(d.broken, join(path, meant)) // Not missing, but mistyped.
		}
	}
}

// kept are the fields that the API server and its tools keep in an object beside
// what people say of the experiment. An object can be read as kubectl gives it.
func kept(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[v1alpha1.Experiment]():
		return []string{"status"}
	case reflect.TypeFor[v1alpha1.Metadata]():
		return []string{
			"annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName",
			"generation", "labels", "managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid",
		}
	}
	return nil
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "names with values", "")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, path) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, item, e.path)
		v.SetMapIndex(reflect.ValueOf(e.key), item)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, path, "a list", "")
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
		d.wrong(n, path, "a single value", "")
		return
	}
	number := n.Tag == "!!int" || n.Tag == "!!float"
	switch {
	case v.Kind() == reflect.Bool:
		if b, err := strconv.ParseBool(n.Value); err == nil && n.Tag == "!!bool" {
			v.SetBool(b)
			return
		}
		d.wrong(n, path, "true or false", "")
	case v.Kind() == reflect.Int64:
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil && n.Tag == "!!int" {
			v.SetInt(i)
			return
		}
		d.wrong(n, path, "a whole number", "digits only, without quotes or unit")
	case n.Tag == "!!str", number && v.Type() == reflect.TypeFor[v1alpha1.Quantity]():
		v.SetString(n.Value)
	case v.Type() == reflect.TypeFor[v1alpha1.Quantity]():
		d.wrong(n, path, "a number", numberHint)
	case v.Type() == reflect.TypeFor[v1alpha1.Duration]():
		d.wrong(n, path, "a duration with its unit", durationHint)
	default:
		d.wrong(n, path, "a string", "put it in quotes")
	}
}

func (d *decoder) wrong(n *yaml.Node, path, want, hint string) {
	got := "a list"
	switch n.Kind {
	case yaml.ScalarNode:
		got = quote(n.Value)
	case yaml.MappingNode:
		got = "fields"
	}
	d.unread(path, n.Line, got, "want "+want, hint)
}

// join appends a name to a path. A name that nobody would give is quoted and
// cut: it may hold anything.
func join(path, name string) string {
	if len(name) > maxName || !printable(name) {
		name = quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// member is a field of a struct, perhaps of one that stands inline in it.
type member struct {
	name  string // in JSON
	index []int
	of    reflect.Type
}

// membersOf lists the fields of a struct, in order.
func membersOf(t reflect.Type) []member {
	out := make([]member, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, m := range membersOf(f.Type) {
				out = append(out, member{m.name, append([]int{i}, m.index...), m.of})
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, member{name, f.Index, f.Type})
	}
	return out
}

// fieldsOf lists the JSON names of a struct's fields, in order.
func fieldsOf(t reflect.Type) []string {
	var names []string
	for _, m := range membersOf(t) {
		names = append(names, m.name)
	}
	return names
}
