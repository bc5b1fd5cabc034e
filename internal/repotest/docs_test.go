// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// licence is the first line of every Go file; an empty line follows, or it
// would become the package comment.
const licence = "// SPDX-License-Identifier: Apache-2.0"

// checkLicence finds Go files that do not begin with the licence line.
func checkLicence(files []goFile) []finding {
	var found []finding
	for _, f := range files {
		if !bytes.HasPrefix(f.text, []byte(licence+"\n\n")) {
			found = append(found, finding{f.path, 1, fmt.Sprintf("does not begin with the line %q and an empty line", licence)})
		}
	}
	return found
}

// checkPackageDocs finds packages without a package comment, with more than
// one, or with one that does not begin as the go command expects. A package
// that is nothing but tests needs none.
func checkPackageDocs(files []goFile) []finding {
	byDir := make(map[string][]goFile)
	for _, f := range files {
		if !f.isTest() {
			byDir[f.dir()] = append(byDir[f.dir()], f)
		}
	}
	var found []finding
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		found = append(found, checkPackageDoc(dir, byDir[dir])...)
	}
	return found
}

func checkPackageDoc(dir string, files []goFile) []finding {
	name := files[0].ast.Name.Name
	begin := "Package " + name + " "
	if name == "main" {
		begin = "Command " + path.Base(dir) + " "
	}
	var found []finding
	first := ""
	for _, f := range files {
		text := f.ast.Doc.Text() // Without directives such as go:build.
		switch {
		case text == "":
			continue
		case strings.HasPrefix(text, "SPDX-License-Identifier"):
			found = append(found, finding{f.path, f.line(f.ast.Doc.Pos()), "the licence line became the package comment; put an empty line after it"})
			continue
		case first != "":
			found = append(found, finding{f.path, f.line(f.ast.Doc.Pos()), "second package comment; " + first + " has the first"})
			continue
		}
		first = f.path
		if !strings.HasPrefix(strings.ReplaceAll(text, "\n", " "), begin) {
			found = append(found, finding{f.path, f.line(f.ast.Doc.Pos()), fmt.Sprintf("package comment does not begin with %q", begin)})
		}
	}
	if first == "" {
		found = append(found, finding{dir, 0, fmt.Sprintf("no package comment; say what the package decides or promises, beginning with %q", begin)})
	}
	return found
}

func TestEveryGoFileNamesItsLicence(t *testing.T) {
	report(t, checkLicence(theTree(t).goSrc))
}

func TestEveryPackageSaysWhatItPromises(t *testing.T) {
	report(t, checkPackageDocs(theTree(t).goSrc))
}

func TestLicenceRuleFindsEachOffence(t *testing.T) {
	missing := fmt.Sprintf("a/a.go:1: does not begin with the line %q and an empty line", licence)
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"licence and empty line pass": {licence + "\n\npackage a\n", nil},
		"missing line is found":       {"package a\n", []string{missing}},
		"second line is found":        {"\n" + licence + "\n\npackage a\n", []string{missing}},
		"no empty line is found":      {licence + "\npackage a\n", []string{missing}},
		"another licence is found":    {"// SPDX-License-Identifier: MIT\n\npackage a\n", []string{missing}},
	} {
		t.Run(name, func(t *testing.T) {
			wantFindings(t, checkLicence(parseAll(t, map[string]string{"a/a.go": tc.text})), tc.want...)
		})
	}
}

func TestPackageDocRuleFindsEachOffence(t *testing.T) {
	const none = `no package comment; say what the package decides or promises, beginning with `
	for name, tc := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"comment in one file passes": {map[string]string{"a/a.go": "// Package a adds.\npackage a", "a/b.go": "package a"}, nil},
		"comment that wraps passes":  {map[string]string{"a/a.go": "// Package a\n// adds.\npackage a"}, nil},
		"command passes":             {map[string]string{"cmd/x/main.go": "// Command x adds.\npackage main"}, nil},
		"only tests pass":            {map[string]string{"a/a_test.go": "package a"}, nil},
		"no comment is found":        {map[string]string{"a/a.go": "package a"}, []string{"a: " + none + `"Package a "`}},
		"command without is found":   {map[string]string{"cmd/x/main.go": "package main"}, []string{"cmd/x: " + none + `"Command x "`}},
		"build line is no comment":   {map[string]string{"a/a.go": "//go:build linux\npackage a"}, []string{"a: " + none + `"Package a "`}},
		"other beginning is found":   {map[string]string{"a/a.go": "// This adds.\npackage a"}, []string{`a/a.go:1: package comment does not begin with "Package a "`}},
		"other name is found":        {map[string]string{"a/a.go": "// Package ab adds.\npackage a"}, []string{`a/a.go:1: package comment does not begin with "Package a "`}},
		"two comments are found": {
			map[string]string{"a/a.go": "// Package a adds.\npackage a", "a/b.go": "\n// Package a adds.\npackage a"},
			[]string{"a/b.go:2: second package comment; a/a.go has the first"},
		},
		"licence as comment is found": {
			map[string]string{"a/a.go": licence + "\npackage a"},
			[]string{"a/a.go:1: the licence line became the package comment; put an empty line after it", "a: " + none + `"Package a "`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantFindings(t, checkPackageDocs(parseAll(t, tc.files)), tc.want...)
		})
	}
}
