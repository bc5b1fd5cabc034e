// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A commit whose answer does not come, because the database went away in the
// middle of it, was made or was not. Each transaction therefore writes its
// number, and whoever does not know looks for it: then what was stored is not
// written again, whether it has a key or not.

// commitsKept is how long the last commit of a process is remembered. One that
// still runs writes it anew all the time.
const commitsKept = 24 * time.Hour

// commits numbers the transactions of one process.
type commits struct {
	writer int64
	// number is the last one's. unknown says that nobody knows yet whether it was
	// made; so many of the pending exposures and rows are in it.
	number          int64
	unknown         bool
	exposures, rows int
	// purged is when old commits were last forgotten.
	purged time.Time
}

func newCommits() commits { return commits{writer: rand.Int64()} }

// begin begins a transaction, and forgets what may not hold any more.
func (w *writer) begin(solo bool) error {
	fresh, err := w.store.begin(w.ctx, solo)
	if fresh {
		w.memory.forget()
		w.keys = w.keys.unread()
	}
	return err
}

// numberCommit writes the number of the transaction under way.
func (w *writer) numberCommit() error {
	now := w.ledger.options.Now()
	c := &w.commits
	c.number++
	if err := w.store.later(w.ctx, sqlSetCommit, c.writer, c.number, now.UnixMilli()); err != nil {
		return fmt.Errorf("number the commit: %w", err)
	}
	if now.Sub(c.purged).Abs() < commitsKept/24 {
		return nil
	}
	c.purged = now
	if err := w.store.later(w.ctx, sqlPurgeCommits, now.Add(-commitsKept).UnixMilli()); err != nil {
		return fmt.Errorf("forget old commits: %w", err)
	}
	return nil
}

// made finds out whether the last commit was made. By the time that the store
// can be asked again it is settled: nobody else writes in this one's name, and
// its session has ended, or else this one could not own the store.
func (w *writer) made() (made bool, err error) {
	if err = w.begin(false); err == nil {
		var number int64
		if _, err = w.one(sqlCommitted, []any{w.commits.writer}, &number); err == nil {
			made = number == w.commits.number
		}
	}
	w.store.rollback(w.ctx)
	if err != nil {
		return false, fmt.Errorf("look for the last commit: %w", err)
	}
	return made, nil
}

// commit ends the transaction. Where the answer does not come it finds out what
// became of it: made is true when it is on disk, whatever the error. Where it
// cannot find out, commits.unknown says so, and the next transaction begins with
// that.
func (w *writer) commit() (made bool, err error) {
	if err = w.store.commit(w.ctx); err == nil {
		return true, nil
	}
	w.store.rollback(w.ctx)
	made, unsure := w.made()
	if unsure != nil { // All that is pending is in it.
		c := &w.commits
		c.unknown, c.exposures, c.rows = true, len(w.pending), len(w.pendingRows)
	}
	return made, err
}

// settle finds out what became of a commit in doubt, and takes from what is
// pending what was in it.
func (w *writer) settle() error {
	c := &w.commits
	if !c.unknown {
		return nil
	}
	made, err := w.made()
	if err != nil {
		return err
	}
	c.unknown = false
	if made {
		w.pending = slices.Delete(w.pending, 0, c.exposures)
		w.pendingRows = slices.Delete(w.pendingRows, 0, c.rows)
	}
	c.exposures, c.rows = 0, 0
	return nil
}
