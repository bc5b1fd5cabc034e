// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the path of the product's module.
const module = "github.com/headgate-dev/headgate"

// root is the top of the working tree, seen from this package's folder, which
// is where go test runs it.
var root = filepath.Join("..", "..")

// finding is one broken rule at one place.
type finding struct {
	path string // slash-separated, from the top of the repository
	line int    // 1-based; 0 when the whole file or folder is meant
	text string
}

func (f finding) String() string {
	if f.line == 0 {
		return f.path + ": " + f.text
	}
	return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text)
}

// report fails t once for every finding.
func report(t *testing.T, found []finding) {
	t.Helper()
	for _, f := range found {
		t.Error(f)
	}
}

// goFile is one parsed Go file.
type goFile struct {
	path string // slash-separated, from the top of the repository
	text []byte
	ast  *ast.File
	fset *token.FileSet
}

// dir is the folder of the file, "." for the top.
func (f goFile) dir() string { return path.Dir(f.path) }

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f goFile) isGenerated() bool { return ast.IsGenerated(f.ast) }

func (f goFile) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// parse reads one Go file from memory.
func parse(name string, text []byte) (goFile, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return goFile{}, fmt.Errorf("parse: %w", err)
	}
	return goFile{path: name, text: text, ast: file, fset: fset}, nil
}

// tree is what the repository holds: every file that is committed or would be,
// and the parsed Go files among them.
type tree struct {
	files  map[string][]byte
	goSrc  []goFile // outside testdata, by path
	nested []string // folders that are modules of their own
}

// product lists the Go files of the product's own module.
func (tr *tree) product() []goFile {
	return slices.DeleteFunc(slices.Clone(tr.goSrc), func(f goFile) bool {
		return slices.ContainsFunc(tr.nested, func(dir string) bool { return within(f.path, dir) })
	})
}

// within says whether name is dir or lies below it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

var readTree = sync.OnceValues(func() (*tree, error) {
	names, err := listFiles()
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(names))
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // Another package's test, which runs beside us, took it away again.
		}
		if err != nil {
			return nil, fmt.Errorf("read the tree: %w", err)
		}
		files[name] = text
	}
	return newTree(files)
})

// newTree parses the Go files among files.
func newTree(files map[string][]byte) (*tree, error) {
	tr := &tree{files: files}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if dir, base := path.Split(name); base == "go.mod" && dir != "" {
			tr.nested = append(tr.nested, path.Clean(dir))
		}
		if path.Ext(name) != ".go" || slices.Contains(strings.Split(name, "/"), "testdata") {
			continue
		}
		f, err := parse(name, files[name])
		if err != nil {
			return nil, err
		}
		tr.goSrc = append(tr.goSrc, f)
	}
	return tr, nil
}

// theTree is the repository as it stands.
func theTree(t *testing.T) *tree {
	t.Helper()
	tr, err := readTree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// listFiles names the regular files that git tracks or would track; without
// git it names all that a walk meets.
//
// The walk is made in both cases. The go command caches a passing test by the
// files and folders that the test itself opens and cannot see what a child
// process reads, so without it a new file would not run the tests again.
func listFiles() ([]string, error) {
	var walked []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != root {
			return nil // As above: it was there for a moment.
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && slices.Contains([]string{".git", "bin", "node_modules"}, d.Name()) {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			walked = append(walked, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("walk the tree: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return walked, nil
	}
	// Git may be missing, or refuse a tree of another owner: then the walk stands.
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return walked, nil
	}
	known := make(map[string]bool)
	for name := range bytes.SplitSeq(out, []byte{0}) {
		known[string(name)] = true
	}
	return slices.DeleteFunc(walked, func(name string) bool { return !known[name] }), nil
}

// parseAll parses files given in memory, for the tests of the rules.
func parseAll(t *testing.T, texts map[string]string) []goFile {
	t.Helper()
	return memoryTree(t, texts).goSrc
}

// memoryTree builds a tree from files given in memory.
func memoryTree(t *testing.T, texts map[string]string) *tree {
	t.Helper()
	files := make(map[string][]byte, len(texts))
	for name, text := range texts {
		files[name] = []byte(text)
	}
	tr, err := newTree(files)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// wantFindings compares findings, as text, with want.
func wantFindings(t *testing.T, got []finding, want ...string) {
	t.Helper()
	var lines []string
	for _, f := range got {
		lines = append(lines, f.String())
	}
	if !slices.Equal(lines, want) {
		t.Errorf("findings:\n  %s\nwant:\n  %s", strings.Join(lines, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestTreeIsTheRepository(t *testing.T) {
	tr := theTree(t)
	for _, name := range []string{"go.mod", "internal/repotest/doc.go", "internal/repotest/tree_test.go"} {
		if _, ok := tr.files[name]; !ok {
			t.Errorf("%s is not among the %d files read: every other rule would pass on nothing", name, len(tr.files))
		}
	}
	if !bytes.HasPrefix(tr.files["go.mod"], []byte("module "+module+"\n")) {
		t.Errorf("go.mod does not begin with %q", "module "+module)
	}
}
