// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"slices"
	"strings"
)

//go:generate go test . -run TestReasonsReference -update

// ReasonCode is a stable name for why a decision was made. Codes are never
// reused or renumbered. Frozen: docs/decisions/0006.
type ReasonCode string

// Level says how a reason should be received.
type Level string

// The levels.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Alarm   Level = "alarm"
)

// Reason is a code with the values of this one case.
type Reason struct {
	Code   ReasonCode `json:"code"`
	Params []Param    `json:"params,omitempty"`
}

// Param is a named value of a reason; an ordered list, so that JSON and hashes
// are stable.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Because makes a reason from a code and name, value pairs.
func Because(code ReasonCode, pairs ...any) Reason {
	r := Reason{Code: code}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Params = append(r.Params, Param{Name: fmt.Sprint(pairs[i]), Value: fmt.Sprint(pairs[i+1])})
	}
	return r
}

// Param returns the value of a parameter, or nothing.
func (r Reason) Param(name string) string {
	i := slices.IndexFunc(r.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return ""
	}
	return r.Params[i].Value
}

// String writes the reason as a sentence.
func (r Reason) String() string {
	text := string(r.Code)
	if e, ok := Lookup(r.Code); ok {
		text = e.Text
	}
	pairs := make([]string, 0, 2*len(r.Params))
	for _, p := range r.Params {
		pairs = append(pairs, "{"+p.Name+"}", p.Value)
	}
	// In one pass: a value may itself hold braces.
	return strings.NewReplacer(pairs...).Replace(text)
}

// CatalogueEntry describes a reason code: the sentence with {placeholders}
// and, for the reference, what it means and what to do.
type CatalogueEntry struct {
	Code    ReasonCode
	Level   Level
	Text    string
	Meaning string
}

// Catalogue lists every reason code in order. The reference page is generated
// from it.
func Catalogue() []CatalogueEntry { return slices.Clone(catalogue) }

// Lookup returns the entry of a code.
func Lookup(code ReasonCode) (CatalogueEntry, bool) {
	i := slices.IndexFunc(catalogue, func(e CatalogueEntry) bool { return e.Code == code })
	if i < 0 {
		return CatalogueEntry{}, false
	}
	return catalogue[i], true
}
