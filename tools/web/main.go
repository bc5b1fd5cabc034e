// SPDX-License-Identifier: Apache-2.0

// Command web builds Headgate's page: it bundles web/src with esbuild into
// web/dist, and writes beside it the licenses of what is bundled and the
// checksums by which a test without Node notices that dist is stale.
//
// The same sources give the same bytes. It needs web/node_modules (npm ci).
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", filepath.Join("..", "web"), "the folder of the page's sources")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintf(os.Stderr, "web: %v\n", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	files, err := build(dir)
	if err != nil {
		return err
	}
	dist := filepath.Join(dir, "dist")
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return fmt.Errorf("make the folder of what is built: %w", err)
	}
	total := 0
	for _, name := range names(files) {
		if err := os.WriteFile(filepath.Join(dist, name), files[name], 0o644); err != nil {
			return fmt.Errorf("write what is built: %w", err)
		}
		total += len(files[name])
		fmt.Printf("%7d  dist/%s\n", len(files[name]), name)
	}
	fmt.Printf("%7d  bytes in all\n", total)
	return nil
}
