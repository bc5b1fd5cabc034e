// SPDX-License-Identifier: Apache-2.0

package action

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// step is one step of a path: a key, or a place in a list.
type step struct {
	key   string
	index int
	list  bool
}

// parsePath reads a path such as .spec.http[0].route[1].weight; a key with dots
// is written .metadata.annotations["example.com/x"].
func parsePath(path string) ([]step, error) {
	var out []step
	rest := path
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, `["`):
			end := strings.Index(rest[2:], `"]`)
			if end < 0 {
				return nil, fmt.Errorf("path %q: a bracket is not closed", path)
			}
			out, rest = append(out, step{key: rest[2 : 2+end]}), rest[2+end+2:]
		case rest[0] == '[':
			inside, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(inside)
			if !ok || err != nil || n < 0 {
				return nil, fmt.Errorf("path %q: want a number from 0 in brackets", path)
			}
			out, rest = append(out, step{index: n, list: true}), after
		case rest[0] == '.' || len(out) == 0:
			key := strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(key, ".[")
			if end < 0 {
				end = len(key)
			}
			if end == 0 {
				return nil, fmt.Errorf("path %q: a key is empty", path)
			}
			out, rest = append(out, step{key: key[:end]}), key[end:]
		default:
			return nil, fmt.Errorf("path %q: want a dot or a bracket before %q", path, rest)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the path is empty: write .spec.replicas")
	}
	return out, nil
}

// setYAML sets the value at a path of a YAML file. Of several documents it is the
// only one that has something there, or could have. Where one scalar takes the
// place of another, every other byte stays as it is; else comments stay, and the
// documents are written anew.
func setYAML(text []byte, path, value string) ([]byte, error) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	wanted, err := one([]byte(value))
	if err != nil {
		return nil, fmt.Errorf("the value of %s: %w", path, err)
	}
	docs, err := documents(text)
	if err != nil {
		return nil, err
	}
	at, err := choose(docs, steps, path)
	if err != nil {
		return nil, err
	}
	parent, old := walk(docs[at], steps)
	if old != nil && same(old, wanted) {
		return text, nil
	}
	var place *yaml.Node
	if old != nil && old.Kind == yaml.ScalarNode && wanted.Kind == yaml.ScalarNode {
		copied := *old
		place = &copied
	}
	set(parent, old, steps[len(steps)-1], wanted)
	if place != nil {
		if out, ok := splice(text, place, value, docs); ok {
			return out, nil
		}
	}
	return rewritten(docs)
}

// one reads one YAML value.
func one(text []byte) (*yaml.Node, error) {
	docs, err := documents(text)
	switch {
	case err != nil:
		return nil, err
	case len(docs) != 1:
		return nil, fmt.Errorf("want one YAML value, not %d", len(docs))
	}
	return docs[0].Content[0], nil
}

func documents(text []byte) ([]*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var out []*yaml.Node
	for {
		var n yaml.Node
		err := d.Decode(&n)
		switch {
		case errors.Is(err, io.EOF) && len(out) == 0:
			return nil, errors.New("there is nothing in it")
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("it is no YAML: %w", err)
		case len(n.Content) == 1:
			out = append(out, &n)
		}
	}
}

// choose finds the document that a path is of.
func choose(docs []*yaml.Node, steps []step, path string) (int, error) {
	var have, could []int
	for i, d := range docs {
		parent, old := walk(d, steps)
		if old != nil {
			have = append(have, i)
		} else if parent != nil && !steps[len(steps)-1].list {
			could = append(could, i)
		}
	}
	switch {
	case len(have) == 1:
		return have[0], nil
	case len(have) == 0 && len(could) == 1:
		return could[0], nil
	case len(have)+len(could) == 0:
		return 0, fmt.Errorf("nothing stands at %s", path)
	}
	return 0, fmt.Errorf("%d documents have something at %s, or could: put them into files of their own", max(len(have), len(could)), path)
}

// walk follows a path. parent is what holds its last step, if it can; old what
// stands there. Aliases are not followed: what they stand for is elsewhere too.
func walk(doc *yaml.Node, steps []step) (parent, old *yaml.Node) {
	n := doc.Content[0]
	for i, s := range steps {
		var next *yaml.Node
		switch {
		case s.list && n.Kind == yaml.SequenceNode && s.index < len(n.Content):
			next = n.Content[s.index]
		case !s.list && n.Kind == yaml.MappingNode:
			for k := 0; k+1 < len(n.Content); k += 2 {
				if n.Content[k].Value == s.key {
					next = n.Content[k+1]
				}
			}
		default:
			return nil, nil
		}
		if i == len(steps)-1 {
			return n, next
		}
		if next == nil {
			return nil, nil
		}
		n = next
	}
	return nil, nil
}

// same says whether two nodes stand for the same value.
func same(a, b *yaml.Node) bool {
	var x, y any
	return a.Kind != yaml.AliasNode && a.Decode(&x) == nil && b.Decode(&y) == nil && reflect.DeepEqual(x, y)
}

// set puts a value in the place of an old one, whose comments it keeps, or behind
// the last key.
func set(parent, old *yaml.Node, s step, wanted *yaml.Node) {
	if old == nil {
		parent.Content = append(parent.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.key}, wanted)
		return
	}
	head, line, foot := old.HeadComment, old.LineComment, old.FootComment
	*old = *wanted
	old.HeadComment, old.LineComment, old.FootComment = head, line, foot
}

// splice replaces the text of a scalar, if the file then says what it should.
func splice(text []byte, old *yaml.Node, value string, want []*yaml.Node) ([]byte, bool) {
	value = strings.TrimSpace(value)
	if strings.ContainsAny(value, "\r\n") || old.Anchor != "" {
		return nil, false
	}
	start := 0
	for range old.Line - 1 {
		end := bytes.IndexByte(text[start:], '\n')
		if end < 0 {
			return nil, false
		}
		start += end + 1
	}
	for range old.Column - 1 { // Columns count characters.
		_, size := utf8.DecodeRune(text[start:])
		start += size
	}
	length := tokenOf(text[start:], old)
	if length < 1 {
		return nil, false
	}
	out := bytes.Join([][]byte{text[:start], []byte(value), text[start+length:]}, nil)
	docs, err := documents(out)
	return out, err == nil && equal(docs, want)
}

// tokenOf is the length of a scalar as it is written, or 0 where it is not on one
// line as a word or in quotes.
func tokenOf(text []byte, n *yaml.Node) int {
	switch {
	case n.Style == 0 && bytes.HasPrefix(text, []byte(n.Value)):
		return len(n.Value)
	case n.Style != yaml.SingleQuotedStyle && n.Style != yaml.DoubleQuotedStyle:
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && n.Style == yaml.DoubleQuotedStyle:
			i++
		case text[i] == '\'' && n.Style == yaml.SingleQuotedStyle && i+1 < len(text) && text[i+1] == '\'':
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return 0
}

func equal(a, b []*yaml.Node) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}

// rewritten writes documents anew.
func rewritten(docs []*yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	for _, d := range docs {
		if err := e.Encode(d); err != nil {
			return nil, fmt.Errorf("write it: %w", err)
		}
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("write it: %w", err)
	}
	return out.Bytes(), nil
}
