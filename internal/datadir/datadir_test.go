// SPDX-License-Identifier: Apache-2.0

package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOneProcessHoldsADirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data")
	d := open(t, path)
	if _, err := Open(path); experiment.CodeOf(err) != experiment.CodeConflict || experiment.HintOf(err) == "" {
		t.Errorf("a second holder: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v %v", left, err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

func TestTheKeyIsMadeOnce(t *testing.T) {
	d := open(t, t.TempDir())
	first, err := d.Key()
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.Key()
	if err != nil || first.HashUnit("u") != again.HashUnit("u") {
		t.Errorf("another key: %v", err)
	}
	if info, err := os.Stat(d.Path(keyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.WriteFile(d.Path(keyFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Key(); experiment.CodeOf(err) != experiment.CodeInvalid || strings.Contains(err.Error(), "short") {
		t.Errorf("a bad key: %v", err)
	}
}

func TestWritingLeavesAWholeFileOrTheOneBefore(t *testing.T) {
	d := open(t, t.TempDir())
	for _, text := range []string{"one", "another"} {
		if err := d.Write("f", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(d.Path("f")); err != nil || string(got) != text {
			t.Errorf("%q %v", got, err)
		}
	}
	if err := os.Mkdir(d.Path("taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if d.Write("taken", nil) == nil {
		t.Error("it has replaced a directory")
	}
	if left, err := filepath.Glob(d.Path(".*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v %v", left, err)
	}
}
