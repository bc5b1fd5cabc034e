// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

type named string

func (n named) ID() string { return string(n) }

func TestFind(t *testing.T) {
	all := []named{"search/ranker", "fraud"}
	for id, want := range map[string]string{"search/ranker": "search/ranker", "ranker": "search/ranker", "fraud": "fraud"} {
		if got, err := Find(all, id); err != nil || string(got) != want {
			t.Errorf("%s is %s, %v", id, got, err)
		}
	}
	if got, err := Find(all[:1], ""); err != nil || got != all[0] {
		t.Errorf("the only one is %s, %v", got, err)
	}
	for id, code := range map[string]experiment.Code{"": experiment.CodeInvalid, "rankr": experiment.CodeNotFound, "search": experiment.CodeNotFound} {
		if _, err := Find(all, id); experiment.CodeOf(err) != code {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestMarkOfAKill(t *testing.T) {
	dir := t.TempDir()
	if _, marked, err := ReadKill(dir); marked || err != nil {
		t.Errorf("nobody killed: %v, %v", marked, err)
	}
	for _, reason := range []string{"wrong prices", "again"} {
		if err := WriteKill(dir, experiment.Command{Verb: experiment.VerbKill, Author: "ann", Reason: reason}); err != nil {
			t.Fatal(err)
		}
	}
	c, marked, err := ReadKill(dir)
	if !marked || err != nil || c.Reason != "wrong prices" || c.ID == "" || c.Verb != experiment.VerbKill {
		t.Errorf("the first mark stays: %+v, %v, %v", c, marked, err)
	}
	if err := os.WriteFile(filepath.Join(dir, killFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, marked, err = ReadKill(dir); !marked || err != nil || c.Verb != experiment.VerbKill || c.ID == "" {
		t.Errorf("a mark that cannot be read is a mark: %+v, %v, %v", c, marked, err)
	}
	if err := errors.Join(LiftKill(dir), LiftKill(dir)); err != nil {
		t.Errorf("lifting twice: %v", err)
	}
	if err := WriteKill(filepath.Join(dir, "absent"), experiment.Command{}); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestCommandsAreAnsweredOnce(t *testing.T) {
	p := &experiment.Plan{Name: "ranker", Versions: make([]experiment.Version, 2)}
	q := NewCommands()
	go func() {
		<-q.Wake()
		q.Answered([]string{"other"}, experiment.Decision{Act: experiment.ActHold})
		q.Answered([]string{"p"}, experiment.Decision{Act: experiment.ActPause})
	}()
	d, err := q.Do(t.Context(), p, experiment.Command{ID: "p", Verb: experiment.VerbPause}, nil)
	if err != nil || d.Act != experiment.ActPause || len(q.Pending()) != 0 {
		t.Errorf("%+v, %v, %d left", d, err, len(q.Pending()))
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Do(over, p, experiment.Command{ID: "r", Verb: experiment.VerbResume}, nil); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("a loop that does not answer: %v", err)
	}
	killed := ""
	d, err = q.Do(over, p, experiment.Command{ID: "k", Verb: experiment.VerbKill}, func(c experiment.Command) error {
		killed = c.ID
		return nil
	})
	if err != nil || d.Act != experiment.ActRollback || killed != "k" {
		t.Errorf("a kill is done without the loop: %+v, %v", d, err)
	}
	if kills := q.Kills(nil); len(kills) != 1 || kills[0].ID != "k" || len(q.Kills([]string{"k"})) != 0 {
		t.Errorf("kills that wait: %+v", kills)
	}
	failed := errors.New("no")
	if _, err := q.Do(t.Context(), p, experiment.Command{Verb: experiment.VerbKill}, func(experiment.Command) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("a kill that fails: %v", err)
	}
	if ids := q.Pending(); !slices.ContainsFunc(ids, func(c experiment.Command) bool { return c.ID == "r" }) {
		t.Errorf("what was not obeyed in time is obeyed later: %+v", ids)
	}
}

func TestControlSocketIsTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // The second finds what the first left.
		ln, err := ListenControl(dir)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, SocketName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		defer func() { _ = ln.Close() }()
	}
	if _, err := ListenControl(filepath.Join(dir, strings.Repeat("d", maxSocket))); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("a path that is too long: %v", err)
	}
}
