// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
	"github.com/headgate-dev/headgate/internal/record/recordtest"
)

// childOf makes the test binary a process that saves into the database of that
// URL, for ever or, with childTries, so many times at each line of its input.
const (
	childOf    = "HEADGATE_TEST_RECORD_URL"
	childTries = "HEADGATE_TEST_RECORD_TRIES"
)

var server *postgrestest.Server

func TestMain(m *testing.M) {
	if at := os.Getenv(childOf); at != "" {
		if err := child(at); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		return
	}
	goleak.VerifyTestMain(postgrestest.Main{Tests: m, Server: &server})
}

func open(t *testing.T, at string) *Store {
	t.Helper()
	s, err := Open(t.Context(), at)
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

// racer is a child process that saves when it is told to.
type racer struct {
	input io.WriteCloser
	lines *bufio.Scanner
}

func startRacer(t *testing.T, at string) racer {
	t.Helper()
	cmd := exec.Command(os.Args[0]) // Ends with its input.
	cmd.Env = append(os.Environ(), childOf+"="+at, childTries+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := racer{in, bufio.NewScanner(out)}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if said := r.line(t); said != "ready" {
		t.Fatalf("the child said %q", said)
	}
	return r
}

func (r racer) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(r.input, line); err != nil {
		t.Fatal(err)
	}
}

func (r racer) line(t *testing.T) string {
	t.Helper()
	if !r.lines.Scan() {
		t.Fatalf("the child ended: %v", r.lines.Err())
	}
	return r.lines.Text()
}

// inSchema is the URL of a schema in a database.
func inSchema(t *testing.T, at, schema string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("schema", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestContract(t *testing.T) {
	database := server.Database(t)
	recordtest.Run(t, func(t *testing.T, dir string) recordtest.Store {
		h := fnv.New64a()
		_, _ = h.Write([]byte(dir))
		return open(t, inSchema(t, database, fmt.Sprintf("records_%x", h.Sum64())))
	})
}

// TestProcessesRace lets two processes save the same revisions at once.
func TestProcessesRace(t *testing.T) {
	const rounds = 30
	at := server.Database(t)
	s := open(t, at)
	if _, err := s.Save(t.Context(), "x", recordtest.Sample(0)); err != nil {
		t.Fatal(err)
	}
	a, b := startRacer(t, at), startRacer(t, at)
	wins := map[string]int{}
	for round := range rounds {
		line := fmt.Sprintln(round+1, round)
		a.say(t, line)
		b.say(t, line)
		said := []string{a.line(t), b.line(t)}
		if said[0] == said[1] || (said[0] != "won" && said[0] != "lost") || (said[1] != "won" && said[1] != "lost") {
			t.Fatalf("round %d: the processes said %q, want one to win and one to lose", round, said)
		}
		wins[said[0]]++
	}
	t.Logf("the first process won %d of %d rounds", wins["won"], rounds)
	rec, err := s.Load(t.Context(), "x")
	if err != nil || rec.Revision != rounds+1 || rec.Entries != rounds {
		t.Errorf("revision %d with %d entries, %v; want %d with %d", rec.Revision, rec.Entries, err, rounds+1, rounds)
	}
	entries, err := recordtest.Journal(t.Context(), s, "x", 0)
	if err != nil || len(entries) != rounds {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestJournalIsAppendOnlyInTheDatabase(t *testing.T) {
	s := open(t, server.Database(t))
	if _, err := s.Save(t.Context(), "x", recordtest.Sample(0), recordtest.Line(0), recordtest.Line(1)); err != nil {
		t.Fatal(err)
	}
	for statement, want := range map[string]string{
		`UPDATE journal SET entry = '{}'`:                            "append-only",
		`DELETE FROM journal WHERE seq = 1`:                          "append-only",
		`TRUNCATE journal`:                                           "append-only",
		`TRUNCATE records CASCADE`:                                   "append-only",
		`DELETE FROM records`:                                        "journal_id_fkey",
		`INSERT INTO journal (id, seq, entry) VALUES ('x', 5, '{}')`: "journal_has_no_gap",
		`INSERT INTO journal (id, seq, entry) VALUES ('y', 0, '{}')`: "journal_id_fkey",
		`INSERT INTO journal (id, seq, entry) VALUES ('x', 2, 'no')`: "json",
		`INSERT INTO journal (id, seq, entry) VALUES ('x', 1, '{}') ON CONFLICT (id, seq) DO UPDATE SET entry = '{}'`: "append-only",
	} {
		if _, err := s.db.Pool().Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want a refusal with %q", statement, err, want)
		}
	}
}

func TestIdsThatAreNoTextAreRefused(t *testing.T) {
	s := open(t, server.Database(t))
	for _, id := range []string{"a\x00b", "\xff"} {
		if _, err := s.Save(t.Context(), id, recordtest.Sample(0)); experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("save %q: %v, want invalid", id, err)
		}
		if _, err := s.Load(t.Context(), id); experiment.CodeOf(err) != experiment.CodeNotFound {
			t.Errorf("load %q: %v, want not found", id, err)
		}
		if _, err := recordtest.Journal(t.Context(), s, id, 0); experiment.CodeOf(err) != experiment.CodeNotFound {
			t.Errorf("journal of %q: %v, want not found", id, err)
		}
	}
}

// TestStoreRecoversWhenTheServerDoes crashes the server under an open store.
func TestStoreRecoversWhenTheServerDoes(t *testing.T) {
	s := open(t, server.Database(t))
	rec, err := s.Save(t.Context(), "x", recordtest.Sample(0), recordtest.Line(0))
	if err != nil {
		t.Fatal(err)
	}
	if ours, err := server.Crash(); !ours {
		t.Skip("the server is not ours to crash")
	} else if err != nil {
		t.Fatal(err)
	}
	_, err = s.Save(t.Context(), "x", rec)
	if experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("save without a server: %v, want unavailable", err)
	}
	if _, err := s.Load(t.Context(), "x"); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("load without a server: %v, want unavailable", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(t.Context(), "x")
	if diff := cmp.Diff(rec, got); err != nil || diff != "" {
		t.Errorf("after the crash: %v (-saved +loaded):\n%s", err, diff)
	}
	if _, err := s.Save(t.Context(), "x", got, recordtest.Line(1)); err != nil {
		t.Error(err)
	}
}

// TestRestoredDumpGoesOn dumps a store and restores it into a new database.
func TestRestoredDumpGoesOn(t *testing.T) {
	from, to := server.Database(t), server.Database(t)
	s := open(t, from)
	var lines []experiment.Entry
	for i := range int64(70) {
		lines = append(lines, recordtest.Line(i))
	}
	rec, err := s.Save(t.Context(), "search/ranker", recordtest.Sample(0), lines...)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err = s.Save(t.Context(), "search/ranker", rec); err != nil {
		t.Fatal(err)
	}
	dump := run(t, nil, "pg_dump", from, "--no-owner", "--schema=headgate_record")
	run(t, dump, "psql", to, "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")

	restored := open(t, to)
	got, err := restored.Load(t.Context(), "search/ranker")
	if diff := cmp.Diff(rec, got); err != nil || diff != "" {
		t.Fatalf("restored: %v (-saved +loaded):\n%s", err, diff)
	}
	entries, err := recordtest.Journal(t.Context(), restored, "search/ranker", 0)
	if diff := cmp.Diff(lines, entries); err != nil || diff != "" {
		t.Errorf("restored journal: %v (-saved +loaded):\n%s", err, diff)
	}
	next, err := restored.Save(t.Context(), "search/ranker", got, recordtest.Line(70))
	if err != nil || next.Revision != 3 || next.Entries != 71 {
		t.Errorf("the next save gave revision %d with %d entries, %v; want 3 with 71", next.Revision, next.Entries, err)
	}
	if _, err := restored.Save(t.Context(), "search/ranker", got); experiment.CodeOf(err) != experiment.CodeConflict {
		t.Errorf("saving what has changed: %v, want conflict", err)
	}
	if _, err := restored.db.Pool().Exec(t.Context(), `DELETE FROM journal WHERE seq = 70`); err == nil || !strings.Contains(err.Error(), "append-only") {
		t.Errorf("the restored journal lets go of an entry: %v", err)
	}
}

// TestSavedSurvivesKill kills, in turn, a process that saves and the server
// that it saves to, and looks for what had been saved: the record at its
// revision or the one after, and two entries for each.
func TestSavedSurvivesKill(t *testing.T) {
	at := server.Database(t)
	if !server.Ours() {
		t.Skip("the server is not ours to crash")
	}
	for round := range 4 {
		after := 5 + rand.New(rand.NewPCG(uint64(round), 3)).IntN(40)
		last := killWhileSaving(t, at, after, round%2 == 1)
		s, err := Open(t.Context(), at)
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

func killWhileSaving(t *testing.T, at string, after int, crash bool) (last int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childOf+"="+at)
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
		if n++; n != after {
			continue
		}
		if crash {
			_, err = server.Crash() // The child ends by itself, for want of a server.
		} else {
			err = cmd.Process.Kill()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait() // Killed, as it should be, or without a server.
	if n < after {
		t.Fatalf("child ended by itself after %d of %d: %s", n, after, stderr.String())
	}
	if crash {
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	untilAlone(t, at)
	return last
}

// untilAlone waits until the database has no other session: what a killed process
// asked for last may be done after its end.
func untilAlone(t *testing.T, at string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for others := 1; others > 0; {
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, input []byte, program, database string, args ...string) []byte {
	t.Helper()
	cmd, err := server.Program(t.Context(), program, database, args...)
	if err != nil {
		t.Skip(err)
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, stderr.String())
	}
	return out
}

// child is what a child process does.
func child(at string) error {
	ctx := context.Background()
	s, err := Open(ctx, at)
	if err != nil {
		return err
	}
	if os.Getenv(childTries) == "" {
		return saveForEver(ctx, s)
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		// The revision is the input's, so that both save over the same one.
		var rec experiment.Record
		if _, err := fmt.Sscan(lines.Text(), &rec.Revision, &rec.Entries); err != nil {
			return err
		}
		next := recordtest.Sample(os.Getpid())
		next.Revision, next.Entries = rec.Revision, rec.Entries
		switch _, err := s.Save(ctx, "x", next, recordtest.Line(rec.Entries)); experiment.CodeOf(err) {
		case "":
			fmt.Println("won")
		case experiment.CodeConflict:
			fmt.Println("lost")
		default:
			fmt.Println(err)
		}
	}
	return s.Close()
}

// saveForEver says each revision once it is saved.
func saveForEver(ctx context.Context, s *Store) error {
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
