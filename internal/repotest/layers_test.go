// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is one package and what it may import of this module. An entry of may
// or mayNot is a package, or with "/..." at the end a package and all below
// it; "..." is the whole module. mayNot wins.
type room struct {
	floor  string
	path   string
	may    []string
	mayNot []string
}

// house is the plan: numbers → words → rules → shapes → adapters → faces →
// app → cmd, with the examples last, in a garden of their own. A room sees
// only rooms that stand above it in this list. A package that is missing here
// fails the test, so adding a package means deciding where it sits. A room
// may be listed before it is built.
var house = []room{
	{"numbers", "stats/internal/input", nil, nil},
	{"numbers", "stats/internal/root", nil, nil},
	{"numbers", "stats", []string{"stats/internal/input", "stats/internal/root"}, nil},
	{"numbers", "stats/multiple", []string{"stats", "stats/internal/input", "stats/internal/root"}, nil},
	{"numbers", "stats/quantile", []string{"stats", "stats/internal/input"}, nil},
	{"numbers", "stats/counter", []string{"stats", "stats/internal/input", "stats/internal/root"}, nil},
	{"numbers", "stats/bayes", []string{"stats", "stats/internal/input"}, nil},
	{"numbers", "stats/paired", []string{"stats", "stats/internal/input"}, nil},
	{"numbers", "stats/delayed", []string{"stats", "stats/internal/input"}, nil},
	{"numbers", "stats/adaptive", []string{"stats", "stats/internal/input"}, nil},

	{"words", "api/v1alpha1", nil, nil},
	{"words", "api/kube", []string{"api/v1alpha1"}, nil},
	{"words", "api/iter8", nil, nil},
	{"words", "internal/suggest", nil, nil},
	{"words", "internal/experiment", []string{"stats"}, nil},

	{"rules", "internal/jq", nil, nil},
	{"rules", "internal/prediction", []string{"internal/experiment", "internal/jq"}, nil},
	{"rules", "internal/compare", []string{"stats", "internal/experiment", "internal/jq", "internal/prediction"}, nil},
	{"rules", "internal/pairing", []string{"internal/experiment", "internal/prediction", "internal/compare"}, nil},
	{"rules", "internal/assign", []string{"internal/experiment"}, nil},
	{"rules", "internal/bandit", []string{"stats/...", "internal/experiment"}, nil},
	{"rules", "internal/judge", []string{"stats/...", "internal/experiment", "internal/bandit"}, nil},
	{"rules", "internal/decide", []string{"internal/experiment", "internal/assign", "internal/bandit"}, nil},
	{"rules", "internal/design", []string{"stats/...", "internal/experiment"}, nil},
	{"rules", "internal/lint", []string{"stats/...", "internal/experiment", "internal/design"}, nil},
	{"rules", "internal/engine", []string{"internal/experiment", "internal/judge", "internal/decide"}, nil},
	{
		"rules", "internal/simulate",
		[]string{"stats/...", "internal/experiment", "internal/assign", "internal/bandit", "internal/judge", "internal/engine", "internal/design"},
		nil,
	},

	{"shapes", "internal/router", []string{"internal/experiment"}, nil},
	{"shapes", "internal/router/virtualservice", []string{"internal/experiment", "internal/router"}, nil},
	{"shapes", "internal/router/httproute", []string{"internal/experiment", "internal/router"}, nil},
	{"shapes", "internal/router/fields", []string{"internal/experiment", "internal/router"}, nil},
	{"shapes", "internal/router/gatewaymap", []string{"internal/experiment", "internal/router"}, nil},
	{"shapes", "internal/router/routertest", []string{"internal/experiment", "internal/router"}, nil},
	{"shapes", "internal/router/pack", []string{"internal/experiment", "internal/router"}, nil},
	{"shapes", "internal/router/routers", []string{"internal/experiment", "internal/router/..."}, []string{"internal/router/kube"}},
	{"shapes", "internal/translate", []string{"api/v1alpha1", "internal/suggest", "internal/experiment", "internal/jq", "internal/assign", "internal/design", "internal/router/..."}, nil},
	{"shapes", "internal/iter8", []string{"api/...", "internal/experiment", "internal/jq", "internal/suggest", "internal/translate"}, nil},
	{"shapes", "internal/view", []string{"stats/...", "internal/experiment", "internal/design"}, nil},
	{"shapes", "internal/report", []string{"stats", "internal/experiment", "internal/view"}, nil},

	{"adapters", "internal/datadir", []string{"internal/experiment"}, nil},
	{"adapters", "internal/sqlitefile", []string{"internal/experiment"}, nil},
	{"adapters", "internal/postgres", []string{"internal/experiment"}, nil},
	{"adapters", "internal/postgres/postgrestest", []string{"internal/experiment"}, nil},
	{"adapters", "internal/ledger", []string{"stats/...", "internal/experiment", "internal/sqlitefile", "internal/postgres/..."}, nil},
	{"adapters", "internal/record/sqlite", []string{"internal/experiment", "internal/sqlitefile"}, nil},
	{"adapters", "internal/record/postgres", []string{"internal/experiment", "internal/postgres/..."}, nil},
	{"adapters", "internal/record/recordtest", []string{"stats", "internal/experiment"}, nil},

	{"adapters", "internal/router/kube", []string{"internal/experiment", "internal/router"}, nil},
	{"adapters", "internal/workload", []string{"internal/experiment"}, nil},
	{"adapters", "internal/record/kube", []string{"api/kube", "internal/experiment"}, nil},
	{"adapters", "internal/outbound", nil, nil},
	{"adapters", "internal/source/remote", []string{"stats", "internal/experiment", "internal/engine", "internal/outbound"}, nil},
	{"adapters", "internal/source/prometheus", []string{"stats", "internal/experiment", "internal/engine", "internal/router/pack", "internal/source/remote"}, nil},

	{"adapters", "internal/source/ledger", []string{"internal/experiment", "internal/engine"}, nil},
	{"adapters", "internal/source/embedded", []string{"internal/experiment"}, nil},
	{"adapters", "internal/source/http", []string{"stats", "internal/experiment", "internal/engine", "internal/jq", "internal/source/remote"}, nil},
	{"adapters", "internal/source/sql", []string{"stats", "internal/experiment", "internal/engine", "internal/sqlitefile", "internal/postgres/...", "internal/outbound", "internal/source/remote"}, nil},
	{"adapters", "internal/source/sources", []string{"stats", "internal/experiment", "internal/engine", "internal/postgres/...", "internal/source/..."}, nil},
	{"adapters", "internal/action", []string{"internal/experiment", "internal/jq", "internal/outbound"}, nil},

	{"faces", "internal/gateway/h1", nil, nil},
	{"faces", "internal/gateway", []string{"stats/...", "internal/experiment", "internal/jq", "internal/prediction", "internal/compare", "internal/assign", "internal/gateway/h1"}, nil},
	{"faces", "internal/httpapi", []string{"internal/experiment", "internal/suggest", "internal/view"}, nil},

	{"faces", "internal/controller", []string{"api/...", "internal/experiment", "internal/judge", "internal/engine", "internal/translate", "internal/view", "internal/router/...", "internal/workload", "internal/action"}, nil},
	{"faces", "internal/iter8/owner", []string{"api/...", "internal/experiment", "internal/iter8", "internal/translate"}, nil},
	{"faces", "internal/apiclient", []string{"internal/experiment", "internal/view"}, nil},
	{"faces", "internal/load", []string{"stats/...", "internal/experiment", "internal/prediction", "internal/compare"}, nil},
	{"adapters", "internal/backfill", []string{"internal/experiment", "internal/suggest", "internal/sqlitefile", "internal/postgres/..."}, nil},
	{"faces", "web", nil, nil},

	{"garden", "examples/digits", nil, nil},
	{"garden", "examples/digits/serve", []string{"examples/digits"}, nil},
	{"garden", "examples/shadow", nil, nil},

	// What processes on one machine have in common, whoever carries the traffic.
	{"app", "internal/app/desk", []string{"internal/experiment", "internal/suggest", "internal/httpapi", "web"}, nil},

	// Wiring sees every room but the faces that belong to other processes.
	{
		"app", "internal/app/local",
		[]string{"stats", "api/v1alpha1", "internal/...", "web"},
		[]string{
			"internal/cli", "internal/controller", "internal/repotest",
			"internal/app/gateway", "internal/app/ledger", "internal/app/controller", "internal/app/cluster", "internal/app/remote", "internal/app/check", "internal/app/demo",
		},
	},
	{"app", "internal/app/gateway", []string{"internal/datadir", "internal/experiment", "internal/gateway", "internal/httpapi"}, nil},
	{"app", "internal/app/ledger", []string{"internal/app/gateway", "internal/datadir", "internal/experiment", "internal/httpapi", "internal/ledger"}, nil},
	{
		"app", "internal/app/controller",
		[]string{"api/...", "internal/experiment", "internal/engine", "internal/controller", "internal/router/...", "internal/record/kube", "internal/workload", "internal/source/...", "internal/action", "internal/iter8/..."},
		nil,
	},
	{
		"app", "internal/app/cluster",
		[]string{"api/...", "internal/experiment", "internal/judge", "internal/translate", "internal/view", "internal/router/...", "internal/record/kube"},
		nil,
	},
	{
		"app", "internal/app/remote",
		[]string{"api/...", "internal/datadir", "internal/experiment", "internal/translate", "internal/view", "internal/router/...", "internal/record/sqlite", "internal/workload", "internal/source/sources", "internal/action", "internal/iter8", "internal/httpapi", "internal/controller", "internal/app/desk"},
		nil,
	},
	{"app", "internal/app/check", []string{"api/...", "internal/experiment", "internal/engine", "internal/view", "internal/router/...", "internal/source/prometheus", "internal/source/sources", "internal/app/cluster"}, nil},
	{"app", "internal/app/demo", []string{"..."}, []string{"internal/cli", "internal/repotest"}},

	// The command line starts the processes, so it stands above the wiring.
	{"cmd", "internal/cli", []string{"stats", "api/v1alpha1", "api/iter8", "internal/iter8", "internal/experiment", "internal/suggest", "internal/engine", "internal/translate", "internal/design", "internal/lint", "internal/simulate", "internal/view", "internal/report", "internal/apiclient", "internal/prediction", "internal/compare", "internal/load", "internal/backfill", "internal/app/..."}, nil},
	{"cmd", "cmd/headgate", []string{"internal/cli"}, nil},
	{"cmd", "cmd/headgate-gateway", []string{"internal/app/gateway"}, nil},

	{"garden", "internal/repotest", nil, nil},
}

// matches says whether pkg is what pattern names.
func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return within(pkg, dir)
	}
	return pattern == pkg
}

// allows says whether r may import pkg.
func (r room) allows(pkg string) bool {
	is := func(pattern string) bool { return matches(pattern, pkg) }
	return slices.ContainsFunc(r.may, is) && !slices.ContainsFunc(r.mayNot, is)
}

// checkLayers holds the imports of every non-test file, whatever its build
// constraints, against the plan.
func checkLayers(plan []room, files []goFile) []finding {
	var found []finding
	homeless := make(map[string]bool)
	for _, f := range files {
		at := slices.IndexFunc(plan, func(r room) bool { return r.path == f.dir() })
		if at < 0 {
			if !homeless[f.dir()] {
				homeless[f.dir()] = true
				found = append(found, finding{f.path, f.line(f.ast.Package), f.dir() + " has no room in the house; decide where it sits in layers_test.go"})
			}
			continue
		}
		if f.isTest() {
			continue // Tests may use what they need; the compiler refuses cycles.
		}
		for _, spec := range f.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // The parser admits no such import.
			}
			rel, ours := strings.CutPrefix(imported, module+"/")
			if ours && !plan[at].allows(rel) {
				found = append(found, finding{f.path, f.line(spec.Pos()), fmt.Sprintf("%s (%s) may not import %s; it may import %s", f.dir(), plan[at].floor, rel, list(plan[at].may))})
			}
		}
	}
	return found
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing of this module"
	}
	return strings.Join(names, ", ")
}

// checkPlan holds the plan itself to its order: a room sees only rooms listed
// before it, so there can be no cycle and the list reads from the ground up.
func checkPlan(plan []room) []finding {
	var found []finding
	for i, r := range plan {
		if slices.ContainsFunc(plan[:i], func(other room) bool { return other.path == r.path }) {
			found = append(found, finding{"layers_test.go", 0, r.path + " is listed twice"})
		}
		for _, pattern := range r.may {
			if !slices.ContainsFunc(plan[:i], func(other room) bool { return matches(pattern, other.path) }) {
				found = append(found, finding{"layers_test.go", 0, fmt.Sprintf("%s may import %s, which does not stand above it", r.path, pattern)})
			}
		}
	}
	return found
}

func TestImportsKeepToTheirRooms(t *testing.T) {
	report(t, checkPlan(house))
	report(t, checkLayers(house, theTree(t).product()))
}

func TestLayersRuleFindsEachOffence(t *testing.T) {
	plan := []room{
		{"numbers", "stats", nil, nil},
		{"numbers", "stats/multiple", []string{"stats"}, nil},
		{"numbers", "stats/quantile", []string{"stats"}, nil},
		{"numbers", "stats/counter", []string{"stats"}, nil},
		{"numbers", "stats/bayes", []string{"stats"}, nil},
		{"numbers", "stats/paired", []string{"stats"}, nil},
		{"numbers", "stats/delayed", []string{"stats"}, nil},
		{"numbers", "stats/adaptive", []string{"stats"}, nil},
		{"rules", "internal/judge", []string{"stats"}, nil},
		{"app", "internal/app/local", []string{"internal/..."}, []string{"internal/cli"}},
	}
	for name, tc := range map[string]struct {
		path, imports string
		want          []string
	}{
		"import in the list passes":   {"internal/judge/a.go", `"` + module + `/stats"`, nil},
		"import by pattern passes":    {"internal/app/local/a.go", `"` + module + `/internal/judge"`, nil},
		"other modules are no matter": {"stats/a.go", `"example.com/internal/judge"`, nil},
		"a test may import upwards":   {"stats/a_test.go", `"` + module + `/internal/judge"`, nil},
		"upward import is found": {
			"stats/a.go", `"` + module + `/internal/judge"`,
			[]string{"stats/a.go:3: stats (numbers) may not import internal/judge; it may import nothing of this module"},
		},
		"exclusion beats the pattern": {
			"internal/app/local/a.go", `"` + module + `/internal/cli"`,
			[]string{"internal/app/local/a.go:3: internal/app/local (app) may not import internal/cli; it may import internal/..."},
		},
		"build constraints hide nothing": {
			"stats/a_plan9.go", `"` + module + `/internal/judge"`,
			[]string{"stats/a_plan9.go:3: stats (numbers) may not import internal/judge; it may import nothing of this module"},
		},
		"package without a room is found": {
			"internal/new/a.go", `"fmt"`,
			[]string{"internal/new/a.go:1: internal/new has no room in the house; decide where it sits in layers_test.go"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := parseAll(t, map[string]string{tc.path: "package a\n\nimport " + tc.imports + "\n"})
			wantFindings(t, checkLayers(plan, files), tc.want...)
		})
	}
}

func TestPlanRuleFindsEachOffence(t *testing.T) {
	wantFindings(t,
		checkPlan([]room{
			{"rules", "internal/judge", []string{"stats"}, nil},
			{"numbers", "stats", nil, nil},
			{"numbers", "stats", nil, nil},
		}),
		"layers_test.go: internal/judge may import stats, which does not stand above it",
		"layers_test.go: stats is listed twice",
	)
}
