// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Options say what to play.
type Options struct {
	// Runs is how many, 1 to MaxRuns. Parallel is how many at once, at least 1;
	// it changes no number.
	Runs, Parallel int
	Seed           uint64
	// Rivals plays the other tools' rules too.
	Rivals bool
	// Progress is told how many runs are done, by several goroutines at once; it
	// may be nil.
	Progress func(done int)
}

// MaxRuns bounds the memory that a simulation takes.
const MaxRuns = 1_000_000

// played is one run of each rule.
type played struct {
	done   bool
	own    Trial
	rivals [3]Trial
}

// Many plays many runs. When ctx ends it gives what it has, marked partial, with
// the context's error. Run number i is that of Play with SeedOf(Seed, i).
func (w *Fast) Many(ctx context.Context, a Assumptions, o Options) (Report, error) {
	if o.Runs < 1 || o.Runs > MaxRuns {
		return Report{}, experiment.Errorf(experiment.CodeInvalid, "%d runs: want 1 to %d", o.Runs, MaxRuns)
	}
	var stage *experiment.Stage
	if o.Rivals {
		stage = rivalStage(w.plan)
	}
	all := make([]played, o.Runs)
	var next, done atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range max(1, min(o.Parallel, o.Runs)) {
		wg.Go(func() {
			p := newPlayer(w)
			for i := next.Add(1) - 1; i < int64(o.Runs) && ctx.Err() == nil && failed.Load() == nil; i = next.Add(1) - 1 {
				if err := p.both(&all[i], stage, SeedOf(o.Seed, int(i))); err != nil {
					err = experiment.Errorf(experiment.CodeInternal, "run %d: %w", i, err)
					failed.Store(&err)
					return
				}
				if n := done.Add(1); o.Progress != nil {
					o.Progress(int(n))
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return Report{}, *err
	}
	all = slices.DeleteFunc(all, func(x played) bool { return !x.done })
	r := w.report(a, o, all, stage)
	if len(all) < o.Runs {
		return r, ctx.Err()
	}
	return r, nil
}

// SeedOf is the seed of a run of many.
func SeedOf(seed uint64, run int) uint64 { return mix(seed + mix(uint64(run))) }

// both plays every rule once.
func (p *player) both(x *played, stage *experiment.Stage, seed uint64) error {
	var err error
	if x.own, err = p.play(seed, false); err != nil {
		return err
	}
	if stage != nil {
		for i, r := range Rivals() {
			x.rivals[i] = p.rival(r, stage, seed)
		}
	}
	x.done = true
	return nil
}
