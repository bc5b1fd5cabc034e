// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// sumsName is the file of checksums: of every source, and of what was built.
const sumsName = "SOURCES.sha256"

// build makes the files of dist, by name, in memory.
func build(dir string) (map[string][]byte, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the sources: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		return nil, fmt.Errorf("find the packages that are bundled: %w (run npm ci there)", err)
	}
	html, err := os.ReadFile(filepath.Join(dir, "src", "index.html"))
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	files := map[string][]byte{"index.html": html}
	script, meta, err := bundle(dir, "main.tsx")
	if err != nil {
		return nil, err
	}
	files["app.js"] = script
	if files["app.css"], _, err = bundle(dir, "app.css"); err != nil {
		return nil, err
	}
	if files["LICENSES.txt"], err = licenses(dir, meta); err != nil {
		return nil, err
	}
	if files[sumsName], err = sums(dir, files); err != nil {
		return nil, err
	}
	return files, nil
}

// bundle makes one file of an entry of src and all that it imports, and says
// in meta what that was.
func bundle(dir, entry string) (text []byte, meta string, err error) {
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     dir,
		EntryPoints:       []string{"src/" + entry},
		Outdir:            "dist",
		Bundle:            true,
		Format:            api.FormatESModule,
		Target:            api.ES2022,
		Platform:          api.PlatformBrowser,
		JSX:               api.JSXAutomatic,
		JSXImportSource:   "preact",
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsNone, // They are in LICENSES.txt.
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		// Short enough lines that a change of the built file can be compared.
		LineLimit: 160,
		Metafile:  true,
		LogLevel:  api.LogLevelSilent,
	})
	var problems []error
	for _, m := range slices.Concat(result.Errors, result.Warnings) {
		where := ""
		if m.Location != nil {
			where = fmt.Sprintf("%s:%d: ", m.Location.File, m.Location.Line)
		}
		problems = append(problems, fmt.Errorf("bundle %s: %s%s", entry, where, m.Text))
	}
	if len(problems) > 0 {
		return nil, "", errors.Join(problems...)
	}
	if n := len(result.OutputFiles); n != 1 {
		return nil, "", fmt.Errorf("bundle %s: made %d files, want 1", entry, n)
	}
	return result.OutputFiles[0].Contents, result.Metafile, nil
}

// licenses quotes the license of every package that a bundle took something
// from.
func licenses(dir, meta string) ([]byte, error) {
	var m struct {
		Inputs map[string]struct{} `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(meta), &m); err != nil {
		return nil, fmt.Errorf("read what was bundled: %w", err)
	}
	packages := make(map[string]bool)
	for input := range m.Inputs {
		_, rest, ok := strings.Cut(input, "node_modules/")
		if !ok {
			continue
		}
		parts := strings.Split(rest, "/")
		name := parts[0]
		if strings.HasPrefix(name, "@") && len(parts) > 1 {
			name += "/" + parts[1]
		}
		packages[name] = true
	}
	var out bytes.Buffer
	out.WriteString("Headgate's page is under the Apache License 2.0. It contains:\n")
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		if err := quoteLicense(&out, filepath.Join(dir, "node_modules", filepath.FromSlash(name)), name); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func quoteLicense(out *bytes.Buffer, dir, name string) error {
	data, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return fmt.Errorf("read what %s is: %w", name, err)
	}
	var p struct{ Version, License string }
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("read what %s is: %w", name, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "LICENSE"))
	if err != nil {
		return fmt.Errorf("read the license of %s: %w", name, err)
	}
	fmt.Fprintf(out, "\n%s %s (%s)\n\n%s\n", name, p.Version, p.License, bytes.TrimSpace(text))
	return nil
}

// sums lists the checksums of the sources and of what was built of them, in
// the form that sha256sum -c reads, by path from dir. web/web_test.go checks
// them wherever there is no Node.
func sums(dir string, built map[string][]byte) ([]byte, error) {
	all := make(map[string][]byte)
	for name, text := range built {
		all[path.Join("dist", name)] = text
	}
	sources := []string{"package.json", "package-lock.json", "tsconfig.json"}
	err := fs.WalkDir(os.DirFS(dir), "src", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			sources = append(sources, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the sources: %w", err)
	}
	for _, name := range sources {
		if all[name], err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return nil, fmt.Errorf("read a source: %w", err)
		}
	}
	var out bytes.Buffer
	for _, name := range names(all) {
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(all[name]), name)
	}
	return out.Bytes(), nil
}

func names(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }
