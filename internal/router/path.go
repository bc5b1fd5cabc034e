// SPDX-License-Identifier: Apache-2.0

package router

import (
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Path leads from an object's root to one field. A step is the name of a field,
// or the index in a list in decimal.
type Path []string

// maxPath bounds the length of a path's text and with it the steps.
const maxPath = 512

// ParsePath reads the part of JSONPath that names one field:
// ".spec.http[0].route[1].weight", with names that hold dots in quotes:
// ".metadata.annotations['example.org/weight']". A leading $ and braces around
// all of it are allowed, as kubectl writes them.
func ParsePath(text string) (Path, error) {
	bad := func(at int, what string) error {
		return experiment.Errorf(experiment.CodeInvalid, "path %q: %s at character %d", text, what, at+1).
			WithHint("write one field from the object's root, for example .spec.traffic[1].percent or .metadata.annotations['example.org/weight']")
	}
	if len(text) > maxPath {
		return nil, experiment.Errorf(experiment.CodeInvalid, "path of %d characters: want at most %d", len(text), maxPath)
	}
	s, at := text, 0
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s, at = s[1:len(s)-1], 1
	}
	if rest, ok := strings.CutPrefix(s, "$"); ok {
		s, at = rest, at+1
	}
	var out Path
	for s != "" {
		step, n, what := pathStep(s)
		if what != "" {
			return nil, bad(at, what)
		}
		out, s, at = append(out, step), s[n:], at+n
	}
	if len(out) == 0 {
		return nil, bad(at, "names no field")
	}
	if isIndex(out[0]) {
		return nil, bad(0, "an object is no list")
	}
	return out, nil
}

// pathStep reads one step of length n from the front of s; what says what is
// wrong with it.
func pathStep(s string) (step string, n int, what string) {
	switch {
	case strings.HasPrefix(s, "['") || strings.HasPrefix(s, `["`):
		end := strings.Index(s[2:], s[1:2]+"]")
		if end < 0 {
			return "", 0, "quote is not closed"
		}
		step, n = s[2:2+end], end+4
		if step == "" {
			return "", 0, "empty name"
		}
		if strings.ContainsAny(step, `'"\`) {
			return "", 0, "quotes and backslashes in names are not known here"
		}
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, "bracket is not closed"
		}
		step, n = s[1:end], end+1
		if !isIndex(step) {
			return "", 0, "want an index such as [0] or a name in quotes"
		}
	case strings.HasPrefix(s, "."):
		n = 1
		for n < len(s) && s[n] != '.' && s[n] != '[' {
			n++
		}
		step = s[1:n]
		if step == "" || strings.ContainsAny(step, " \t\r\n*?@()'\"\\]{}$,:") {
			return "", 0, "want the name of a field"
		}
		if isIndex(step) {
			return "", 0, "an index stands in brackets"
		}
	default:
		return "", 0, "want a dot or a bracket"
	}
	return step, n, ""
}

// isIndex says whether a step is an index as it is written, at most 65535.
func isIndex(step string) bool {
	i, err := strconv.ParseUint(step, 10, 16)
	return err == nil && strconv.FormatUint(i, 10) == step
}

// Pointer is the path as JSON pointer (RFC 6901).
func (p Path) Pointer() string {
	var b strings.Builder
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for _, step := range p {
		b.WriteByte('/')
		b.WriteString(escape.Replace(step))
	}
	return b.String()
}

// Field is the value at the path, and whether it is there. What it would stand
// in must be there: the error names the first step that is not.
func (p Path) Field(o Object) (v any, ok bool, err error) {
	v = map[string]any(o)
	for i, step := range p {
		last := i == len(p)-1
		switch x := v.(type) {
		case map[string]any:
			if v, ok = x[step]; ok || last {
				continue
			}
		case []any:
			// A list has no fields to be created: it must be long enough.
			if k, err := strconv.Atoi(step); err == nil && k < len(x) {
				v, ok = x[k], true
				continue
			}
		}
		return nil, false, experiment.Errorf(experiment.CodeNotFound, "%s: %s is not there", p, p[:i+1]).
			WithHint("look the path up in the object as the cluster has it; a list may have changed")
	}
	return v, ok && v != nil, nil
}

// Set puts a value at the path of an object that Field finds the way in.
func (p Path) Set(o Object, value any) error {
	if _, _, err := p.Field(o); err != nil {
		return err
	}
	var v any = map[string]any(o)
	for _, step := range p[:len(p)-1] {
		if list, ok := v.([]any); ok {
			k, _ := strconv.Atoi(step)
			v = list[k]
			continue
		}
		v = Map(v)[step]
	}
	last := p[len(p)-1]
	if list, ok := v.([]any); ok {
		k, _ := strconv.Atoi(last)
		list[k] = value
		return nil
	}
	Map(v)[last] = value
	return nil
}

// String writes the path as ParsePath reads it.
func (p Path) String() string {
	var b strings.Builder
	for _, step := range p {
		switch {
		case isIndex(step):
			b.WriteString("[" + step + "]")
		case strings.ContainsAny(step, ".[]/ \t\r\n*?@(){}$,:"):
			b.WriteString("['" + step + "']")
		default:
			b.WriteString("." + step)
		}
	}
	return b.String()
}

// Pointed is the value that a JSON pointer leads to; nil where there is none.
func Pointed(o Object, pointer string) any {
	var v any = map[string]any(o)
	if pointer == "" {
		return v
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = unescape.Replace(step)
		if list, ok := v.([]any); ok {
			k, err := strconv.Atoi(step)
			if err != nil || k < 0 || k >= len(list) {
				return nil
			}
			v = list[k]
			continue
		}
		v = At(v, step)
	}
	return v
}
