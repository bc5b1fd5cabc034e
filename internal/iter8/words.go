// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"slices"
	"strings"
)

// shellWords splits a script that is a single simple command into its words, as a
// shell would; false is a script that needs a shell.
func shellWords(script string) ([]string, bool) {
	script = strings.TrimSpace(script)
	var out []string
	for script != "" {
		w, rest, ok := shellWord(script)
		if !ok {
			return nil, false
		}
		out = append(out, w)
		script = strings.TrimLeft(rest, " \t")
	}
	return out, len(out) > 0
}

// shellWord takes the first word off a line.
func shellWord(s string) (w, rest string, ok bool) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "{{"):
			end := strings.Index(s[i:], "}}")
			if end < 0 {
				return "", "", false
			}
			b.WriteString(s[i : i+end+2])
			i += end + 1
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), s[i:], true
		case quote != '\'' && strings.IndexByte("$`\\", c) >= 0, quote == 0 && strings.IndexByte("\n|&;<>()*[]#~!{}", c) >= 0:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", quote == 0
}

// applied is what a command applies: kubectl apply -f URL, and in which namespace.
type applied struct{ url, namespace string }

// kubectlApply reads kubectl [-n N] apply [-n N] -f X; false is another command.
func kubectlApply(words []string) (applied, bool) {
	var out applied
	if len(words) == 0 || words[0] != "kubectl" && words[0] != "/usr/bin/kubectl" && words[0] != "/usr/local/bin/kubectl" {
		return out, false
	}
	verb := false
	for rest := words[1:]; len(rest) > 0; {
		name, value, inline := strings.Cut(rest[0], "=")
		if !strings.HasPrefix(name, "-") {
			if verb || rest[0] != "apply" {
				return out, false
			}
			verb, rest = true, rest[1:]
			continue
		}
		if !inline {
			if len(rest) < 2 {
				return out, false
			}
			value, rest = rest[1], rest[1:]
		}
		rest = rest[1:]
		switch {
		case slices.Contains([]string{"-n", "--namespace"}, name) && out.namespace == "":
			out.namespace = value
		case slices.Contains([]string{"-f", "--filename"}, name) && out.url == "" && verb:
			out.url = value
		default:
			return out, false
		}
	}
	return out, verb && out.url != "" && out.url != "-"
}
