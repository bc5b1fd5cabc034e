// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// keptRounds is how often each process is killed, keptSoak in the soak.
	keptRounds, keptSoak = 3, 40
	// keptLoad is how many clients ask, tell what came of it, and go on.
	keptLoad = 8
)

// TestTheLedgerCountsOnce puts two gateways that mirror, and the ledger that
// keeps what they see, under load and kills each of them again and again. Every
// acknowledged outcome, and every pair that was handed over, counts exactly
// once; what a killed gateway had not handed over is lost.
func TestTheLedgerCountsOnce(t *testing.T) { countsOnce(t, keptRounds) }

// TestSoakTheLedgerCountsOnce does so for a few minutes.
func TestSoakTheLedgerCountsOnce(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("make soak runs it")
	}
	countsOnce(t, keptSoak)
}

func countsOnce(t *testing.T, rounds int) {
	k := newKept(t, "")
	k.killAll(rounds, k.gateways[0].kill, k.gateways[1].kill, k.killLedger)
	k.proof()
	k.stopLedger()
	k.file()
}

// killAll kills each in turn under load, at moments of chance, and waits until
// the load has ended.
func (k *kept) killAll(rounds int, kills ...func()) {
	rng := rand.New(rand.NewPCG(5, 5))
	ctx, cancel := context.WithCancel(k.t.Context())
	defer cancel()
	var load sync.WaitGroup
	for client := range keptLoad {
		load.Go(func() { k.load(ctx, client) })
	}
	for range rounds {
		for _, kill := range kills {
			time.Sleep(time.Duration(50+rng.IntN(700)) * time.Millisecond) // The moment is the subject here.
			kill()
		}
	}
	cancel()
	load.Wait()
}

// told is an outcome that was acknowledged.
type told struct {
	exposure experiment.Exposure
	token    string
	value    float64
	// repeated says that it was stored, but the acknowledgement lost.
	repeated bool
}

// load has a client ask for new units and tell an outcome of each, again and
// again until it is acknowledged, also after ctx.
func (k *kept) load(ctx context.Context, client int) {
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("%d-%d", client, i)
		token, err := k.gateways[(client+i)%len(k.gateways)].ask(ctx, "user-"+key)
		if err != nil {
			k.refused.Add(1)
			continue
		}
		e, err := k.key.Open(k.plan.ID(), token)
		if err != nil {
			k.t.Errorf("token of %s: %v", key, err)
			return
		}
		o := told{exposure: e, token: token, value: float64(1 + i%9)}
		for again := 0; ; again++ {
			receipt, err := k.tell([]told{o}, []string{key})
			if err != nil {
				if again > 3000 {
					k.t.Errorf("outcome %s is not taken: %v", key, err)
					return
				}
				k.unanswered.Add(1)
				time.Sleep(10 * time.Millisecond) // As a client does whom nobody answers.
				continue
			}
			if o.repeated = receipt.Duplicates == 1 && again > 0; receipt.Accepted != 1 && !o.repeated {
				k.t.Errorf("outcome %s: %+v, told %d times", key, receipt, again+1)
				return
			}
			break
		}
		k.mu.Lock()
		k.told[key] = o
		k.mu.Unlock()
	}
}

// place is where a row counts.
type place struct {
	window  int64
	version int
}

// counts are what is counted at places.
type counts map[place]int64

func (c counts) total() (n int64) {
	for _, v := range c {
		n += v
	}
	return n
}

// proof holds what the ledger says against what was acknowledged and handed
// over.
func (k *kept) proof() {
	t := k.t
	k.settle()
	k.tellAllAgain()
	outcomes, values, units := counts{}, counts{}, counts{}
	repeated := 0
	exposed := map[uint64]place{}
	for _, o := range k.told {
		at := place{o.exposure.Window, o.exposure.Version}
		outcomes[at]++
		values[at] += int64(o.value)
		exposed[o.exposure.Unit] = at
		if o.repeated {
			repeated++
		}
	}
	requests, pairs, ids := counts{}, counts{}, map[string]bool{}
	for _, b := range k.stored() {
		for _, e := range b.Exposures {
			exposed[e.Unit] = place{e.Window, e.Version}
		}
		for _, p := range b.Pairs {
			if ids[p.ID] {
				t.Errorf("pair %s was handed over twice", p.ID)
			}
			ids[p.ID] = true
			pairs[place{p.Window, p.Version}]++
		}
		for _, seal := range b.Seals {
			for at, n := range cells(seal.Cells).of(experiment.CellRequests, answered) {
				requests[at] += n
			}
		}
	}
	for _, at := range exposed {
		units[at]++
	}
	if len(outcomes) < 4 || len(pairs) < 2 || k.refused.Load() == 0 || k.unanswered.Load() == 0 {
		t.Errorf("%d outcomes, %d pairs, %d requests and %d outcomes unanswered: nothing was tried", outcomes.total(), pairs.total(), k.refused.Load(), k.unanswered.Load())
	}

	got := k.sealed(experiment.SourceGateway, units)
	want(t, "requests", requests, got.of(experiment.CellRequests, answered))
	got = k.sealed(experiment.SourceExposures, units)
	want(t, "units", units, got.of(experiment.CellExposures, answered))
	got = k.sealed(experiment.SourcePairs, units)
	want(t, "pairs", pairs, got.of(experiment.CellMirrored, answered))
	got = k.sealed(experiment.SourceOutcomes, units)
	want(t, "outcomes", outcomes, got.of("purchase", func(e experiment.Evidence) int64 { return e.Counts.N - e.Counts.X }))
	want(t, "values", values, got.of("purchase", func(e experiment.Evidence) int64 {
		return int64(math.Round(e.Units.MeanY * float64(e.Units.N)))
	}))
	k.tellAllAgain() // They are known for a day, be their windows sealed or not.
	t.Logf("%d kills: %d requests in cells that were taken over and counted once", k.kills, requests.total())
	t.Logf("%d outcomes acknowledged, %d of them after an acknowledgement was lost, and counted once; %d units; %d pairs of %d batches taken over and counted once, %d batches given again; %d requests and %d tellings had no answer",
		outcomes.total(), repeated, units.total(), pairs.total(), len(k.stored()), k.again(), k.refused.Load(), k.unanswered.Load())
}

func answered(e experiment.Evidence) int64 { return e.Counts.N }

func want(t *testing.T, what string, want, got counts) {
	t.Helper()
	if !maps.Equal(want, got) {
		t.Errorf("%d %s are counted, want %d", got.total(), what, want.total())
		for _, at := range slices.SortedFunc(maps.Keys(want), func(a, b place) int { return int(a.window - b.window) }) {
			if want[at] != got[at] {
				t.Logf("window %d, version %d: %d %s, want %d", at.window, at.version, got[at], what, want[at])
			}
		}
	}
}

// tellAllAgain posts every outcome once more under its key.
func (k *kept) tellAllAgain() {
	k.t.Helper()
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(k.told)), 500) {
		var all []told
		for _, key := range keys {
			all = append(all, k.told[key])
		}
		if receipt, err := k.tell(all, keys); err != nil || receipt.Duplicates != len(keys) {
			k.t.Fatalf("of %d outcomes told again: %+v, %v", len(keys), receipt, err)
		}
	}
}

// stored are the batches that the ledger has: those up to where it said that a
// gateway's went when it died, and all of those that live.
func (k *kept) stored() (all []*experiment.Batch) {
	for _, g := range k.gateways {
		g.mu.Lock()
		for name, batches := range g.given {
			for n, b := range batches {
				if last, dead := g.died[name]; !dead || n <= last {
					all = append(all, b)
				}
			}
		}
		g.mu.Unlock()
	}
	return all
}

func (k *kept) again() (n int) {
	for _, g := range k.gateways {
		g.mu.Lock()
		n += g.again
		g.mu.Unlock()
	}
	return n
}

// file looks into the ledger's file: it has the rows that were handed over, one
// by one, and no others.
func (k *kept) file() {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(k.dir, "ledger", "ledger.db")+"?mode=ro")
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	k.pairsIn(db, "pairs")
}

// pairsIn compares a table of pairs with what was handed over.
func (k *kept) pairsIn(db *sql.DB, table string) {
	k.t.Helper()
	missing := map[string]bool{}
	for _, b := range k.stored() {
		for _, p := range b.Pairs {
			missing[p.ID] = true
		}
	}
	n := len(missing)
	rows, err := db.QueryContext(k.t.Context(), "SELECT id FROM "+table)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			k.t.Fatal(err)
		}
		if !missing[id] {
			k.t.Errorf("pair %s is there twice, or nobody handed it over", id)
		}
		delete(missing, id)
	}
	if err := rows.Err(); err != nil {
		k.t.Fatal(err)
	}
	if len(missing) > 0 || n == 0 {
		k.t.Errorf("of %d pairs that were taken over, %d are not in the store", n, len(missing))
	}
}
