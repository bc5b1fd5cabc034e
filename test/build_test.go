// SPDX-License-Identifier: Apache-2.0

package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuild builds the program as a release is built and asks it what it is.
func TestBuild(t *testing.T) {
	const version = "v0.0.0-built.by.test"
	binary := filepath.Join(t.TempDir(), "headgate")

	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-X main.version="+version, "-o", binary, "./cmd/headgate")
	build.Dir = ".." // The program belongs to the product's module.
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}

	out, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	if err != nil {
		t.Fatalf("headgate version: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), version) {
		t.Errorf("headgate version says %q, want the version it was built with, %s", out, version)
	}
}
