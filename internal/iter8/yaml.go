// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node writes a value of the API as YAML, its fields in the order in which the API
// has them, and what is empty left out where the API leaves it out.
func node(v reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Pointer:
		return node(v.Elem())
	case reflect.Struct:
		out := &yaml.Node{Kind: yaml.MappingNode}
		members(v, out)
		return out
	case reflect.Map:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(stringKeys(v))) {
			out.Content = append(out.Content, scalar(key), node(v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key()))))
		}
		return out
	case reflect.Slice:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			out.Content = append(out.Content, node(v.Index(i)))
		}
		return out
	case reflect.String:
		return scalar(v.String())
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v.Interface())}
}

// stringKeys are the keys of a map of texts.
func stringKeys(v reflect.Value) map[string]bool {
	out := map[string]bool{}
	for _, k := range v.MapKeys() {
		out[k.String()] = true
	}
	return out
}

// members writes the fields of a struct, those of structs that stand inline in it
// among them.
func members(v reflect.Value, out *yaml.Node) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := v.Field(i)
		switch {
		case name == "" && f.Kind() == reflect.Struct:
			members(f, out)
		case options != "" && (f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0):
		default:
			out.Content = append(out.Content, scalar(name), node(f))
		}
	}
}

// scalar writes a text, in lines where it has some.
func scalar(s string) *yaml.Node {
	out := &yaml.Node{}
	out.SetString(s)
	if strings.Contains(s, "\n") {
		out.Style = yaml.LiteralStyle
	}
	return out
}

// comment writes lines above what stands at a path, or above the nearest that is
// there.
func comment(root *yaml.Node, path string, lines []string) {
	at, key := root, (*yaml.Node)(nil)
	for name := range strings.SplitSeq(path, ".") {
		next := -1
		for i := 0; at.Kind == yaml.MappingNode && i+1 < len(at.Content); i += 2 {
			if at.Content[i].Value == name {
				next = i
			}
		}
		if next < 0 {
			break
		}
		key, at = at.Content[next], at.Content[next+1]
	}
	if key == nil {
		key = root
	}
	var out []string
	for _, line := range lines {
		out = append(out, folded(line)...)
	}
	key.HeadComment = strings.TrimLeft(key.HeadComment+"\n"+strings.Join(out, "\n"), "\n")
}

// folded breaks a comment into lines of about eighty columns.
func folded(s string) []string {
	var out []string
	line := "#"
	for _, w := range strings.Fields(s) {
		if len(line)+1+len(w) > 80 && line != "#" {
			out = append(out, line)
			line = "#"
		}
		line += " " + w
	}
	return append(out, line)
}
