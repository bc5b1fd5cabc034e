// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/record/recordtest"
)

const crashFile = "HEADGATE_TEST_RECORD"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		if err := crashChild(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	recordtest.Run(t, func(t *testing.T, dir string) recordtest.Store {
		return open(t, filepath.Join(dir, "records.db"))
	})
}

func TestTwoStoresShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	a, b := open(t, path), open(t, path)
	rec, err := a.Save(t.Context(), "x", recordtest.Sample(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Save(t.Context(), "x", rec); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Save(t.Context(), "x", rec); experiment.CodeOf(err) != experiment.CodeConflict {
		t.Errorf("saving what the other has changed: %v, want conflict", err)
	}
}

func TestJournalIsAppendOnlyInTheFile(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "records.db"))
	if _, err := s.Save(t.Context(), "x", recordtest.Sample(0), recordtest.Line(0), recordtest.Line(1)); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`UPDATE journal SET entry = '{}'`,
		`DELETE FROM journal WHERE seq = 1`,
		`INSERT INTO journal (id, seq, entry) VALUES ('x', 5, '{}')`,
		`INSERT OR REPLACE INTO journal (id, seq, entry) VALUES ('x', 1, '{}')`,
	} {
		if _, err := s.db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: error = %v, want a refusal", statement, err)
		}
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	s := open(t, path)
	if _, err := s.Save(t.Context(), "x", recordtest.Sample(0)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
	}
}

// TestDamagedFilesAreLeftAlone damages a good file in several ways.
func TestDamagedFilesAreLeftAlone(t *testing.T) {
	good := filepath.Join(t.TempDir(), "records.db")
	s, err := Open(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	var lines []experiment.Entry
	for i := range int64(50) {
		lines = append(lines, recordtest.Line(i))
	}
	if _, err := s.Save(t.Context(), "x", recordtest.Sample(0), lines...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"header":    func(b []byte) []byte { copy(b, "garbage, not a database"); return b },
		"cut short": func(b []byte) []byte { return b[:len(b)/2] },
		"a page":    func(b []byte) []byte { copy(b[4096*3:], bytes.Repeat([]byte{0xa5}, 4096)); return b },
		"a text":    func([]byte) []byte { return bytes.Repeat([]byte("hello "), 2000) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "records.db")
			damaged := damage(bytes.Clone(whole))
			if err := os.WriteFile(path, damaged, 0o640); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), path)
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), path) || experiment.HintOf(err) == "" {
				t.Errorf("error = %v (hint %q), want invalid with the path and a hint", err, experiment.HintOf(err))
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(after, damaged) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("the damaged file's mode was changed: %v, %v", info.Mode(), err)
			}
		})
	}
}

// crashChild saves for ever and says each revision once it is saved.
func crashChild(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	rec, err := s.Load(ctx, "x")
	if err != nil && experiment.CodeOf(err) != experiment.CodeNotFound {
		return err
	}
	for {
		next := recordtest.Sample(int(rec.Revision))
		next.Revision, next.Entries = rec.Revision, rec.Entries
		if rec, err = s.Save(ctx, "x", next, recordtest.Line(rec.Entries), recordtest.Line(rec.Entries+1)); err != nil {
			return err
		}
		if _, err := fmt.Println(rec.Revision); err != nil {
			return err
		}
	}
}

// TestSavedSurvivesKill kills a writing process and looks for what it had
// saved: the record at its revision or the one after, and two entries for each.
func TestSavedSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	for round := range 3 {
		after := 5 + rand.New(rand.NewPCG(uint64(round), 3)).IntN(40)
		last := killWhileSaving(t, path, after)
		s, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := s.Load(t.Context(), "x")
		if err != nil || rec.Revision < last || rec.Revision > last+1 || rec.Entries != 2*rec.Revision || int64(rec.State.Step) != rec.Revision-1 {
			t.Errorf("round %d: revision %d with %d entries of step %d, %v; want %d or one more with two entries each", round, rec.Revision, rec.Entries, rec.State.Step, err, last)
		}
		entries, err := recordtest.Journal(t.Context(), s, "x", 0)
		if err != nil || int64(len(entries)) != rec.Entries {
			t.Errorf("round %d: %d entries, %v; want %d", round, len(entries), err, rec.Entries)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func killWhileSaving(t *testing.T, path string, after int) (last int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if last, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if n++; n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // Killed, as it should be.
	if n < after {
		t.Fatalf("child ended by itself after %d of %d: %s", n, after, stderr.String())
	}
	return last
}
