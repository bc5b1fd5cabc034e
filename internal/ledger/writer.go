// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// queued is an exposure on its way to the writer.
type queued struct {
	join     *join
	exposure experiment.Exposure
	groups   uint64
}

// job is work for the writer. Its effects outside the file happen in done's
// reader, after the commit.
type job struct {
	// wants notes what run is going to ask for, so that it is asked for all jobs
	// at once; nil for nothing.
	wants func(*writer)
	run   func(*writer) error
	// size is about how many rows it writes.
	size int
	// solo jobs get a transaction of their own.
	solo bool
	// committed is called by the writer once the job is on disk.
	committed func()
	done      chan error
}

// do hands a job to the writer and waits for its commit. When ctx ends first
// the job may or may not be done.
func (l *Ledger) do(ctx context.Context, j *job) error {
	j.done = make(chan error, 1)
	select {
	case l.jobs <- j:
	case <-ctx.Done():
		return experiment.Errorf(experiment.CodeUnavailable, "wait for the ledger: %w", ctx.Err())
	case <-l.stopped:
		return errClosed()
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return experiment.Errorf(experiment.CodeUnavailable, "wait for the ledger's commit: %w", ctx.Err()).
			WithHint("send it again with the same keys; what was stored counts once")
	case <-l.stopped:
	}
	select {
	case err := <-j.done:
		return err
	default:
		return errClosed()
	}
}

func errClosed() error {
	return experiment.Errorf(experiment.CodeUnavailable, "the ledger is closed")
}

const (
	// retryAfter is how long the writer waits to try exposures again that
	// could not be written.
	retryAfter = 100 * time.Millisecond
	// maxShared is how many rows the jobs of one commit may write, about: one
	// that takes too long fails, and would again.
	maxShared = 1 << 14
	// purgeBatch bounds how many expired keys one commit forgets.
	purgeBatch = 512
)

// writer decides, and owns the store and everything cached from it.
type writer struct {
	ledger *Ledger
	store  store

	// ctx is never cancelled: a caller that leaves must not undo the commit
	// that it shares with others.
	ctx context.Context
	memory
	// pending and pendingRows are taken from the queues and not yet on disk.
	pending     []queued
	pendingRows []queuedRow

	keys    keys
	commits commits

	// What follows is of the transaction under way: what it asks for, the rows
	// that it is going to write, its counts, the labels that it adds, the
	// experiments that it adds rows to.
	want      wants
	write     buffers
	tally     tally
	truths    map[truthID]string
	growing   map[*join]bool
	rowsOwner int64
	// mirrored says that predictions of copies are among those that it writes,
	// copiesFrom after which prediction; -1 is none.
	mirrored   bool
	copiesFrom int64
	// checked is when the age of all rows was last looked at.
	checked time.Time
}

func newWriter(ctx context.Context, s store) *writer {
	return &writer{
		store: s, ctx: context.WithoutCancel(ctx), memory: newMemory(),
		keys: newKeys(), commits: newCommits(), want: newWants(), write: newBuffers(), truths: map[truthID]string{}, growing: map[*join]bool{},
	}
}

// run writes until the ledger quits, and then what is left. The error is about
// exposures that could not be written at the end.
func (w *writer) run() error {
	for {
		jobs, quit := w.gather()
		err := w.writeAll(jobs)
		if quit {
			w.ledger.counters.dropped.Add(int64(len(w.pending)))
			for i := range w.pendingRows {
				w.ledger.dropRow(w.pendingRows[i].pair != nil)
			}
			return err
		}
	}
}

// gather waits for work, and then a little longer for others to share its
// commit.
func (w *writer) gather() (jobs []*job, quit bool) {
	l := w.ledger
	var retry <-chan time.Time
	if len(w.pending)+len(w.pendingRows) > 0 {
		retry = time.After(retryAfter)
	}
	exposures, rows := l.exposures, l.rows
	if len(w.pending) >= l.options.Queue {
		exposures = nil // The store fails; what waits is enough.
	}
	if len(w.pendingRows) >= l.options.Queue {
		rows = nil
	}
	select {
	case <-l.quit:
		return w.drain(nil), true
	case j := <-l.jobs:
		jobs = append(jobs, j)
	case e := <-exposures:
		w.pending = append(w.pending, e)
	case r := <-rows:
		w.pendingRows = append(w.pendingRows, r)
	case <-retry:
		return nil, false
	}
	linger := time.NewTimer(l.options.Commit)
	defer linger.Stop()
	for len(jobs) < maxJobs && !(len(jobs) > 0 && jobs[len(jobs)-1].solo) {
		select {
		case j := <-l.jobs:
			jobs = append(jobs, j)
		case <-linger.C:
			return w.drain(jobs), false
		case <-l.quit:
			return w.drain(jobs), true
		}
	}
	return w.drain(jobs), false
}

// drain takes what waits at this moment. Jobs first, then exposures and rows:
// whatever was exposed before a job was handed in is written before it.
func (w *writer) drain(jobs []*job) []*job {
	for range min(len(w.ledger.jobs), maxJobs) {
		jobs = append(jobs, <-w.ledger.jobs)
	}
	w.take()
	return jobs
}

// take moves the queues to pending, unless so much is pending already that
// memory would not be bounded.
func (w *writer) take() {
	l := w.ledger
	if len(w.pending) < l.options.Queue {
		for range len(l.exposures) {
			w.pending = append(w.pending, <-l.exposures)
		}
	}
	if len(w.pendingRows) < l.options.Queue {
		for range len(l.rows) {
			w.pendingRows = append(w.pendingRows, <-l.rows)
		}
	}
}

// writeAll commits exposures, rows and shared jobs together, then each solo job
// alone. The error is that of the former.
func (w *writer) writeAll(jobs []*job) error {
	var err error
	if len(w.pending) >= w.ledger.options.Queue || len(w.pendingRows) >= w.ledger.options.Queue {
		if err = w.writeShared(nil); err == nil {
			w.take()
		}
	}
	for i, shared := range portions(jobs) {
		failed := err
		if failed == nil {
			failed = w.writeShared(shared)
		}
		for _, j := range shared {
			w.finish(j, failed)
		}
		if i == 0 {
			err = failed // Exposures go with the first.
		}
	}
	for _, j := range jobs {
		switch {
		case !j.solo:
		case err != nil:
			// Cells without the exposures that belong to them would be wrong
			// for ever.
			w.finish(j, err)
		default:
			w.finish(j, w.transact(true, func() error { return j.run(w) }))
		}
	}
	return err
}

// portions divides the jobs that share commits: at least one portion, which may
// be empty.
func portions(jobs []*job) [][]*job {
	all := [][]*job{nil}
	size := 0
	for _, j := range jobs {
		if j.solo {
			continue
		}
		if size += j.size; size > maxShared && len(all[len(all)-1]) > 0 {
			all, size = append(all, nil), j.size
		}
		all[len(all)-1] = append(all[len(all)-1], j)
	}
	return all
}

func (w *writer) writeShared(jobs []*job) error {
	if len(w.pending)+len(w.pendingRows)+len(jobs) == 0 {
		return nil
	}
	err := w.transact(false, func() error {
		if err := w.askAhead(jobs); err != nil {
			return err
		}
		for i := range w.pending {
			q := &w.pending[i]
			_, found, err := w.expose(keyOf(q.join, &q.exposure), &q.exposure, q.groups)
			if err != nil {
				return err
			}
			if !found {
				w.tally.lateExposures++
			}
		}
		for i := range w.pendingRows {
			if err := w.keep(&w.pendingRows[i]); err != nil {
				return err
			}
		}
		for _, j := range jobs {
			if err := j.run(w); err != nil {
				return err
			}
		}
		if err := w.flush(); err != nil {
			return err
		}
		return w.purge()
	})
	if err != nil {
		return err
	}
	clear(w.pending)
	w.pending = w.pending[:0]
	clear(w.pendingRows)
	w.pendingRows = w.pendingRows[:0]
	return nil
}

func (w *writer) finish(j *job, err error) {
	if err == nil && j.committed != nil {
		j.committed()
	}
	j.done <- err
}

// transact runs f in one transaction. After a failure nothing of it is left,
// in the store or in memory.
func (w *writer) transact(solo bool, f func() error) error {
	w.tally = tally{}
	w.keys.begin()
	clear(w.truths)
	clear(w.growing)
	w.forgetCopies()
	w.memory.begin()
	err := w.settle()
	if err == nil {
		err = w.begin(solo)
	}
	hint := "nothing of it was stored; try again"
	if err == nil {
		if err = f(); err == nil {
			err = w.flush()
		}
		if err == nil {
			err = w.numberCommit()
		}
		if err != nil {
			w.store.rollback(w.ctx)
		} else if made, failed := w.commit(); made && failed != nil {
			w.memory.forget()
			w.keys = w.keys.unread()
		} else if err = failed; w.commits.unknown {
			hint = "perhaps it was stored, perhaps not; send it again with the same keys"
		}
	}
	c := &w.ledger.counters
	if err != nil {
		w.memory.forget()
		w.want.clear()
		w.write.clear()
		w.keys.rollBack()
		if code := experiment.CodeOf(err); code != experiment.CodeInternal && code != experiment.CodeUnavailable {
			return err
		}
		c.failures.Add(1)
		return experiment.Errorf(experiment.CodeUnavailable, "write the ledger: %w", err).
			WithHint("%s", hint)
	}
	w.keys.committed()
	c.commits.Add(1)
	c.add(&w.tally)
	return nil
}

// flush writes the rows that wait.
func (w *writer) flush() error {
	for _, one := range []func() error{w.flushPairs, w.flushPredictions, w.flushExposures, w.flushOutcomes, w.flushKeys} {
		if err := one(); err != nil {
			return err
		}
	}
	if w.write.labels.waiting() == 0 {
		return nil
	}
	if err := w.insertLater(w.write.labels); err != nil {
		return err
	}
	return w.shareLabels()
}

// purge forgets some of what need not be remembered any more.
func (w *writer) purge() error {
	now := w.ledger.options.Now()
	if err := w.store.later(w.ctx, sqlPurgeKeys, now.UnixMilli(), purgeBatch); err != nil {
		return fmt.Errorf("purge keys: %w", err)
	}
	return w.retireAll(now)
}

// experiment is the number of an experiment in the store.
func (w *writer) experiment(name string) (id int64, err error) {
	if err := w.store.later(w.ctx, sqlAddExperiment, name); err != nil {
		return 0, fmt.Errorf("add experiment: %w", err)
	}
	if _, err := w.one(sqlExperiment, []any{name}, &id); err != nil {
		return 0, fmt.Errorf("read experiment: %w", err)
	}
	return id, nil
}
