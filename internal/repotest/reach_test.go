// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// pureRooms compute: the same input gives the same output anywhere, which is
// what lets a journal be replayed and a simulation stand for the real thing.
var pureRooms = []string{
	"stats/...", "internal/experiment",
	"internal/assign", "internal/bandit",
	"internal/judge",
	"internal/lint",
	"internal/report", "internal/decide", "internal/engine", "internal/design", "internal/simulate",
	"internal/translate", "internal/view",
}

// ban forbids some rooms to reach a package, directly or through others.
// An entry of what that ends in "/" is a prefix; an entry of rooms and except
// is a pattern as in the plan of the house.
type ban struct {
	rooms  []string
	except []string
	what   []string
	why    string
}

var bans = []ban{
	{pureRooms, nil, []string{"net", "net/http", "os/exec", "k8s.io/", "database/sql"}, "pure rooms compute and nothing else (D6)"},
	{[]string{"internal/gateway"}, nil, []string{"database/sql", "k8s.io/"}, "the data plane links no database and no Kubernetes client"},
	{
		[]string{"..."},
		[]string{"internal/sqlitefile", "internal/ledger", "internal/record/sqlite", "internal/backfill", "internal/source/sql", "internal/source/sources", "internal/app/...", "internal/cli", "cmd/..."},
		[]string{"modernc.org/sqlite"},
		"only the stores and the source sql, and what is built on them, know SQLite",
	},
	{
		[]string{"..."},
		[]string{"internal/postgres/...", "internal/ledger", "internal/record/postgres", "internal/app/...", "internal/source/sql", "internal/source/sources", "internal/cli", "cmd/...", "internal/backfill"},
		[]string{"github.com/jackc/"},
		"only the stores and the source sql, and what is built on them, know PostgreSQL",
	},
	{
		[]string{"..."},
		[]string{"internal/source/embedded", "internal/source/sources", "internal/app/...", "internal/cli", "cmd/..."},
		[]string{"github.com/prometheus/prometheus/"},
		"Prometheus' engine is in one package",
	},
	{
		[]string{"..."},
		[]string{"internal/action", "internal/controller", "internal/app/...", "internal/cli", "cmd/..."},
		[]string{"github.com/go-git/"},
		"only actions write to repositories",
	},
	{
		[]string{"..."},
		[]string{"internal/app/demo", "internal/cli", "cmd/...", "examples/..."},
		[]string{module + "/examples/"},
		"only the demo shows the examples",
	},
}

// graph maps an import path to the paths it imports.
type graph map[string][]string

// route is the shortest chain of imports from one package to one that is bad,
// nil if there is none.
func (g graph) route(from string, bad func(string) bool) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range g[queue[0]] {
			if _, seen := cameFrom[next]; seen {
				continue
			}
			cameFrom[next] = queue[0]
			if !bad(next) {
				queue = append(queue, next)
				continue
			}
			chain := []string{next}
			for at := queue[0]; at != ""; at = cameFrom[at] {
				chain = append(chain, at)
			}
			slices.Reverse(chain)
			return chain
		}
	}
	return nil
}

// checkReach walks the imports of every package of this module. files give a
// finding its line; without them it names the package.
func checkReach(list []ban, g graph, files []goFile) []finding {
	var found []finding
	for _, pkg := range slices.Sorted(maps.Keys(g)) {
		rel, ours := strings.CutPrefix(pkg, module+"/")
		if !ours {
			continue
		}
		is := func(pattern string) bool { return matches(pattern, rel) }
		for _, b := range list {
			if !slices.ContainsFunc(b.rooms, is) || slices.ContainsFunc(b.except, is) {
				continue
			}
			for _, what := range b.what {
				chain := g.route(pkg, func(dep string) bool {
					return dep == what || strings.HasSuffix(what, "/") && strings.HasPrefix(dep, what)
				})
				if chain != nil {
					name, line := importLine(files, rel, chain[1])
					found = append(found, finding{name, line, fmt.Sprintf("%s: %s", strings.Join(chain, " → "), b.why)})
					break // The next of the list is most often further along the same chain.
				}
			}
		}
	}
	return found
}

// importLine finds where package rel imports dep.
func importLine(files []goFile, rel, dep string) (name string, line int) {
	for _, f := range files {
		if f.dir() != rel || f.isTest() {
			continue
		}
		for _, spec := range f.ast.Imports {
			if spec.Path.Value == `"`+dep+`"` {
				return f.path, f.line(spec.Pos())
			}
		}
	}
	return rel, 0
}

// importGraph asks the go command for everything the module reaches.
func importGraph(t *testing.T) graph {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=ImportPath,Imports,ImportMap,Error", "./...")
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	g := make(graph)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			ImportMap  map[string]string
			Error      *struct{ Err string }
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatalf("read what go list says: %v", err)
		}
		if p.Error != nil {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		for i, imported := range p.Imports {
			if real, ok := p.ImportMap[imported]; ok {
				p.Imports[i] = real
			}
		}
		g[p.ImportPath] = p.Imports
	}
}

func TestRoomsReachNothingForbidden(t *testing.T) {
	files := theTree(t).product() // Opens every file, which go list does behind the test cache's back.
	report(t, checkReach(bans, importGraph(t), files))
}

func TestReachRuleFindsEachOffence(t *testing.T) {
	const us = module + "/"
	files := parseAll(t, map[string]string{
		"internal/judge/a.go": "package judge\n\nimport (\n\t\"fmt\"\n\t\"example.com/x\"\n)\n",
	})
	for name, tc := range map[string]struct {
		graph graph
		want  []string
	}{
		"reading errors and net/url is no network": {
			graph{us + "internal/judge": {"net/url", "errors"}, "net/url": {"net/netip"}}, nil,
		},
		"network behind another module is found, with its line": {
			graph{us + "internal/judge": {"fmt", "example.com/x"}, "example.com/x": {"example.com/y"}, "example.com/y": {"net"}},
			[]string{"internal/judge/a.go:5: " + us + "internal/judge → example.com/x → example.com/y → net: pure rooms compute and nothing else (D6)"},
		},
		"prefix is found": {
			graph{us + "internal/gateway": {"k8s.io/client-go"}},
			[]string{"internal/gateway: " + us + "internal/gateway → k8s.io/client-go: the data plane links no database and no Kubernetes client"},
		},
		"a store may know SQLite, and so may the wiring": {
			graph{us + "internal/ledger": {"modernc.org/sqlite"}, us + "internal/app/local": {us + "internal/ledger"}}, nil,
		},
		"SQLite elsewhere is found": {
			graph{us + "internal/gateway": {us + "internal/ledger"}, us + "internal/ledger": {"modernc.org/sqlite"}},
			[]string{"internal/gateway: " + us + "internal/gateway → " + us + "internal/ledger → modernc.org/sqlite: only the stores and the source sql, and what is built on them, know SQLite"},
		},
		"examples outside the demo are found": {
			graph{us + "internal/app/local": {us + "examples/digits"}, us + "internal/app/demo": {us + "examples/digits"}},
			[]string{"internal/app/local: " + us + "internal/app/local → " + us + "examples/digits: only the demo shows the examples"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantFindings(t, checkReach(bans, tc.graph, files), tc.want...)
		})
	}
}
