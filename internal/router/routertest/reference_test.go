// SPDX-License-Identifier: Apache-2.0

package routertest_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/gateway"
	"github.com/headgate-dev/headgate/internal/router/fields"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	"github.com/headgate-dev/headgate/internal/router/routers"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	reference = "../../../docs/reference/routers.md"
	begins    = "<!-- capabilities: written by go test ./internal/router/routertest -update -->\n"
	ends      = "<!-- end of capabilities -->\n"
)

// TestReferenceHasTheCapabilities keeps the table of docs/reference/routers.md in
// step with what the routers say of themselves.
func TestReferenceHasTheCapabilities(t *testing.T) {
	none, err := routers.New(&experiment.Plan{Router: experiment.Router{None: true}})
	if err != nil {
		t.Fatal(err)
	}
	all := []struct {
		kind experiment.RouterKind
		can  []experiment.Capability
	}{
		{experiment.RouterGateway, gateway.Capabilities()},
		{experiment.RouterVirtualService, virtualservice.Capabilities()},
		{experiment.RouterHTTPRoute, httproute.Capabilities()},
		{experiment.RouterFields, fields.Capabilities()},
		{none.Kind(), none.Capabilities()},
	}
	var rows []experiment.Capability
	var table strings.Builder
	table.WriteString("\n| |")
	for _, r := range all {
		fmt.Fprintf(&table, " `%s` |", r.kind)
		for _, c := range r.can {
			if !slices.Contains(rows, c) {
				rows = append(rows, c)
			}
		}
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(all)) + "\n| shares |" + strings.Repeat(" yes |", len(all)-1) + " |\n") // None moves none.
	for _, c := range rows {
		fmt.Fprintf(&table, "| %s |", c)
		for _, r := range all {
			if slices.Contains(r.can, c) {
				table.WriteString(" yes |")
			} else {
				table.WriteString(" |")
			}
		}
		table.WriteString("\n")
	}
	table.WriteString("\n")

	have, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(have), begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", reference)
	}
	want := before + begins + table.String() + ends + after
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, string(have)); d != "" {
		t.Errorf("%s is stale, run make generate (-want +have):\n%s", reference, d)
	}
}
