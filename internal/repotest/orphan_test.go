// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listers are the functions, and the option of testscript, that read a whole
// folder: a test that uses one and names the folder reads every file in it.
var listers = []string{"ReadDir", "Glob", "Walk", "WalkDir", "DirFS", "Dir", "Dirs"}

// mentions is what the tests of one package say about files.
type mentions struct {
	literals []string // string literals, and joined paths
	lists    bool     // a lister is used
	funcs    map[string]bool
}

// collect reads what the test files of one folder mention.
func collect(files []goFile) mentions {
	m := mentions{funcs: make(map[string]bool)}
	var inPath []ast.Expr // literals that are counted as part of a joined path
	for _, f := range files {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if list, ok := strings.CutPrefix(c.Text, "//go:embed "); ok {
					m.lists = true
					m.literals = append(m.literals, strings.Fields(list)...)
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.FuncDecl:
				m.funcs[x.Name.Name] = true
			case *ast.SelectorExpr:
				m.lists = m.lists || slices.Contains(listers, x.Sel.Name)
			case *ast.KeyValueExpr:
				if key, ok := x.Key.(*ast.Ident); ok {
					m.lists = m.lists || slices.Contains(listers, key.Name)
				}
			case *ast.CallExpr:
				if dir, parts := joined(x); len(parts) > 0 {
					m.literals = append(m.literals, dir)
					inPath = append(inPath, parts...)
				}
			case *ast.BasicLit:
				if s, ok := literal(x); ok && !slices.Contains(inPath, ast.Expr(x)) {
					m.literals = append(m.literals, s)
				}
			}
			return true
		})
	}
	return m
}

// joined is the path that a call of Join makes of its leading literals.
func joined(call *ast.CallExpr) (dir string, parts []ast.Expr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Join" {
		return "", nil
	}
	for _, arg := range call.Args {
		s, ok := literal(arg)
		if !ok {
			break
		}
		dir = path.Join(dir, s)
		parts = append(parts, arg)
	}
	return dir, parts
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// names says whether a literal names the file itself.
func (m mentions) names(rel string) bool {
	base := path.Base(rel)
	return slices.ContainsFunc(m.literals, func(s string) bool { return s == base || strings.HasSuffix(s, "/"+base) })
}

// sweeps says whether the tests read the file because they read a folder or a
// pattern.
func (m mentions) sweeps(rel string) bool {
	if dir, ok := strings.CutPrefix(path.Dir(rel), "testdata/fuzz/"); ok {
		return m.funcs[dir] // The go command reads the corpus of a fuzz test.
	}
	return m.lists && slices.ContainsFunc(m.literals, func(s string) bool {
		s = path.Clean(s)
		if s == "testdata" || strings.HasPrefix(s, "testdata/") {
			if within(rel, s) {
				return true
			}
		}
		if !strings.ContainsAny(s, "*?[") {
			return false
		}
		whole, err := path.Match(s, rel)
		last, err2 := path.Match(s, path.Base(rel))
		return err == nil && whole || err2 == nil && last
	})
}

// builds says whether the name is put together from a stem and an ending: the
// stem is a literal (a case "rolls back" has the file rolls_back.golden) or
// that of a neighbour which a pattern finds, the ending is a literal.
func (m mentions) builds(rel string, neighbours []string) bool {
	base := path.Base(rel)
	return slices.ContainsFunc(m.literals, func(ending string) bool {
		stem, ok := strings.CutSuffix(base, ending)
		if !ok || stem == "" || !strings.HasPrefix(ending, ".") {
			return false
		}
		if slices.ContainsFunc(m.literals, func(s string) bool { return strings.ReplaceAll(s, " ", "_") == stem }) {
			return true
		}
		return slices.ContainsFunc(neighbours, func(other string) bool {
			return other != rel && path.Dir(other) == path.Dir(rel) && strings.HasPrefix(path.Base(other), stem+".") && m.sweeps(other)
		})
	})
}

// checkOrphans finds files below a testdata folder that no test beside the
// folder reads. It goes by what the tests mention, so it can be fooled, but
// not by a file that was left behind.
func checkOrphans(tr *tree) []finding {
	below := make(map[string][]string) // folder beside testdata → files, relative to it
	for _, name := range slices.Sorted(maps.Keys(tr.files)) {
		parts := strings.Split(name, "/")
		if at := slices.Index(parts, "testdata"); at >= 0 && at < len(parts)-1 {
			dir := path.Join(append([]string{"."}, parts[:at]...)...)
			below[dir] = append(below[dir], path.Join(parts[at:]...))
		}
	}
	var found []finding
	for _, dir := range slices.Sorted(maps.Keys(below)) {
		m := collect(slices.DeleteFunc(slices.Clone(tr.goSrc), func(f goFile) bool { return f.dir() != dir || !f.isTest() }))
		for _, rel := range below[dir] {
			if !m.names(rel) && !m.sweeps(rel) && !m.builds(rel, below[dir]) {
				found = append(found, finding{path.Join(dir, rel), 0, "no test in " + dir + " reads it"})
			}
		}
	}
	return found
}

func TestEveryTestdataFileIsRead(t *testing.T) {
	report(t, checkOrphans(theTree(t)))
}

func TestOrphanRuleFindsEachOffence(t *testing.T) {
	for name, tc := range map[string]struct {
		test  string
		files []string
		want  []string // orphans among files
	}{
		"file named":                   {`_ = read("testdata/a.txt")`, []string{"a.txt"}, nil},
		"file named by its last part":  {`_ = filepath.Join("testdata", name("a.txt"))`, []string{"a.txt"}, nil},
		"file not named":               {`_ = read("testdata/a.txt")`, []string{"a.txt", "b.txt"}, []string{"b.txt"}},
		"name only contained":          {`_ = read("testdata/aa.txt")`, []string{"a.txt"}, []string{"a.txt"}},
		"name only in a comment":       {`_ = 1 // testdata/a.txt`, []string{"a.txt"}, []string{"a.txt"}},
		"folder listed":                {`_, _ = os.ReadDir("testdata/in")`, []string{"in/a.txt", "in/b.txt", "c.txt"}, []string{"c.txt"}},
		"folder joined and listed":     {`_, _ = os.ReadDir(filepath.Join("testdata", "in"))`, []string{"in/a.txt", "other/b.txt"}, []string{"other/b.txt"}},
		"whole testdata walked":        {`datadriven.Walk(t, "testdata", nil)`, []string{"a", "b/c"}, nil},
		"folder named but not listed":  {`_ = read(filepath.Join("testdata", x))`, []string{"a.txt"}, []string{"a.txt"}},
		"folder of scripts":            {`testscript.Run(t, testscript.Params{Dir: "testdata/script"})`, []string{"script/a.txt", "b.txt"}, []string{"b.txt"}},
		"pattern":                      {`_, _ = filepath.Glob("testdata/*.in")`, []string{"a.in", "a.out"}, []string{"a.out"}},
		"pattern and derived ending":   {`_, _ = filepath.Glob("testdata/*.in.yaml"); _ = ".out.yaml"`, []string{"a.in.yaml", "a.out.yaml", "b.out.yaml"}, []string{"b.out.yaml"}},
		"pattern nobody globs":         {`_ = "testdata/*.in"`, []string{"a.in"}, []string{"a.in"}},
		"case name and ending":         {`_ = []string{"rolls back"}; _ = ".golden"`, []string{"rolls_back.golden", "left.golden"}, []string{"left.golden"}},
		"corpus of a fuzz test":        {``, []string{"fuzz/FuzzA/0123", "fuzz/FuzzGone/0123"}, []string{"fuzz/FuzzGone/0123"}},
		"no test at all but a listing": {`_, _ = os.ReadDir(".")`, []string{"a.txt"}, []string{"a.txt"}},
	} {
		t.Run(name, func(t *testing.T) {
			texts := map[string]string{"p/a_test.go": "package p\nfunc FuzzA() {\n" + tc.test + "\n}\n"}
			for _, f := range tc.files {
				texts["p/testdata/"+f] = ""
			}
			var want []string
			for _, f := range tc.want {
				want = append(want, "p/testdata/"+f+": no test in p reads it")
			}
			wantFindings(t, checkOrphans(memoryTree(t, texts)), want...)
		})
	}
	t.Run("embedded folder", func(t *testing.T) {
		wantFindings(t, checkOrphans(memoryTree(t, map[string]string{
			"p/a_test.go":      "package p\n\n//go:embed testdata/*.txt\nvar files embed.FS\n",
			"p/testdata/a.txt": "", "p/testdata/b.md": "",
		})), "p/testdata/b.md: no test in p reads it")
	})
	t.Run("tests of another package do not count", func(t *testing.T) {
		wantFindings(t, checkOrphans(memoryTree(t, map[string]string{
			"q/a_test.go":      "package q\n\nvar _ = \"testdata/a.txt\"\n",
			"p/testdata/a.txt": "",
		})), "p/testdata/a.txt: no test in p reads it")
	})
}
