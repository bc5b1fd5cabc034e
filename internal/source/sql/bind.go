// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// query is a metric's query, as both databases want it.
type query struct {
	text string // with :from and :to
	// numbered has ($1::timestamptz) and the like in their places; names are
	// which of them $1 and $2 are.
	numbered string
	names    []string
}

// prepare finds :from and :to in a query: outside of texts, quoted names and
// comments. Where there are windows both must be there: without one a row would
// count in several.
func prepare(text string, windows bool) (*query, error) {
	var out strings.Builder
	var names []string
	for i := 0; i < len(text); {
		if n := opaque(text[i:]); n > 0 {
			out.WriteString(text[i : i+n])
			i += n
			continue
		}
		name := parameter(text[i:])
		switch {
		case strings.HasPrefix(text[i:], "::"):
			out.WriteString("::")
			i += 2
		case name == "from" || name == "to":
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			// In parentheses it stays one thing, whatever stands around it.
			fmt.Fprintf(&out, "($%d::timestamptz)", 1+slices.Index(names, name))
			i += 1 + len(name)
		case name != "":
			return nil, invalid("the query has a parameter :%s", name).WithHint("there are :from and :to, the ends of a window")
		default:
			out.WriteByte(text[i])
			i++
		}
	}
	for _, name := range []string{"from", "to"} {
		if windows && !slices.Contains(names, name) {
			return nil, invalid("the query does not use :%s", name).WithHint("for example WHERE at >= :from AND at < :to")
		}
	}
	return &query{text: text, numbered: out.String(), names: names}, nil
}

// arguments are the values of $1 and $2.
func (q *query) arguments(from, to time.Time) []any {
	var out []any
	for _, name := range q.names {
		if name == "from" {
			out = append(out, from)
		} else {
			out = append(out, to)
		}
	}
	return out
}

// parameter is the name after a colon, or nothing.
func parameter(s string) string {
	if len(s) < 2 || s[0] != ':' || !letter(s[1]) {
		return ""
	}
	n := 2
	for n < len(s) && (letter(s[n]) || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return s[1:n]
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// opaque is the length of the text, quoted name or comment that s begins with,
// or 0. One that does not end reaches to the end: the database will say so.
func opaque(s string) int {
	switch c := s[0]; {
	case c == '\'' || c == '"':
		return quoted(s, c, false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(s[1:], "'"):
		return 1 + quoted(s[1:], '\'', true)
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return n
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		if n := strings.Index(s[2:], "*/"); n >= 0 {
			return n + 4
		}
		return len(s)
	case c == '$':
		return dollar(s)
	case letter(c): // A name is one thing, so that its e does not begin a text.
		n := 1
		for n < len(s) && (letter(s[n]) || s[n] >= '0' && s[n] <= '9' || s[n] == '$') {
			n++
		}
		return n
	}
	return 0
}

// quoted is the length of a text in quotes, which doubled stand for themselves.
func quoted(s string, quote byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// dollar is the length of a text between two tags like $$ or $body$, or 0.
func dollar(s string) int {
	n := 1
	for n < len(s) && (letter(s[n]) || n > 1 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return 0
	}
	tag := s[:n+1]
	if end := strings.Index(s[len(tag):], tag); end >= 0 {
		return len(tag) + end + len(tag)
	}
	return len(s)
}
