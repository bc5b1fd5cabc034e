// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/tidwall/gjson"
)

// place is where in a request a value stands: a unit, or what a segment tells
// requests apart by. At most one field is set.
type place struct {
	header   string // in canonical form
	cookie   string
	jsonPath string // in the words of gjson
}

func newPlace(header, cookie, jsonPath string) (place, error) {
	if header != "" && !token(header) {
		return place{}, fmt.Errorf("%q is not a header name", header)
	}
	if cookie != "" && !token(cookie) {
		return place{}, fmt.Errorf("%q is not a cookie name", cookie)
	}
	path := strings.TrimPrefix(jsonPath, "$.")
	if jsonPath != "" && !plainPath(path) {
		return place{}, fmt.Errorf("%q is not a path of names and indices joined by dots, such as $.users.0.id", jsonPath)
	}
	return place{header: http.CanonicalHeaderKey(header), cookie: cookie, jsonPath: path}, nil
}

// token says whether s is a token of RFC 9110, section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// plainPath says whether a JSON path leads to one value. Everything that
// searches, matches or computes is refused: its cost would be the client's to
// choose.
func plainPath(path string) bool {
	if strings.ContainsAny(path, `|#@*?!{}[]()<>=%~"'`) {
		return false
	}
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			return false
		}
	}
	return true
}

// lookup finds values in one request. The body is read and checked at most
// once, whoever asks first, and not at all if nobody asks.
type lookup struct {
	exchange exchange
	// maxBody is how many bytes of the body are read.
	maxBody int64

	asked   bool
	body    []byte
	missing *absence // why there is no body to look into
}

// json gives what stands at a path of the body.
func (l *lookup) json(path string) (gjson.Result, *absence) {
	body, missing := l.whole()
	if missing != nil {
		return gjson.Result{}, missing
	}
	return gjson.GetBytes(body, path), nil
}

// whole gives the body, which is valid JSON.
func (l *lookup) whole() ([]byte, *absence) {
	if !l.asked {
		l.asked = true
		l.body, l.missing = l.read()
	}
	return l.body, l.missing
}

func (l *lookup) read() ([]byte, *absence) {
	body, whole, err := l.exchange.prefix(l.maxBody)
	switch {
	case err != nil:
		return nil, &bodyUnreadable
	case !whole:
		return nil, &bodyTooLarge
	case !gjson.ValidBytes(body):
		return nil, &absent
	}
	return body, nil
}

// cookieValue is the first value of a cookie in the lines of a Cookie header,
// or nothing. It reads what net/http reads (RFC 6265, section 4.2, with the
// leniency that browsers need), but makes nothing that must be collected.
func cookieValue(lines []string, name string) string {
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			have, value, _ := strings.Cut(textproto.TrimString(pair), "=")
			if textproto.TrimString(have) != name {
				continue
			}
			if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			if cookieOctets(value) {
				return value
			}
		}
	}
	return ""
}

// cookieOctets says whether s can be a cookie's value. Blanks and commas are
// let pass because clients send them.
func cookieOctets(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
