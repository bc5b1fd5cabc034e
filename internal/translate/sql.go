// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"regexp"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxQuery bounds a query, in bytes.
const maxQuery = 16 << 10

// sqlMetric reads the query of a database, one for all versions.
func (t *translator) sqlMetric(path string, in *v1alpha1.SQL) *experiment.ProviderMetric {
	form := experiment.SQLForm(in.Form)
	t.choice(path+".form", in.Form, string(experiment.SQLUnits), string(experiment.SQLMoments), string(experiment.SQLCounts), string(experiment.SQLValue))
	if t.plan.Strict && in.Form != string(experiment.SQLValue) && t.clean(path+".form") {
		t.fail(path+".form", quote(in.Form), "a strict experiment compares single numbers", "write form: value, and a query with the columns version and value")
	}
	t.query(path+".query", in.Query)
	return &experiment.ProviderMetric{Provider: t.providerOf(path, in.Provider, ofSQL), SQL: &experiment.SQLQuery{Query: in.Query, Form: form}}
}

// The ends of a window in a query.
var queryEnds = []string{":from", ":to"}

// query checks that a text is one statement that reads, and asks for a window.
// Whoever asks opens the database for reading only; this is to find mistakes.
func (t *translator) query(path, s string) {
	const example = "for example select version, count(*) as n … where at >= :from and at < :to group by version"
	if strings.TrimSpace(s) == "" {
		t.fail(path, "", "a query is required", example)
		return
	}
	t.text(path, s, maxQuery)
	bare, ok := bareSQL(s)
	bare = strings.TrimRight(bare, "; \t\r\n")
	switch word := strings.ToLower(firstWord.FindString(strings.TrimLeft(bare, "( \t\r\n"))); {
	case !ok:
		t.fail(path, quote(s), "a quote or a comment is not closed", "")
		return
	case word != "select" && word != "with":
		t.fail(path, quote(s), "not a query: it begins with neither select nor with", example)
		return
	case strings.Contains(bare, ";"):
		t.fail(path, quote(s), "more than one statement", "write one query")
		return
	}
	asked := queryParams(bare)
	for _, p := range asked {
		if !slices.Contains(queryEnds, p) {
			t.fail(path, shortened(p), "there is no such parameter", "the ends of the window are :from and :to")
		}
	}
	if t.plan.Strict {
		return
	}
	for _, end := range queryEnds {
		if !slices.Contains(asked, end) {
			t.fail(path, quote(s), "it does not ask for "+end+", so that every window would hold the same", "a window is from :from up to :to")
			return
		}
	}
}

// firstWord says what a statement does.
var firstWord = regexp.MustCompile(`^[A-Za-z]+`)

// paramOfQuery is a name behind a colon that is no cast.
var paramOfQuery = regexp.MustCompile(`(^|[^:0-9A-Za-z_]):([A-Za-z_][A-Za-z0-9_]*)`)

// queryParams lists the parameters of a query without its strings.
func queryParams(bare string) []string {
	var out []string
	for _, m := range paramOfQuery.FindAllStringSubmatch(bare, -1) {
		out = append(out, ":"+m[2])
	}
	return out
}

// dollarQuote begins a string of PostgreSQL.
var dollarQuote = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)?\$`)

// bareSQL is a query without its strings, quoted names and comments; false if
// one of them does not end.
func bareSQL(s string) (string, bool) {
	var b strings.Builder
	for s != "" {
		end, from := "", 1
		switch {
		case strings.HasPrefix(s, "--"):
			end = "\n"
		case strings.HasPrefix(s, "/*"):
			end, from = "*/", 2
		case strings.ContainsRune("'\"`", rune(s[0])):
			end = s[:1]
		case s[0] == '$':
			end = dollarQuote.FindString(s)
			from = max(1, len(end))
		}
		if end == "" {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		_, rest, found := strings.Cut(s[from:], end)
		switch {
		case !found && end == "\n":
			rest = ""
		case !found:
			return b.String(), false
		}
		b.WriteByte(' ')
		s = rest
	}
	return b.String(), true
}

func (t *translator) sqlProvider(path string, in *v1alpha1.SQLProvider) *experiment.SQLProvider {
	if (in.Postgres == nil) == (in.SQLite == "") {
		t.fail(path, "", "exactly one of postgres and sqlite is required", "for example postgres: {env: WAREHOUSE_URL}, the secret that is the database's URL")
	}
	t.line(path+".sqlite", in.SQLite, maxText)
	return &experiment.SQLProvider{
		Postgres: t.secret(path+".postgres", in.Postgres), SQLite: in.SQLite,
		Timeout: t.bounded(path+".timeout", in.Timeout, defaultSQLTimeout, leastTimeout, mostTimeout),
		Delay:   t.askDelay(path+".delay", in.Delay),
	}
}
