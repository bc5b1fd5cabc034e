// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"regexp"
	"strings"
)

// metricNameForm is that of the metrics of PromQL.
var metricNameForm = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

// notASelector says why a text is no instant selector of series: a name, matchers
// in braces, or both. What the matchers say is the server's to judge.
func notASelector(s string) (message, hint string) {
	if message, hint := unbalanced(s); message != "" {
		return message, hint
	}
	bare := strings.TrimSpace(withoutStrings(s))
	const own = "Headgate takes differences over each window and adds series up itself: select the counters alone"
	name, matchers, braces := strings.Cut(bare, "{")
	name = strings.TrimSpace(name)
	switch {
	case strings.Contains(bare, "["):
		return "a range of time in a selector", own
	case strings.ContainsAny(bare, "()"):
		return "a function or an expression where counters are selected", own
	case name != "" && !metricNameForm.MatchString(name), name == "" && !braces:
		return "not a selector of series", `for example http_requests_total{version="{{.Version}}"}`
	case braces && (!strings.HasSuffix(matchers, "}") || strings.Count(bare, "{") > 1):
		return "not one selector of series", own
	case name == "" && strings.TrimSpace(strings.TrimSuffix(matchers, "}")) == "":
		return "it selects every series", "name a metric"
	}
	return "", ""
}

// unbalanced says why brackets and quotes of PromQL do not fit together.
func unbalanced(s string) (message, hint string) {
	if strings.TrimSpace(s) == "" {
		return "a text is required", ""
	}
	const closed = "close what is opened, each bracket by its own kind"
	var open []rune
	quoted, escaped, comment := rune(0), false, false
	for _, r := range s {
		switch {
		case comment:
			comment = r != '\n'
		case escaped:
			escaped = false
		case quoted != 0 && r == '\\' && quoted != '`':
			escaped = true
		case quoted != 0:
			if r == quoted {
				quoted = 0
			}
		case strings.ContainsRune("\"'`", r):
			quoted = r
		case r == '#':
			comment = true
		case strings.ContainsRune("([{", r):
			open = append(open, r)
		case strings.ContainsRune(")]}", r):
			if n := len(open); n == 0 || strings.IndexRune("([{", open[n-1]) != strings.IndexRune(")]}", r) {
				return "the bracket " + string(r) + " closes nothing", closed
			}
			open = open[:len(open)-1]
		}
	}
	switch {
	case quoted != 0:
		return "a quote is not closed", closed
	case len(open) > 0:
		return "the bracket " + string(open[len(open)-1]) + " is not closed", closed
	}
	return "", ""
}

// withoutStrings takes out what stands in quotes. The text is balanced.
func withoutStrings(s string) string {
	var b strings.Builder
	quoted, escaped := rune(0), false
	for _, r := range s {
		switch {
		case escaped:
			escaped = false
		case quoted != 0 && r == '\\' && quoted != '`':
			escaped = true
		case quoted != 0:
			if r == quoted {
				quoted = 0
			}
		case strings.ContainsRune("\"'`", r):
			quoted = r
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
