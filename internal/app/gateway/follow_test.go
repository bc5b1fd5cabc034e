// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// state is what /v1/snapshot answers.
func (s *site) state(p *Process) (state snapshotState) {
	s.t.Helper()
	_, body := s.admin(p, "/v1/snapshot")
	if err := json.Unmarshal([]byte(body), &state); err != nil {
		s.t.Fatalf("/v1/snapshot: %v: %s", err, body)
	}
	return state
}

func TestFollowsTheFileHoweverItChanges(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path, content string){
		"overwritten": write,
		"renamed over": func(t *testing.T, path, content string) {
			write(t, path+".new", content)
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten within one tick of the file system's clock": func(t *testing.T, path, content string) {
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, content)
			if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
				t.Fatal(err)
			}
			if after, err := os.Stat(path); err != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
				t.Fatalf("the file shows that it changed: %v, %v", after, err)
			}
		},
		"restored with the time of long ago": func(t *testing.T, path, content string) {
			write(t, path, content)
			if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			begun := time.Now()
			write(t, s.o.Snapshot, text(t, s.snapshot(1, 0)))
			p := s.start()
			if got := s.served(p); got != "v1" {
				t.Fatalf("%s serves, want v1", got)
			}
			content := text(t, s.snapshot(2, 1))
			change(t, s.o.Snapshot, content)
			// The next look comes soon, however long the test has taken so far.
			p.follower.look(begun.Add(lookEvery))
			if got := s.served(p); got != "v2" {
				t.Errorf("%s serves, want v2", got)
			}
			if got := s.state(p); got.Sequence != 2 || got.Hash != hashOf([]byte(content)) || got.Experiment != "team/models" || !got.Since.Equal(begin) && got.Since.IsZero() {
				t.Errorf("/v1/snapshot = %+v", got)
			}
			if got := s.metric(p, `headgate_gateway_snapshot_info{hash="`+hashOf([]byte(content))+`"}`); got != "1" {
				t.Errorf("the metric of the hash is %s", got)
			}
		})
	}
}

// TestFollowsTheLinksOfAConfigMap swaps directories as a kubelet does: the file
// is a link into a link, which is renamed.
func TestFollowsTheLinksOfAConfigMap(t *testing.T) {
	s := newSite(t)
	dir := filepath.Dir(s.o.Snapshot)
	publish := func(version, content string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "snapshot.json"), content)
		if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", text(t, s.snapshot(1, 0)))
	if err := os.Symlink(filepath.Join("..data", "snapshot.json"), s.o.Snapshot); err != nil {
		t.Fatal(err)
	}
	p := s.start()
	if got := s.served(p); got != "v1" {
		t.Fatalf("%s serves, want v1", got)
	}
	publish("..2", text(t, s.snapshot(2, 1)))
	p.follower.look(time.Now().Add(time.Hour)) // The times of the files alone do not tell.
	if got := s.served(p); got != "v2" {
		t.Errorf("%s serves, want v2", got)
	}
}

func TestBadSnapshotsAreRefusedAndTheLastGoodOneServes(t *testing.T) {
	const secret = "hunter2"
	for name, tc := range map[string]struct {
		bad  func(s *site) string
		want string
	}{
		"cut short":         {func(s *site) string { return text(t, s.snapshot(9, 0))[:100] }, "read the snapshot"},
		"empty":             {func(*site) string { return "" }, "read the snapshot"},
		"two in one file":   {func(s *site) string { return text(t, s.snapshot(9, 0)) + "{}" }, "there is more behind it"},
		"an unknown field":  {func(s *site) string { return strings.Replace(text(t, s.snapshot(9, 0)), `{`, `{"later":1,`, 1) }, "unknown field"},
		"no rising number":  {func(s *site) string { return text(t, s.snapshot(5, 0)) }, "the sequence must rise"},
		"an older snapshot": {func(s *site) string { return text(t, s.snapshot(4, 0)) }, "the sequence must rise"},
		"no route":          {func(*site) string { return `{"sequence": 9}` }, "has no route"},
		"a password": {func(s *site) string {
			return strings.ReplaceAll(text(t, s.snapshot(9, 0)), "http://", "http://user:"+secret+"@")
		}, "is not a URL of scheme, host and path alone"},
		"a password where no URL is": {func(s *site) string {
			return strings.ReplaceAll(text(t, s.snapshot(9, 0)), "http://", "http://user:"+secret+"@ %")
		}, "is not a URL of scheme, host and path alone"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			write(t, s.o.Snapshot, text(t, s.snapshot(5, 1)))
			p := s.start()
			bad := tc.bad(s)
			write(t, s.o.Snapshot, bad)
			for range 3 { // It is refused once, however often it is seen.
				p.follower.look(time.Now())
			}
			if got := s.served(p); got != "v2" {
				t.Errorf("%s serves, want v2 still", got)
			}
			state := s.state(p)
			if state.Sequence != 5 || state.Refused == nil || !strings.Contains(state.Refused.Reason, tc.want) || state.Refused.Hash != hashOf([]byte(bad)) {
				t.Errorf("/v1/snapshot = %+v, refused %+v; want %q", state, state.Refused, tc.want)
			}
			if got := s.metric(p, "headgate_gateway_snapshots_refused_total"); got != "1" {
				t.Errorf("%s refused, want 1", got)
			}
			if log := s.log.String(); strings.Count(log, "refused a snapshot") != 1 || strings.Contains(log, secret) || strings.Contains(state.Refused.Reason, secret) {
				t.Errorf("log:\n%s", log)
			}
			write(t, s.o.Snapshot, text(t, s.snapshot(10, 0)))
			p.follower.look(time.Now())
			if state := s.state(p); s.served(p) != "v1" || state.Refused != nil {
				t.Errorf("a good one after it is not served: %+v", state)
			}
		})
	}
}

func TestARestartServesTheLastGoodSnapshot(t *testing.T) {
	for name, change := range map[string]func(s *site){
		"the file is gone": func(s *site) {
			if err := os.Remove(s.o.Snapshot); err != nil {
				t.Fatal(err)
			}
		},
		"no file is followed":        func(s *site) { s.o.Snapshot = "" },
		"the file is bad":            func(s *site) { write(t, s.o.Snapshot, "{") },
		"the file is from before it": func(s *site) { write(t, s.o.Snapshot, text(t, s.snapshot(1, 0))) },
		"the file is the same":       func(*site) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			write(t, s.o.Snapshot, text(t, s.snapshot(1, 0)))
			p := s.start()
			// As a kill does: another version, at the next request, for good.
			write(t, s.o.Snapshot, text(t, s.snapshot(2, 1)))
			p.follower.look(time.Now())
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			change(s)
			p = s.start()
			if got := s.served(p); got != "v2" {
				t.Errorf("%s serves after a restart, want v2", got)
			}
			if got := s.state(p).Sequence; got != 2 {
				t.Errorf("sequence %d serves after a restart, want 2", got)
			}
		})
	}
}

func TestALastGoodSnapshotThatIsBrokenKeepsNothingFromStarting(t *testing.T) {
	s := newSite(t)
	if err := os.MkdirAll(s.o.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.o.Data, lastFile), "{")
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	if got := s.served(p); got != "v2" {
		t.Errorf("%s serves, want v2", got)
	}
	if got := s.metric(p, "headgate_gateway_snapshots_refused_total"); got != "1" {
		t.Errorf("%s refused, want 1", got)
	}
}

// TestASnapshotThatCannotBeKeptServesAndIsKeptLater takes the data directory
// away for a while.
func TestASnapshotThatCannotBeKeptServesAndIsKeptLater(t *testing.T) {
	s := newSite(t)
	p := s.start()
	if err := os.Rename(s.o.Data, s.o.Data+".away"); err != nil {
		t.Fatal(err)
	}
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p.follower.look(time.Now())
	if got := s.served(p); got != "v2" {
		t.Errorf("%s serves, want v2", got)
	}
	if got := s.metric(p, "headgate_gateway_snapshot_saved"); got != "0" {
		t.Errorf("saved is %s without a directory", got)
	}
	if err := os.Rename(s.o.Data+".away", s.o.Data); err != nil {
		t.Fatal(err)
	}
	p.follower.look(time.Now())
	if got := s.metric(p, "headgate_gateway_snapshot_saved"); got != "1" {
		t.Errorf("saved is %s with the directory back", got)
	}
	kept, err := os.ReadFile(filepath.Join(s.o.Data, lastFile))
	if err != nil || string(kept) != text(t, s.snapshot(1, 1)) {
		t.Errorf("kept %q, %v", kept, err)
	}
}
