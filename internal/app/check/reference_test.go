// SPDX-License-Identifier: Apache-2.0

package check

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

// TestChecksReference keeps docs/reference/checks.md in step with the catalogue.
func TestChecksReference(t *testing.T) {
	const file = "../../../docs/reference/checks.md"
	var b strings.Builder
	b.WriteString("# Checks\n\nWhat `headgate check` looks at. Generated from the catalogue in `internal/app/check/catalogue.go` by `make generate`. Codes are never reused.\n\n")
	b.WriteString("A result is `ok`; `info`, which is only said; `warning`, which deserves a reason; `unknown`, where it could not be found out from here; or `failed`. " +
		"The exit code is 3 if anything failed, 1 if anything is unknown, else 0.\n\n")
	b.WriteString("| code | checks that | why | do |\n|---|---|---|---|\n")
	for _, e := range Catalogue() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.Code, e.Asks, e.Why, e.Remedy)
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

func TestCatalogueIsInOrder(t *testing.T) {
	form := regexp.MustCompile(`^HG-C1[0-9]{2}$`)
	last := Code("")
	for _, e := range Catalogue() {
		if !form.MatchString(string(e.Code)) || e.Code <= last {
			t.Errorf("%s comes after %s", e.Code, last)
		}
		last = e.Code
		if e.Asks == "" || !strings.HasSuffix(e.Why, ".") || !strings.HasSuffix(e.Remedy, ".") || strings.Contains(e.Asks+e.Why+e.Remedy, "|") {
			t.Errorf("%s: %q, %q, %q", e.Code, e.Asks, e.Why, e.Remedy)
		}
	}
}
