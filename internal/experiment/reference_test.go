// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReasonsReference keeps docs/reference/reasons.md in step with the
// catalogue; make generate writes it.
func TestReasonsReference(t *testing.T) {
	const file = "../../docs/reference/reasons.md"
	var b strings.Builder
	b.WriteString("# Reasons\n\nGenerated from the catalogue in `internal/experiment/reason.go` by `make generate`. Codes are never reused.\n\n")
	b.WriteString("| code | level | says | means |\n|---|---|---|---|\n")
	for _, e := range Catalogue() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.Code, e.Level, e.Text, e.Meaning)
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.String(), string(have)); d != "" {
		t.Errorf("%s is stale, run make generate (-want +have):\n%s", file, d)
	}
}
