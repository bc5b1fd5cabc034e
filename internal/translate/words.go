// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/suggest"
)

// quote writes a value of the file into a message: short, and printable
// whatever it is.
func quote(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return strconv.Quote(s)
}

// printable says whether a text can be shown as it is.
func printable(s string) bool { return strconv.Quote(s) == `"`+s+`"` }

// oneOf lists the answers to choose from.
func oneOf(known []string) string {
	if n := len(known) - 1; n > 0 {
		return strings.Join(known[:n], ", ") + " or " + known[n]
	}
	return strings.Join(known, "")
}

// maxKnown is how many names a hint lists.
const maxKnown = 20

// nearest suggests the closest of the known names, or lists them. Known names
// may come from the file: those that cannot be shown are left out.
func nearest(name string, known []string) string {
	known = slices.DeleteFunc(slices.Clone(known), func(k string) bool {
		return k == "" || len(k) > maxName || !printable(k)
	})
	if best := suggest.Closest(name, known); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	switch {
	case len(known) == 0:
		return ""
	case len(known) > maxKnown:
		known = append(known[:maxKnown], "…")
	}
	return "known here: " + strings.Join(known, ", ")
}
