// SPDX-License-Identifier: Apache-2.0

package h1

// The classes of octets that matter in heads.
const (
	isTokenChar  = 1 << iota // tchar of RFC 9110, section 5.6.2
	isTextChar               // what a field value or reason may hold
	isTargetChar             // what a request target may hold
	isHostChar               // what a Host may hold
)

// classes is computed once from the grammar.
var classes = func() (t [256]uint8) {
	for c := range 256 {
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		in := func(set string) bool {
			for i := range len(set) {
				if int(set[i]) == c {
					return true
				}
			}
			return false
		}
		if alphanumeric || in("!#$%&'*+-.^_`|~") {
			t[c] |= isTokenChar
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= isTextChar
		}
		if c > ' ' && c != 0x7f && c != '#' {
			t[c] |= isTargetChar
		}
		if alphanumeric || in("-._~!$&'()*+,;=%:[]") {
			t[c] |= isHostChar
		}
	}
	return t
}()

func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// IsToken reports whether b is a token.
func IsToken(b []byte) bool { return len(b) > 0 && all(b, isTokenChar) }

func isText(b []byte) bool   { return all(b, isTextChar) }
func isTarget(b []byte) bool { return len(b) > 0 && all(b, isTargetChar) }
func isHost(b []byte) bool   { return all(b, isHostChar) }

// trim takes blanks off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// fold reports whether b is s without regard to case.
func fold[S ~string | ~[]byte](b []byte, s S) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if b[i] != s[i] && lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

// EqualFold reports whether two names are the same without regard to case.
func EqualFold(a, b []byte) bool { return fold(a, b) }
