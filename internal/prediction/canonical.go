// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
)

// Class is the canonical text of a class: of 1 and of 1.0 it is "1". It is cut
// to experiment.MaxClass bytes at the beginning of a character, and control
// characters in it become blanks. It is false for lists, objects and null.
func Class(v any) (string, bool) {
	s, ok := Scalar(v)
	if !ok {
		return "", false
	}
	return classOf(s), true
}

// Scalar is the canonical text of a text, a number or a boolean, in full. It is
// false for anything else.
func Scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	}
	s, ok := numberText(v)
	if !ok {
		return "", false
	}
	return plainNumber(s), true
}

// classOf makes a class of a text.
func classOf(s string) string {
	if len(s) > experiment.MaxClass {
		end := experiment.MaxClass
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// numberText is how a number is written, whichever type holds it.
func numberText(v any) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return string(v), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case int:
		return strconv.Itoa(v), true
	case *big.Int:
		return v.String(), true
	default:
		return "", false
	}
}

// plainNumber writes a decimal number so that equal numbers are written alike,
// in the form of ECMAScript but with all digits: 1.0 and 10e-1 are "1". It keeps
// what is no number, and one whose exponent is beyond reason, as it is.
func plainNumber(s string) string {
	if len(s) <= 15 && wholeNumber(s) && s[0] != '-' && (len(s) == 1 || s[0] != '0') {
		return s
	}
	rest, minus := strings.CutPrefix(s, "-")
	mantissa, exponent := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		e, err := strconv.ParseInt(rest[i+1:], 10, 32)
		if err != nil {
			return s
		}
		mantissa, exponent = rest[:i], int(e)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return s
		}
	}
	point := len(whole) + exponent // The number is 0.digits times 10 to the point.
	point -= len(digits)
	digits = strings.TrimLeft(digits, "0")
	point += len(digits)
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return "0"
	}
	out := placePoint(digits, point)
	if minus {
		return "-" + out
	}
	return out
}

// placePoint writes 0.digits times 10 to the point.
func placePoint(digits string, point int) string {
	const most = 21
	n := len(digits)
	switch {
	case n <= point && point <= most:
		return digits + strings.Repeat("0", point-n)
	case 0 < point && point <= most:
		return digits[:point] + "." + digits[point:]
	case -6 < point && point <= 0:
		return "0." + strings.Repeat("0", -point) + digits
	case n == 1:
		return digits + "e" + strconv.Itoa(point-1)
	default:
		return digits[:1] + "." + digits[1:] + "e" + strconv.Itoa(point-1)
	}
}

// wholeNumber reports whether a number is written as a whole one.
func wholeNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// number is what is found where a number should be, the worst first.
type number uint8

const (
	noNumber   number = iota // Something else.
	nullNumber               // Null, NaN, infinite or beyond jq.MaxNumber.
	aNumber
)

// numberOf reads a number. NaN and the infinities may stand as texts, as
// protocol buffers write them.
func numberOf(v any) (float64, number) {
	var x float64
	switch v := v.(type) {
	case nil:
		return 0, nullNumber
	case json.Number:
		var err error
		if x, err = strconv.ParseFloat(string(v), 64); err != nil {
			return 0, nullNumber
		}
	case float64:
		x = v
	case string:
		if notANumber(v) {
			return 0, nullNumber
		}
		return 0, noNumber
	default:
		s, ok := numberText(v)
		if !ok {
			return 0, noNumber
		}
		x, _ = strconv.ParseFloat(s, 64) // It was written by this package; too large is infinite.
	}
	if math.IsNaN(x) || math.Abs(x) > jq.MaxNumber {
		return 0, nullNumber
	}
	return x, aNumber
}

// Number is a number as JSON has it; false where v is none, or beyond 1e100.
func Number(v any) (float64, bool) {
	x, found := numberOf(v)
	return x, found == aNumber
}

// notANumber reports whether a text stands for no number.
func notANumber(s string) bool {
	return s == "NaN" || s == "nan" || s == "Infinity" || s == "-Infinity"
}

// Canonical is the one text of a decoded JSON value: without blanks, the names
// of objects in order, equal numbers written alike.
func Canonical(v any) []byte { return appendCanonical(nil, v) }

func appendCanonical(to []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(to, "null"...)
	case string:
		return appendText(to, v)
	case []any:
		to = append(to, '[')
		for i, e := range v {
			if i > 0 {
				to = append(to, ',')
			}
			to = appendCanonical(to, e)
		}
		return append(to, ']')
	case map[string]any:
		to = append(to, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(appendText(to, name), ':')
			to = appendCanonical(to, v[name])
		}
		return append(to, '}')
	default:
		s, _ := Scalar(v)
		return append(to, s...)
	}
}

// appendText writes a JSON text with as few escapes as there can be.
func appendText(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c < ' ':
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}

// SameNumber reports whether two values are numbers and equal, however they are
// written and however long they are.
func SameNumber(x, y any) bool {
	a, ok := numberText(x)
	b, also := numberText(y)
	return ok && also && (a == b || plainNumber(a) == plainNumber(b))
}
