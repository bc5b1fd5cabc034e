// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const (
	// maxName bounds the name of a version, in runes.
	maxName = 64
	// maxBody is how much of an answer is read; the connection of a longer
	// one is given up.
	maxBody = 16 << 20
	// maxJSON is how much of an answer is kept to look for VersionJSON.
	maxJSON = 1 << 20
	// maxText is more than a short answer has, in bytes.
	maxText = 4*maxName + 2
)

// label is the name of a version and where it was found.
type label struct{ name, from string }

// keep is how much of a body is needed to label an answer, in bytes.
func (o *Options) keep(h http.Header) int {
	switch {
	case o.VersionJSON != "":
		return maxJSON
	case o.textToo && h.Get(o.VersionHeader) == "":
		return maxText + 1
	}
	return 0
}

// labelOf names the version that answered. Of body it gets what keep says. The
// text of an error is nobody's name.
func (o *Options) labelOf(status int, h http.Header, body []byte) label {
	if o.VersionJSON != "" {
		if r := gjson.GetBytes(body, o.VersionJSON); r.Exists() {
			return named(r.String(), "json")
		}
		return label{}
	}
	if v := h.Get(o.VersionHeader); v != "" {
		return named(v, "header")
	}
	if o.textToo && status/100 == 2 {
		return labelOfText(body)
	}
	return label{}
}

// labelOfText takes an answer that is one short string for the name of who
// answered, as the model servers of tutorials do. Numbers, lists and objects
// are predictions.
func labelOfText(body []byte) label {
	if len(body) > maxText {
		return label{}
	}
	var s string
	if json.Unmarshal(body, &s) != nil {
		s = strings.TrimSpace(string(body))
		odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`{}[]<>"`, r) }
		if json.Valid(body) || strings.ContainsFunc(s, odd) {
			return label{}
		}
	}
	if utf8.RuneCountInString(s) > maxName {
		return label{}
	}
	return named(s, "text")
}

func named(s, from string) label {
	if s = printable(s, maxName); s == "" {
		return label{}
	}
	return label{s, from}
}

// printable makes what a server sent fit for a terminal and for bounded memory.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(s), "?"))
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return s
}
