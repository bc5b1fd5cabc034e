// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedFilesAreFresh does what go generate does, elsewhere, and compares.
// Building the generator takes a minute the first time.
func TestGeneratedFilesAreFresh(t *testing.T) {
	if os.Getenv("HEADGATE_E2E") == "" {
		t.Skip("builds controller-gen; set HEADGATE_E2E=1")
	}
	deepcopy, objects := t.TempDir(), t.TempDir()
	commands := directives(t)
	if len(commands) != 2 {
		t.Fatalf("%d go:generate lines, want 2: %q", len(commands), commands)
	}
	run(t, commands[0]+" output:object:dir="+deepcopy)
	run(t, strings.Replace(commands[1], "output:crd:dir=../../config/crd/iter8", "output:crd:dir="+objects, 1))
	same(t, filepath.Join(deepcopy, "zz_generated.deepcopy.go"), "zz_generated.deepcopy.go")
	fresh, err := filepath.Glob(filepath.Join(objects, "*.yaml"))
	if err != nil || len(fresh) != 2 {
		t.Fatalf("%d schemas are generated: %v", len(fresh), err)
	}
	for _, file := range fresh {
		same(t, file, filepath.Join("..", "..", "config", "crd", "iter8", filepath.Base(file)))
	}
}

// directives are the commands that go generate runs here.
func directives(t *testing.T) []string {
	t.Helper()
	file, err := os.Open("iter8.go")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if command, ok := strings.CutPrefix(lines.Text(), "//go:generate "); ok {
			out = append(out, command)
		}
	}
	return out
}

func run(t *testing.T, command string) {
	t.Helper()
	words := strings.Fields(command)
	if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func same(t *testing.T, fresh, have string) {
	t.Helper()
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(have)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale, run make generate (-want +have):\n%s", have, diff)
	}
}
