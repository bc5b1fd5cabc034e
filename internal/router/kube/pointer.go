// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"
	"strconv"
	"strings"
)

// split gives the tokens of a JSON pointer (RFC 6901).
func split(pointer string) []string {
	if pointer == "" {
		return nil
	}
	tokens := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, t := range tokens {
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens
}

// join makes a JSON pointer of tokens.
func join(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}

// position reads a token as an index of a list.
func position(token string) (int, bool) {
	i, err := strconv.Atoi(token)
	return i, err == nil && i >= 0 && strconv.Itoa(i) == token
}

// child is one step down.
func child(doc any, token string) (any, bool) {
	switch d := doc.(type) {
	case map[string]any:
		v, ok := d[token]
		return v, ok
	case []any:
		if i, ok := position(token); ok && i < len(d) {
			return d[i], true
		}
	}
	return nil, false
}

// lookup finds a subtree.
func lookup(doc any, tokens []string) (any, bool) {
	ok := true
	for _, t := range tokens {
		if doc, ok = child(doc, t); !ok {
			return nil, false
		}
	}
	return doc, true
}

// depth is how many of the tokens lead somewhere.
func depth(doc any, tokens []string) int {
	for i, t := range tokens {
		var ok bool
		if doc, ok = child(doc, t); !ok {
			return i
		}
	}
	return len(tokens)
}

// listElement is how many tokens lead to the outermost element of a list on the
// way, or 0 where there is no list.
func listElement(doc any, tokens []string) int {
	for i, t := range tokens {
		if _, list := doc.([]any); list {
			return i + 1
		}
		var ok bool
		if doc, ok = child(doc, t); !ok {
			return 0
		}
	}
	return 0
}

// put sets a subtree whose parent exists and gives the changed document; an
// index just behind a list's end appends.
func put(doc any, tokens []string, value any) any {
	if len(tokens) == 0 {
		return value
	}
	switch d := doc.(type) {
	case map[string]any:
		if sub, ok := d[tokens[0]]; ok || len(tokens) == 1 {
			d[tokens[0]] = put(sub, tokens[1:], value)
		}
	case []any:
		switch i, ok := position(tokens[0]); {
		case ok && i < len(d):
			d[i] = put(d[i], tokens[1:], value)
		case ok && i == len(d) && len(tokens) == 1:
			return append(d, value)
		}
	}
	return doc
}

// drop removes a subtree and gives the changed document.
func drop(doc any, tokens []string) any {
	if len(tokens) == 0 {
		return nil
	}
	last := len(tokens) == 1
	switch d := doc.(type) {
	case map[string]any:
		sub, ok := d[tokens[0]]
		switch {
		case last:
			delete(d, tokens[0])
		case ok:
			d[tokens[0]] = drop(sub, tokens[1:])
		}
	case []any:
		switch i, ok := position(tokens[0]); {
		case !ok || i >= len(d):
		case last:
			return slices.Delete(d, i, i+1)
		default:
			d[i] = drop(d[i], tokens[1:])
		}
	}
	return doc
}
