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

// tuning keeps what statements of many rows would undo, and the pages of one
// commit, in memory: 32 MiB at most.
const tuning = `PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8192`

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
	// kept are the numbers of pairs and predictions, by experiments once they
	// were counted.
	kept map[keptKey]int64
	// pending and pendingRows are taken from the queues and not yet on disk.
	pending     []queued
	pendingRows []queuedRow
	// number is the last outcome's, -1 when it is not known.
	number int64

	keys keys

	// What follows is of the transaction under way: its counts, the labels that
	// it adds, the experiments that it adds rows to.
	tally     tally
	truths    map[truthID]string
	growing   map[*join]bool
	rowsOwner int64
	// checked is when the age of all rows was last looked at.
	checked time.Time
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, tuning); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	stmt, err := prepare(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, stmt.close(), conn.Close())
	}
	return &writer{
		db: db, conn: conn, stmt: stmt, ctx: context.WithoutCancel(ctx),
		rows: map[rowKey]row{}, phases: map[phaseKey]horizon{}, moved: map[phaseKey]int64{},
		kept: map[keptKey]int64{}, number: -1,
		keys: newKeys(), truths: map[truthID]string{}, growing: map[*join]bool{},
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

// write commits exposures, rows and shared jobs together, then each solo job
// alone. The error is that of the former.
func (w *writer) write(jobs []*job) error {
	var err error
	if len(w.pending) >= w.ledger.options.Queue || len(w.pendingRows) >= w.ledger.options.Queue {
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
	if len(w.pending)+len(w.pendingRows)+len(jobs) == 0 {
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
// in the file or in memory.
func (w *writer) transact(f func() error) error {
	w.tally = tally{}
	w.keys.begin()
	clear(w.truths)
	clear(w.growing)
	err := w.exec("BEGIN IMMEDIATE")
	if err == nil {
		if err = f(); err == nil {
			err = w.flush()
		}
		if err == nil {
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
		clear(w.kept)
		w.number = -1
		w.stmt.clearRows()
		w.keys.rollBack()
		if _, ok := errors.AsType[*experiment.Error](err); ok {
			return err
		}
		c.failures.Add(1)
		return experiment.Errorf(experiment.CodeUnavailable, "write the ledger: %w", err).
			WithHint("nothing of it was stored; try again")
	}
	w.keys.committed()
	c.commits.Add(1)
	c.add(&w.tally)
	return nil
}

func (w *writer) exec(query string) error {
	if _, err := w.conn.ExecContext(w.ctx, query); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// flush writes the rows that wait.
func (w *writer) flush() error {
	if err := w.flushPairs(); err != nil {
		return err
	}
	if err := w.flushPredictions(); err != nil {
		return err
	}
	if err := w.flushOutcomes(); err != nil {
		return err
	}
	if err := w.flushKeys(); err != nil {
		return err
	}
	_, err := w.stmt.labels.flush(w.ctx)
	return err
}

// purge forgets some of what need not be remembered any more.
func (w *writer) purge() error {
	now := w.ledger.options.Now()
	if _, err := w.stmt.purgeKeys.ExecContext(w.ctx, now.UnixMilli(), purgeBatch); err != nil {
		return fmt.Errorf("purge keys: %w", err)
	}
	return w.retireAll(now)
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
