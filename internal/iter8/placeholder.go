// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"regexp"
	"strings"
)

// placeholder is $$, $NAME or ${NAME} in a text of a metric. What else follows a
// $ is text.
var placeholder = regexp.MustCompile(`\$(?:\$|[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})`)

// fill replaces the placeholders of a text. by gives what a name stands for;
// false leaves the placeholder as it is written. literal writes everything else.
func fill(s string, literal func(string) string, by func(name, written string) (string, bool)) string {
	var b strings.Builder
	rest := s
	for {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			return b.String() + literal(rest)
		}
		b.WriteString(literal(rest[:at[0]]))
		written := rest[at[0]:at[1]]
		if written == "$$" {
			b.WriteString(literal("$"))
		} else if to, ok := by(strings.Trim(written, "${}"), written); ok {
			b.WriteString(to)
		} else {
			b.WriteString(literal(written))
		}
		rest = rest[at[1]:]
	}
}

// asIs writes a text into a native template so that it stands for itself.
func asIs(s string) string { return strings.ReplaceAll(s, "{{", `{{"{{"}}`) }
