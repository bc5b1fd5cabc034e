// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/http"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// picks is what a request may say of itself that comes before assignment:
// testers name their version, bots and synthetic load are excluded. Neither is
// evidence.
type picks struct {
	overrides  []override
	exclusions []exclusion
}

type override struct {
	header  string // in canonical form
	value   string
	version int
}

type exclusion struct {
	header   string   // in canonical form
	contains []string // in lower case; none means that the header is there
	// begins are the bytes that texts begin with, in both cases.
	begins [256]bool
}

// maxMatched bounds how much of a header is searched for an exclusion's texts.
const maxMatched = 1024

// newPicks lays out overrides and exclusions; nil is none.
func newPicks(from *experiment.Assignment, versions int) (*picks, error) {
	if len(from.Overrides)+len(from.Exclude) == 0 {
		return nil, nil
	}
	p := new(picks)
	for _, o := range from.Overrides {
		if !token(o.Header) || o.Value == "" {
			return nil, fmt.Errorf("override by header %q and value %q: want both", o.Header, o.Value)
		}
		if o.Version < 0 || o.Version >= versions {
			return nil, fmt.Errorf("override by header %s names version %d of %d", o.Header, o.Version, versions)
		}
		p.overrides = append(p.overrides, override{http.CanonicalHeaderKey(o.Header), o.Value, o.Version})
	}
	for _, e := range from.Exclude {
		if !token(e.Header) {
			return nil, fmt.Errorf("exclusion by header %q: want the name of a header", e.Header)
		}
		out := exclusion{header: http.CanonicalHeaderKey(e.Header)}
		for _, text := range e.Contains {
			if text == "" {
				return nil, fmt.Errorf("exclusion by header %s has an empty text, which everything contains", e.Header)
			}
			text = lowered(text)
			out.contains = append(out.contains, text)
			out.begins[text[0]], out.begins[upper(text[0])] = true, true
		}
		p.exclusions = append(p.exclusions, out)
	}
	return p, nil
}

// headers is where a request says something of itself.
type headers interface {
	// header is the first value of a header given in canonical form, or
	// nothing.
	header(name string) string
}

// pick gives the version of a request that is not assigned by its unit, and
// why; nil is an ordinary request. Testers come first: synthetic load may be
// meant for a candidate. It allocates nothing.
func (p *picks) pick(in headers) (version int, why *absence) {
	for i := range p.overrides {
		if o := &p.overrides[i]; in.header(o.header) == o.value {
			return o.version, &overridden
		}
	}
	for i := range p.exclusions {
		if e := &p.exclusions[i]; e.matches(in.header(e.header)) {
			return baseline, &excluded
		}
	}
	return baseline, nil
}

// matches says whether a header's value, empty if it is absent, excludes.
func (e *exclusion) matches(value string) bool {
	if len(e.contains) == 0 {
		return value != ""
	}
	value = value[:min(len(value), maxMatched)]
	for i := range len(value) {
		if !e.begins[value[i]] {
			continue
		}
		for _, text := range e.contains {
			if beginsFold(value[i:], text) {
				return true
			}
		}
	}
	return false
}

// beginsFold says whether s begins with a text in lower case, whatever the case
// of its ASCII letters.
func beginsFold(s, text string) bool {
	if len(s) < len(text) {
		return false
	}
	for i := range len(text) {
		if lower(s[i]) != text[i] {
			return false
		}
	}
	return true
}

// lowered is a text with its ASCII letters in lower case.
func lowered(text string) string {
	b := []byte(text)
	for i := range b {
		b[i] = lower(b[i])
	}
	return string(b)
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// newCohort is the name of the header by which applications choose.
func newCohort(name string) (string, error) {
	if name != "" && !token(name) {
		return "", fmt.Errorf("cohort %q: want the name of a header", name)
	}
	return http.CanonicalHeaderKey(name), nil
}

// chosen is the version that the application chose for a request, by name.
// Where it chose none, or one that is not there, the baseline serves and the
// request is not counted. A version without a share gets nobody: that is how
// traffic comes back whatever applications still say (D3, D8).
func (r *route) chosen(name string, t *table) (version int, why *absence) {
	if name == "" {
		return baseline, &cohortAbsent
	}
	switch v := r.versionNamed(name); {
	case v < 0:
		return baseline, &cohortUnknown
	case t.shares[v] > 0:
		return v, nil
	default:
		return t.rest(), nil
	}
}

// rest is the version that takes what another one may not have: the one that
// has everything, or else the baseline.
func (t *table) rest() int {
	for v, share := range t.shares {
		if share == experiment.Whole {
			return v
		}
	}
	return baseline
}
