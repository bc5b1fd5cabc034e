// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/view"
)

// TestAccountNamesWindowsThatAreNotWhole in a line for each source, also where
// the evidence is trusted again; no line where all are whole.
func TestAccountNamesWindowsThatAreNotWhole(t *testing.T) {
	v := running()
	v.Verdict.Sentence, v.Plan = "KEEP GOING  v2 is better", "2d39b6d40cbc"
	if text := report(v, IO{}); strings.Contains(text, "Gaps") {
		t.Errorf("gaps where there are none:\n%s", text)
	}
	v.Health = view.Health{OK: true, Mismatch: 1, Incomplete: []view.Incomplete{
		{Source: "gateway", Missing: 3, Windows: 40, Last: "gateway b is silent"}, {Source: "outcomes", Missing: 1, Windows: 39, Last: "rows went"},
	}}
	text := report(v, IO{})
	for _, want := range []string{
		"Health     ok", "Gaps       3 of 40 windows of gateway are not whole: gateway b is silent\n", "Gaps       1 of 39 windows of outcomes are not whole: rows went\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the account does not say %q:\n%s", want, text)
		}
	}
}
