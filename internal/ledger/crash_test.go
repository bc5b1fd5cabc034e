// SPDX-License-Identifier: Apache-2.0

package ledger

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
	"sync"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Environment of the child process.
const (
	crashFile  = "HEADGATE_TEST_LEDGER"
	crashRound = "HEADGATE_TEST_ROUND"
)

// crashOutcome is the n-th outcome of a round; its value is unlike any other.
func crashOutcome(key *experiment.Key, round, n int) experiment.UnitOutcome {
	e := exposure("unit-"+strconv.Itoa(n%97), n%2, t0)
	return experiment.UnitOutcome{Token: key.Seal(&e), Event: "purchase", Value: float64(round*1_000_000 + n), Key: fmt.Sprintf("%d-%d", round, n)}
}

// crashChild records outcomes from several goroutines for ever and prints each
// number once it is acknowledged. It ends by being killed.
func crashChild(path, roundText string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	round, err := strconv.Atoi(roundText)
	fail(err)
	key, err := experiment.NewKey(bytes.Repeat([]byte{7}, experiment.KeySize))
	fail(err)
	l, err := Open(context.Background(), path, Options{Key: key, Commit: time.Millisecond, Now: func() time.Time { return t0 }})
	fail(err)
	fail(l.Register(testPlan()))
	const callers, batch = 4, 3
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := 0; ; i++ {
				first := (i*callers + c) * batch
				var outcomes []experiment.UnitOutcome
				var said strings.Builder
				for n := first; n < first+batch; n++ {
					outcomes = append(outcomes, crashOutcome(key, round, n))
					fmt.Fprintln(&said, n)
				}
				_, err := l.Record(context.Background(), "search/ranker", outcomes)
				fail(err)
				_, err = os.Stdout.WriteString(said.String())
				fail(err)
			}
		})
	}
	wg.Wait()
}

// TestAcknowledgedOutcomesSurviveKill kills a writing process five times and
// looks for everything that it had acknowledged.
func TestAcknowledgedOutcomesSurviveKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	for round := range 5 {
		random := rand.New(rand.NewPCG(uint64(round), 17))
		acknowledged := killWhileWriting(t, path, round, 20+random.IntN(400))
		l := open(t, path, Options{Now: func() time.Time { return t0 }})
		var again []experiment.UnitOutcome
		for _, n := range acknowledged {
			o := crashOutcome(l.options.Key, round, n)
			if found := query(t, l, `SELECT count(*) FROM outcomes WHERE value = ?1`, o.Value); found != 1 {
				t.Errorf("round %d: acknowledged outcome %d is found %d times", round, n, found)
			}
			again = append(again, o)
		}
		got := mustRecord(t, l, again[:min(len(again), experiment.MaxOutcomes)]...)
		wantReceipt(t, got, experiment.Receipt{Duplicates: min(len(again), experiment.MaxOutcomes)})
		if n := query(t, l, `SELECT count(*) - count(DISTINCT value) FROM outcomes`); n != 0 {
			t.Errorf("round %d: %d outcomes are stored more than once", round, n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWhileWriting runs the child until it has acknowledged some outcomes,
// kills it and returns all that it got to say.
func killWhileWriting(t *testing.T, path string, round, after int) (acknowledged []int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashFile+"="+path, crashRound+"="+strconv.Itoa(round))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("child said %q", lines.Text())
		}
		acknowledged = append(acknowledged, n)
		if len(acknowledged) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // Killed, as it should be.
	if len(acknowledged) < after {
		t.Fatalf("child ended by itself after %d of %d: %s", len(acknowledged), after, stderr.String())
	}
	return acknowledged
}
