// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/web"
)

// maxPage bounds what a browser loads, in bytes, uncompressed.
const maxPage = 60_000

// TestDistIsOfTheseSources compares checksums, so that a change of the sources
// without make web is noticed without Node. Where Node's packages are, the
// test of tools/web builds anew and compares bytes.
func TestDistIsOfTheseSources(t *testing.T) {
	sums, err := os.ReadFile(filepath.Join("dist", "SOURCES.sha256"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(sums)) {
		want, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			t.Fatalf("line %q is no checksum", line)
		}
		listed = append(listed, name)
		text, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Errorf("%v: run make web", err)
		} else if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != want {
			t.Errorf("%s is not what dist was built of: run make web", name)
		}
	}
	present := []string{"package.json", "package-lock.json", "tsconfig.json"}
	for _, dir := range []string{"src", "dist"} {
		err := fs.WalkDir(os.DirFS("."), dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && name != "dist/SOURCES.sha256" {
				present = append(present, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(present)
	if !slices.Equal(listed, present) {
		t.Errorf("dist/SOURCES.sha256 lists\n%v, there are\n%v: run make web", listed, present)
	}
}

// readAll reads the files that a browser loads.
func readAll(t *testing.T) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, name := range []string{"index.html", "app.js", "app.css"} {
		text, err := fs.ReadFile(web.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = text
	}
	return files
}

func TestPageIsSmall(t *testing.T) {
	total := 0
	for name, text := range readAll(t) {
		if len(text) < 200 {
			t.Errorf("%s has %d bytes: nothing is in it", name, len(text))
		}
		total += len(text)
	}
	t.Logf("%d bytes", total)
	if total > maxPage {
		t.Errorf("the page has %d bytes, the limit is %d", total, maxPage)
	}
}

// otherHost finds an address of a host. Those of XML namespaces are names, not
// places to go to.
var otherHost = regexp.MustCompile(`(?i)(https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^"'\s)]*`)

func TestPageNeedsNoOtherHost(t *testing.T) {
	for name, text := range readAll(t) {
		for _, address := range otherHost.FindAll(text, -1) {
			if !bytes.HasPrefix(address, []byte("http://www.w3.org/")) {
				t.Errorf("%s names %s", name, address)
			}
		}
	}
	html := readAll(t)["index.html"]
	if regexp.MustCompile(`<script(?:[^>]*)>[^<]`).Match(html) || regexp.MustCompile(`<style|\son[a-z]+=|\sstyle=`).Match(html) {
		t.Error("index.html has a script or a style in it, which its Content-Security-Policy forbids")
	}
}

func TestLicensesOfWhatIsBundledAreThere(t *testing.T) {
	text, err := fs.ReadFile(web.FS(), "LICENSES.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"preact ", "The MIT License", "Permission is hereby granted"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("LICENSES.txt does not say %q", want)
		}
	}
}

// TestLockNamesNoRegistry: the lock pins packages by checksum, wherever they
// come from, and so needs no address.
func TestLockNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte(`"resolved"`)) {
		t.Error("package-lock.json says where packages came from: take its resolved fields out")
	}
	if !bytes.Contains(lock, []byte(`"integrity": "sha512-`)) {
		t.Error("package-lock.json has no checksums")
	}
	if regexp.MustCompile(`"version": "[~^><*]`).Match(lock) {
		t.Error("package-lock.json has a version that is not exact")
	}
}
