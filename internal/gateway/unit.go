// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Why a request has no unit, as the metric of unassigned requests says it.
const (
	reasonAbsent   = "absent"
	reasonInvalid  = "invalid"
	reasonBodySize = "body-too-large"
	reasonBody     = "body-unreadable"
)

// absence is why a request has no unit; refusal is set where no version can
// serve it either.
type absence struct {
	reason  string
	refusal *refusal
}

var (
	absent         = absence{reason: reasonAbsent}
	invalid        = absence{reason: reasonInvalid}
	bodyTooLarge   = absence{reason: reasonBodySize}
	bodyUnreadable = absence{reason: reasonBody, refusal: &refusedBody}
)

// unitFinder finds the unit of a request; exactly one field is set.
type unitFinder struct {
	header   string
	cookie   string
	jsonPath string
	request  bool
}

func newUnitFinder(u experiment.Unit) (unitFinder, error) {
	set := 0
	for _, on := range []bool{u.Header != "", u.Cookie != "", u.JSONPath != "", u.Request} {
		if on {
			set++
		}
	}
	if set != 1 {
		return unitFinder{}, fmt.Errorf("assignment unit has %d of header, cookie, jsonPath and request: want exactly one", set)
	}
	if u.Header != "" && !token(u.Header) {
		return unitFinder{}, fmt.Errorf("assignment unit: %q is not a header name", u.Header)
	}
	if u.Cookie != "" && !token(u.Cookie) {
		return unitFinder{}, fmt.Errorf("assignment unit: %q is not a cookie name", u.Cookie)
	}
	path := strings.TrimPrefix(u.JSONPath, "$.")
	if u.JSONPath != "" && !plainPath(path) {
		return unitFinder{}, fmt.Errorf("assignment unit: %q is not a path of names and indices joined by dots, such as $.users.0.id", u.JSONPath)
	}
	return unitFinder{
		header:   http.CanonicalHeaderKey(u.Header),
		cookie:   u.Cookie,
		jsonPath: path,
		request:  u.Request,
	}, nil
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

// find gives the request's unit, or why there is none. A unit that is issued
// is new and must be set as a cookie.
func (f *unitFinder) find(x exchange, maxBody int64) (unit, issued string, missing *absence) {
	switch {
	case f.request:
		return rand.Text(), "", nil
	case f.cookie != "":
		// A cookie that nobody can use is replaced like one that is absent, or
		// its client would stay without a unit for ever.
		if unit = x.cookie(f.cookie); checkUnit(unit) == nil {
			return unit, "", nil
		}
		unit = rand.Text()
		return unit, unit, nil
	case f.header != "":
		unit = x.header(f.header)
	default:
		if unit, missing = f.inBody(x, maxBody); missing != nil {
			return "", "", missing
		}
	}
	if missing = checkUnit(unit); missing != nil {
		return "", "", missing
	}
	return unit, "", nil
}

// inBody finds the string or number at the JSON path.
func (f *unitFinder) inBody(x exchange, limit int64) (string, *absence) {
	body, whole, err := x.prefix(limit)
	switch {
	case err != nil:
		return "", &bodyUnreadable
	case !whole:
		return "", &bodyTooLarge
	case !gjson.ValidBytes(body):
		return "", &absent
	}
	switch v := gjson.GetBytes(body, f.jsonPath); v.Type {
	case gjson.String:
		return v.Str, nil
	case gjson.Number:
		return v.Raw, nil
	default:
		return "", &absent
	}
}

// checkUnit says why a unit id cannot be used; nil if it can.
func checkUnit(unit string) *absence {
	if unit == "" {
		return &absent
	}
	if len(unit) > maxUnit {
		return &invalid
	}
	for i := range len(unit) {
		if unit[i] < ' ' || unit[i] == 0x7f {
			return &invalid
		}
	}
	return nil
}
