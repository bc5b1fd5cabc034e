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

// crashBatch is the n-th batch of a gateway: two pairs, of which one is its own
// and one is in the batch before too, and two predictions.
func crashBatch(gateway string, n int) *experiment.Batch {
	b := &experiment.Batch{Gateway: gateway, Sequence: uint64(n + 1)}
	for i := range 2 {
		id := fmt.Sprint(gateway, "/", n+i)
		b.Pairs = append(b.Pairs, pair(id, "shadow-"+strconv.Itoa(n%7), t0, "cat", "dog", 1))
		b.Predictions = append(b.Predictions, prediction("shadow-"+strconv.Itoa(n%7), id+"/"+strconv.Itoa(i), 1, t0, "cat", -1))
	}
	return b
}

// crashLabel is about a batch's first prediction.
func crashLabel(gateway string, n int) experiment.UnitOutcome {
	return experiment.UnitOutcome{Request: fmt.Sprint(gateway, "/", n, "/0"), Event: "truth", Label: "cat"}
}

// batches stores batches of one gateway and labels for ever, and prints the
// number of each batch once both are acknowledged.
func batches(l *Ledger, gateway string) error {
	for n := 0; ; n++ {
		if fresh, err := l.Add(context.Background(), crashBatch(gateway, n)); err != nil || !fresh {
			return fmt.Errorf("batch %d: fresh = %t, %w", n, fresh, err)
		}
		if r, err := l.Record(context.Background(), "search/ranker", []experiment.UnitOutcome{crashLabel(gateway, n)}); err != nil || r.Accepted != 1 {
			return fmt.Errorf("label %d: receipt = %+v, %w", n, r, err)
		}
		if _, err := fmt.Fprintf(os.Stdout, "%s %d\n", gateway, n); err != nil {
			return err
		}
	}
}

// crashChild records outcomes and batches from several goroutines for ever and
// prints each number once it is acknowledged. It ends by being killed.
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
	l, err := openAt(context.Background(), path, Options{Key: key, Commit: time.Millisecond, Now: func() time.Time { return t0 }})
	fail(err)
	fail(l.Register(shadowPlan()))
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
	for c := range 2 {
		wg.Go(func() { fail(batches(l, fmt.Sprintf("gateway-%d-%d", round, c))) })
	}
	wg.Wait()
}

// TestAcknowledgedSurvivesKill kills a writing process five times and looks for
// everything that it had acknowledged.
func TestAcknowledgedSurvivesKill(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		path := where(t)
		for round := range 5 {
			random := rand.New(rand.NewPCG(uint64(round), 17))
			acknowledged, gateways := killWhileWriting(t, path, round, 20+random.IntN(400))
			l := openShadow(t, path, nil, func() time.Time { return t0 })
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
			for gateway, n := range gateways {
				wantBatches(t, l, gateway, n)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if t.Failed() {
			return
		}
		// All rounds together: a pair and a label count once.
		l := openShadow(t, path, nil, func() time.Time { return t0 })
		pairs, predictions := query(t, l, `SELECT count(*) FROM pairs`), query(t, l, `SELECT count(*) FROM predictions`)
		labels := query(t, l, `SELECT count(*) FROM labels`)
		if got := evidence(t, mustSeal(t, l, experiment.SourcePairs, 0, t0.Add(time.Hour)), 0, 1, experiment.CellMirrored, "").Counts.N; got != pairs || pairs == 0 {
			t.Errorf("%d pairs are counted of %d", got, pairs)
		}
		accuracy := evidence(t, mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour)), 0, 1, "accuracy", "").Counts
		if accuracy.N != predictions || accuracy.N-accuracy.X != labels || labels == 0 {
			t.Errorf("accuracy is of %+v, want %d predictions and %d labels", accuracy, predictions, labels)
		}
	})
}

// wantBatches looks for the rows of a gateway's batches up to the n-th, the last
// that was acknowledged. The next may be stored as well: only the word was lost.
func wantBatches(t *testing.T, l *Ledger, gateway string, n int) {
	t.Helper()
	stored := int(query(t, l, `SELECT sequence FROM gateways WHERE gateway = ?1`, gateway))
	if stored < n+1 || stored > n+2 {
		t.Errorf("%s: %d batches are stored, %d were acknowledged", gateway, stored, n+1)
	}
	if fresh, err := l.Add(t.Context(), crashBatch(gateway, n)); err != nil || fresh {
		t.Errorf("%s: batch %d again: fresh = %t, %v", gateway, n, fresh, err)
	}
	wantReceipt(t, mustRecord(t, l, crashLabel(gateway, n)), experiment.Receipt{Duplicates: 1})
	like := gateway + "/%"
	if got := query(t, l, `SELECT count(*) FROM pairs WHERE id LIKE ?1`, like); got != int64(stored)+1 {
		t.Errorf("%s: %d pairs of %d batches, want %d", gateway, got, stored, stored+1)
	}
	for i := range n + 1 {
		request := int64(l.options.Key.HashUnit(crashLabel(gateway, i).Request))
		if found := query(t, l, `SELECT count(*) FROM predictions p JOIN labels l ON l.prediction = p.id WHERE p.request = ?1`, request); found != 1 {
			t.Errorf("%s: label %d is found %d times", gateway, i, found)
		}
	}
}

// killWhileWriting runs the child until it has acknowledged some outcomes,
// kills it and returns all that it got to say: the outcomes, and the last batch
// of each gateway.
func killWhileWriting(t *testing.T, path string, round, after int) (acknowledged []int, gateways map[string]int) {
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
	gateways = map[string]int{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		gateway, number, isBatch := strings.Cut(lines.Text(), " ")
		if !isBatch {
			number = gateway
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("child said %q", lines.Text())
		}
		if isBatch {
			gateways[gateway] = n
			continue
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
	return acknowledged, gateways
}
