// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"strconv"
	"unicode/utf8"
)

// clip shortens what came from outside, so that an answer stays small.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// quote shows what came from outside, clipped and without control characters.
func quote(s string) string { return strconv.Quote(clip(s)) }
