// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var webDir = filepath.Join("..", "..", "web")

// needPackages skips a test where npm ci has not been run: there, web's own
// test compares checksums.
func needPackages(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(webDir, "node_modules")); err != nil {
		t.Skip("web/node_modules is not there (make web fetches it): only checksums are compared, by web's own test")
	}
}

func TestDistIsWhatTheSourcesGive(t *testing.T) {
	needPackages(t)
	files, err := build(webDir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(webDir, "dist"))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if want := names(files); !slices.Equal(have, want) {
		t.Errorf("dist holds %v, want %v: run make web", have, want)
	}
	for _, name := range names(files) {
		got, err := os.ReadFile(filepath.Join(webDir, "dist", name))
		if err != nil || !bytes.Equal(got, files[name]) {
			t.Errorf("dist/%s is stale (%v): run make web", name, err)
		}
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	needPackages(t)
	first, err := build(webDir)
	if err != nil {
		t.Fatal(err)
	}
	// From another folder: no path of this machine may get into what is built.
	elsewhere := t.TempDir()
	if err := os.CopyFS(elsewhere, os.DirFS(webDir)); err != nil {
		t.Fatal(err)
	}
	second, err := build(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names(first) {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs between two builds", name)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := build(dir); err == nil || !bytes.Contains([]byte(err.Error()), []byte("npm ci")) {
		t.Errorf("without packages the error is %v, want one that names npm ci", err)
	}
	for name, text := range map[string]string{"node_modules/x": "", "src/index.html": "<p>", "src/main.tsx": "let a = ;", "src/app.css": "a{}"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := build(dir); err == nil || !bytes.Contains([]byte(err.Error()), []byte("src/main.tsx:1: ")) {
		t.Errorf("the error is %v, want one that names the line", err)
	}
}
