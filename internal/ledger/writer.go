// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"database/sql"
	"errors"
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
	run func(*writer) error
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
	// purgeBatch bounds how many expired keys one commit forgets.
	purgeBatch = 512
	// maxRows bounds the rows kept in memory, about 8 MiB.
	maxRows = 1 << 16
)

// writer owns the connection and everything cached from it.
type writer struct {
	ledger *Ledger
	db     *sql.DB
	conn   *sql.Conn
	stmt   *statements

	// ctx is never cancelled: a caller that leaves must not undo the commit
	// that it shares with others.
	ctx    context.Context
	rows   map[rowKey]row
	phases map[phaseKey]horizon
	// moved are the numbers of units that moved, by phases once asked about.
	moved map[phaseKey]int64
	// pending are exposures taken from the queue and not yet on disk.
	pending []queued
	// late counts the late exposures of the transaction under way.
	late int64
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	stmt, err := prepare(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, stmt.close(), conn.Close())
	}
	return &writer{
		db: db, conn: conn, stmt: stmt, ctx: context.WithoutCancel(ctx),
		rows: map[rowKey]row{}, phases: map[phaseKey]horizon{}, moved: map[phaseKey]int64{},
	}, nil
}

func (w *writer) close() error {
	return errors.Join(w.stmt.close(), w.conn.Close(), w.db.Close())
}

// run writes until the ledger quits, and then what is left. The error is about
// exposures that could not be written at the end.
func (w *writer) run() error {
	for {
		jobs, quit := w.gather()
		err := w.write(jobs)
		if quit {
			w.ledger.counters.dropped.Add(int64(len(w.pending)))
			return err
		}
	}
}

// gather waits for work, and then a little longer for others to share its
// commit.
func (w *writer) gather() (jobs []*job, quit bool) {
	l := w.ledger
	var retry <-chan time.Time
	if len(w.pending) > 0 {
		retry = time.After(retryAfter)
	}
	exposures := l.exposures
	if len(w.pending) >= l.options.Queue {
		exposures = nil // The store fails; what waits is enough.
	}
	select {
	case <-l.quit:
		return w.drain(nil), true
	case j := <-l.jobs:
		jobs = append(jobs, j)
	case e := <-exposures:
		w.pending = append(w.pending, e)
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

// drain takes what waits at this moment. Jobs first, then exposures: whatever
// was exposed before a job was handed in is written before it.
func (w *writer) drain(jobs []*job) []*job {
	for range min(len(w.ledger.jobs), maxJobs) {
		jobs = append(jobs, <-w.ledger.jobs)
	}
	w.take()
	return jobs
}

// take moves the queue to pending, unless so much is pending already that
// memory would not be bounded.
func (w *writer) take() {
	l := w.ledger
	if len(w.pending) >= l.options.Queue {
		return
	}
	for range len(l.exposures) {
		w.pending = append(w.pending, <-l.exposures)
	}
}

// write commits exposures and shared jobs together, then each solo job alone.
// The error is that of the former.
func (w *writer) write(jobs []*job) error {
	var err error
	if len(w.pending) >= w.ledger.options.Queue {
		if err = w.writeShared(nil); err == nil {
			w.take()
		}
	}
	var shared []*job
	for _, j := range jobs {
		if !j.solo {
			shared = append(shared, j)
		}
	}
	if err == nil {
		err = w.writeShared(shared)
	}
	for _, j := range shared {
		w.finish(j, err)
	}
	for _, j := range jobs {
		switch {
		case !j.solo:
		case err != nil:
			// Cells without the exposures that belong to them would be wrong
			// for ever.
			w.finish(j, err)
		default:
			w.finish(j, w.transact(func() error { return j.run(w) }))
		}
	}
	return err
}

func (w *writer) writeShared(jobs []*job) error {
	if len(w.pending)+len(jobs) == 0 {
		return nil
	}
	err := w.transact(func() error {
		for i := range w.pending {
			q := &w.pending[i]
			_, found, err := w.expose(keyOf(q.join, &q.exposure), &q.exposure, q.groups)
			if err != nil {
				return err
			}
			if !found {
				w.late++
			}
		}
		for _, j := range jobs {
			if err := j.run(w); err != nil {
				return err
			}
		}
		return w.purge()
	})
	if err != nil {
		return err
	}
	clear(w.pending)
	w.pending = w.pending[:0]
	return nil
}

func (w *writer) finish(j *job, err error) {
	if err == nil && j.committed != nil {
		j.committed()
	}
	j.done <- err
}

// transact runs f in one transaction. After a failure nothing of it is left,
// in the file or in memory.
func (w *writer) transact(f func() error) error {
	w.late = 0
	err := w.exec("BEGIN IMMEDIATE")
	if err == nil {
		if err = f(); err == nil {
			err = w.exec("COMMIT")
		}
		if err != nil {
			// Fails harmlessly where SQLite has rolled back by itself.
			_ = w.exec("ROLLBACK")
		}
	}
	c := &w.ledger.counters
	if err != nil {
		clear(w.rows)
		clear(w.phases)
		clear(w.moved)
		if _, ok := errors.AsType[*experiment.Error](err); ok {
			return err
		}
		c.failures.Add(1)
		return experiment.Errorf(experiment.CodeUnavailable, "write the ledger: %w", err).
			WithHint("nothing of it was stored; try again")
	}
	c.commits.Add(1)
	c.lateExposures.Add(w.late)
	return nil
}

func (w *writer) exec(query string) error {
	if _, err := w.conn.ExecContext(w.ctx, query); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// purge forgets some of the keys that need not be remembered any more.
func (w *writer) purge() error {
	if _, err := w.stmt.purgeKeys.ExecContext(w.ctx, w.ledger.options.Now().UnixMilli(), purgeBatch); err != nil {
		return fmt.Errorf("purge keys: %w", err)
	}
	return nil
}

// experiment is the number of an experiment in the file.
func (w *writer) experiment(name string) (id int64, err error) {
	if _, err := w.stmt.addExperiment.ExecContext(w.ctx, name); err != nil {
		return 0, fmt.Errorf("add experiment: %w", err)
	}
	if err := w.stmt.experiment.QueryRowContext(w.ctx, name).Scan(&id); err != nil {
		return 0, fmt.Errorf("read experiment: %w", err)
	}
	return id, nil
}
