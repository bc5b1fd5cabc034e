// SPDX-License-Identifier: Apache-2.0

package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const version = "v0.0.0-built.by.test"

// build builds the program as a release is built.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "headgate")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-X main.version="+version, "-o", binary, "./cmd/headgate")
	cmd.Dir = ".." // The program belongs to the product's module.
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// TestBuild asks the program what it is.
func TestBuild(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), build(t), "version").CombinedOutput()
	if err != nil {
		t.Fatalf("headgate version: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), version) {
		t.Errorf("headgate version says %q, want the version it was built with, %s", out, version)
	}
}
