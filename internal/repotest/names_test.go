// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// emptyNames say nothing of what a package or file provides.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "base", "types", "manager"}

// checkNames finds packages, their folders and Go files with an empty name.
func checkNames(files []goFile) []finding {
	var found []finding
	complain := func(f goFile, line int, what, name string) {
		found = append(found, finding{f.path, line, fmt.Sprintf("%s named %s: name it by what it provides", what, name)})
	}
	for _, f := range files {
		pkg := strings.TrimSuffix(f.ast.Name.Name, "_test")
		if slices.Contains(emptyNames, pkg) {
			complain(f, f.line(f.ast.Name.Pos()), "package", pkg)
		}
		if dir := path.Base(f.dir()); dir != pkg && slices.Contains(emptyNames, dir) {
			complain(f, 0, "folder", dir)
		}
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		if slices.Contains(emptyNames, stem) {
			complain(f, 0, "file", stem)
		}
	}
	return found
}

// leak is a string that belongs to one machine, with words that say what it is
// without saying it: a proxy's address may hold a password.
type leak struct {
	what    string
	pattern *regexp.Regexp
}

// pathLeak matches an absolute path below dir, and not a relative path that
// happens to end in the same folders.
func pathLeak(what, dir string) leak {
	return leak{what, regexp.MustCompile(`(^|[^\w./-]|://)` + regexp.QuoteMeta(dir) + `/`)}
}

// everyones are folders that a checkout may well lie in and that a text may
// well mention: they tell nothing of a machine.
var everyones = []string{"/", "/app", "/builds", "/data", "/go", "/home", "/mnt", "/opt", "/src", "/srv", "/tmp", "/usr", "/usr/src", "/var", "/var/tmp", "/workspace"}

// leaks are the strings of this machine: where the tree lies, whose home is
// used and where modules come from.
func leaks(tree, home, temp, proxies string) []leak {
	everyone := func(dir string) bool { return slices.Contains(append(everyones, temp), dir) }
	var list []leak
	for _, dir := range []string{filepath.Dir(tree), tree} {
		if filepath.IsAbs(dir) && !everyone(dir) {
			list = append(list, pathLeak("where this working tree lies", filepath.ToSlash(dir)))
			break
		}
	}
	if filepath.IsAbs(home) && !everyone(home) {
		list = append(list, pathLeak("the home folder of this machine's user", filepath.ToSlash(home)))
	}
	for _, proxy := range strings.FieldsFunc(proxies, func(r rune) bool { return r == ',' || r == '|' }) {
		u, err := url.Parse(proxy)
		if err == nil && u.Host != "" {
			list = append(list, leak{"the module proxy of this machine", regexp.MustCompile(regexp.QuoteMeta(u.Host))})
		}
	}
	return list
}

// checkLeaks finds strings of one machine in any file.
func checkLeaks(list []leak, files map[string][]byte) []finding {
	var found []finding
	for _, name := range slices.Sorted(maps.Keys(files)) {
		n := 0
		for text := range bytes.Lines(files[name]) {
			n++
			for _, l := range list {
				if l.pattern.Match(text) {
					found = append(found, finding{name, n, "names " + l.what + "; take it out"})
				}
			}
		}
	}
	return found
}

func TestNamesSaySomething(t *testing.T) {
	report(t, checkNames(theTree(t).goSrc))
}

func TestNoFileNamesThisMachine(t *testing.T) {
	tree, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // A user without a home leaks none.
	}
	proxies, err := exec.CommandContext(t.Context(), "go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatalf("go env GOPROXY: %v", err)
	}
	list := leaks(tree, home, os.TempDir(), strings.TrimSpace(string(proxies)))
	report(t, checkLeaks(list, theTree(t).files))
}

func TestNamesRuleFindsEachOffence(t *testing.T) {
	for name, tc := range map[string]struct {
		path, pkg string
		want      []string
	}{
		"name that says something passes": {"internal/judge/verdict.go", "judge", nil},
		"part of a word passes":           {"internal/database/typeset.go", "database", nil},
		"package is found":                {"internal/util/a.go", "util", []string{"internal/util/a.go:1: package named util: name it by what it provides"}},
		"package of tests is found":       {"internal/base/a_test.go", "base_test", []string{"internal/base/a_test.go:1: package named base: name it by what it provides"}},
		"folder is found":                 {"internal/common/a.go", "a", []string{"internal/common/a.go: folder named common: name it by what it provides"}},
		"file is found":                   {"a/helpers.go", "a", []string{"a/helpers.go: file named helpers: name it by what it provides"}},
		"file of tests is found":          {"a/types_test.go", "a", []string{"a/types_test.go: file named types: name it by what it provides"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantFindings(t, checkNames(parseAll(t, map[string]string{tc.path: "package " + tc.pkg})), tc.want...)
		})
	}
}

func TestLeakRuleFindsEachOffence(t *testing.T) {
	const (
		lies  = "a.md:2: names where this working tree lies; take it out"
		home  = "a.md:2: names the home folder of this machine's user; take it out"
		proxy = "a.md:2: names the module proxy of this machine; take it out"
	)
	for name, tc := range map[string]struct {
		tree, text string
		want       []string
	}{
		"clean text passes":                {"/desk/tree", "see ../shared", nil},
		"relative path passes":             {"/desk/tree", "web/desk/x and ./desk/x", nil},
		"longer name passes":               {"/desk/tree", "/desktop/x", nil},
		"sibling of the tree is found":     {"/desk/tree", "cd /desk/other", []string{lies}},
		"path in quotes is found":          {"/desk/tree", `"/desk/tree/go.mod"`, []string{lies}},
		"path in a URL is found":           {"/desk/tree", "file:///desk/tree", []string{lies}},
		"home is found":                    {"/desk/tree", "PATH=/users/me/bin", []string{home}},
		"proxy is found and not repeated":  {"/desk/tree", "GOPROXY=http://mods.example:3000", []string{proxy}},
		"tree in a common folder: tree":    {"/tmp/tree", "cd /tmp/tree/x", []string{lies}},
		"tree in a common folder: sibling": {"/tmp/tree", "cd /tmp/other/x", nil},
		"container's folder tells nothing": {"/src", "COPY . /src/", nil},
	} {
		t.Run(name, func(t *testing.T) {
			list := leaks(tc.tree, "/users/me", "/scratch", "http://user:secret@mods.example:3000|direct")
			wantFindings(t, checkLeaks(list, map[string][]byte{"a.md": []byte("first\n" + tc.text + "\n")}), tc.want...)
		})
	}
}
