// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestFindingsReference keeps docs/reference/findings.md in step with the
// catalogue; make generate writes it.
func TestFindingsReference(t *testing.T) {
	const file = "../../docs/reference/findings.md"
	var b strings.Builder
	b.WriteString("# Findings\n\nWhat `headgate lint` says. Generated from the catalogue in `internal/lint/catalogue.go` by `make generate`. Codes are never reused.\n\n")
	b.WriteString("An *error* is a plan that should not start as it is, and the exit code is 3. A *warning* deserves a reason. *Info* is to be known before the result is read.\n\n")
	b.WriteString("| code | severity | says | why | write |\n|---|---|---|---|---|\n")
	for _, e := range Catalogue() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", e.Code, e.Severity, e.Text, e.Why, e.Remedy)
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

var codeForm = regexp.MustCompile(`^HG-L[0-7][0-9]{2}$`)

func TestCatalogueIsInOrder(t *testing.T) {
	last := Code("")
	for _, e := range Catalogue() {
		if !codeForm.MatchString(string(e.Code)) || e.Code <= last {
			t.Errorf("%s comes after %s", e.Code, last)
		}
		last = e.Code
		if e.Text == "" || e.Why == "" || e.Remedy == "" || !strings.HasSuffix(e.Why, ".") || strings.HasSuffix(e.Text, ".") {
			t.Errorf("%s: %q, %q, %q", e.Code, e.Text, e.Why, e.Remedy)
		}
		if strings.Contains(e.Text+e.Why+e.Remedy, "|") {
			t.Errorf("%s would break the table", e.Code)
		}
	}
}
