// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"testing"
)

// impure names what a pure room may not use of a package. With only set, the
// list is of what it may use.
var impure = map[string]struct {
	names []string
	only  bool
	hint  string
}{
	"time": {
		names: []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"},
		hint:  "take the time as a value",
	},
	"math/rand/v2": {
		names: []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"},
		only:  true, hint: "draw from a rand.Rand with a given source",
	},
	"math/rand": {
		names: []string{"New", "NewSource", "NewZipf", "Rand", "Source", "Source64", "Zipf"},
		only:  true, hint: "draw from a rand.Rand with a given source",
	},
	"crypto/rand": {only: true, hint: "take what is random as a value"},
}

// checkClock finds, in the non-test files of pure rooms, every use of the
// clock and of randomness that nobody can repeat. A function handed on as a
// value is a use too.
func checkClock(rooms []string, files []goFile) []finding {
	var found []finding
	for _, f := range files {
		pure := slices.ContainsFunc(rooms, func(room string) bool { return matches(room, f.dir()) })
		if f.isTest() || !pure {
			continue
		}
		imported := make(map[string]string) // name in this file → import path
		for _, spec := range f.ast.Imports {
			pkg, _ := strconv.Unquote(spec.Path.Value)
			if _, watched := impure[pkg]; !watched {
				continue
			}
			name := path.Base(pkg)
			if name == "v2" {
				name = path.Base(path.Dir(pkg))
			}
			if spec.Name != nil {
				name = spec.Name.Name
			}
			if name == "." {
				found = append(found, finding{f.path, f.line(spec.Pos()), fmt.Sprintf("%s imports all of %s into a pure room", f.dir(), pkg)})
			}
			imported[name] = pkg
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			// An identifier with an object is a variable that hides the import.
			id, ok := sel.X.(*ast.Ident)
			if !ok || id.Obj != nil {
				return true
			}
			rule, watched := impure[imported[id.Name]]
			if watched && slices.Contains(rule.names, sel.Sel.Name) != rule.only {
				found = append(found, finding{f.path, f.line(sel.Pos()), fmt.Sprintf("%s is pure and may not use %s.%s: %s", f.dir(), imported[id.Name], sel.Sel.Name, rule.hint)})
			}
			return true
		})
	}
	return found
}

func TestPureRoomsHaveNoClockAndNoDice(t *testing.T) {
	report(t, checkClock(pureRooms, theTree(t).product()))
}

func TestClockRuleFindsEachOffence(t *testing.T) {
	for name, tc := range map[string]struct {
		path, imports, body string
		want                []string
	}{
		"durations and times as values pass": {"stats/a.go", `"time"`, "var _ = time.Second\nvar _ time.Time", nil},
		"explicit source passes":             {"stats/a.go", `"math/rand/v2"`, "var _ = rand.New(rand.NewPCG(1, 2)).Float64()", nil},
		"a test may look at the clock":       {"stats/a_test.go", `"time"`, "var _ = time.Now()", nil},
		"an adapter may look at the clock":   {"internal/ledger/a.go", `"time"`, "var _ = time.Now()", nil},
		"a variable of that name passes":     {"stats/a.go", `"time"`, "func f(time struct{ Now int }) int { return time.Now }", nil},
		"the clock is found":                 {"stats/a.go", `"time"`, "var _ = time.Now()", []string{"stats/a.go:5: stats is pure and may not use time.Now: take the time as a value"}},
		"the clock as a value is found":      {"stats/a.go", `"time"`, "var now = time.Now", []string{"stats/a.go:5: stats is pure and may not use time.Now: take the time as a value"}},
		"the clock renamed is found":         {"stats/a.go", `tm "time"`, "func f() { tm.Sleep(1) }", []string{"stats/a.go:5: stats is pure and may not use time.Sleep: take the time as a value"}},
		"global dice are found":              {"stats/a.go", `"math/rand/v2"`, "var _ = rand.IntN(6)", []string{"stats/a.go:5: stats is pure and may not use math/rand/v2.IntN: draw from a rand.Rand with a given source"}},
		"global dice of old are found":       {"stats/a.go", `"math/rand"`, "var _ = rand.Intn(6)", []string{"stats/a.go:5: stats is pure and may not use math/rand.Intn: draw from a rand.Rand with a given source"}},
		"secret dice are found":              {"stats/a.go", `"crypto/rand"`, "var _ = rand.Reader", []string{"stats/a.go:5: stats is pure and may not use crypto/rand.Reader: take what is random as a value"}},
		"dot import is found":                {"stats/a.go", `. "time"`, "var _ = Now()", []string{"stats/a.go:3: stats imports all of time into a pure room"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := parseAll(t, map[string]string{tc.path: "package a\n\nimport " + tc.imports + "\n\n" + tc.body + "\n"})
			wantFindings(t, checkClock(pureRooms, files), tc.want...)
		})
	}
}
