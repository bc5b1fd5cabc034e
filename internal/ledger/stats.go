// SPDX-License-Identifier: Apache-2.0

package ledger

import "sync/atomic"

// Stats are counts since Open; the metrics show the same.
type Stats struct {
	// Commits of the file, and those that failed.
	Commits, Failures int64
	// Calls of Record that were committed.
	Calls int64
	// Dropped exposures: the queue was full, or nobody knew the experiment or
	// the version. DroppedPairs and DroppedPredictions are the same of theirs.
	Dropped, DroppedPairs, DroppedPredictions int64
	// LateExposures, LatePairs and LatePredictions came for a window that is
	// sealed.
	LateExposures, LatePairs, LatePredictions int64
	// Pairs and Predictions that were stored; DuplicatePairs were known.
	Pairs, DuplicatePairs, Predictions int64
	// Outcomes by what became of them. Unknown are those whose event no metric
	// names; receipts count them as unmatched, these counters apart.
	Accepted, Duplicates, Late, Unmatched, Unknown int64
	// ConflictingLabels are among Duplicates: the prediction has another label.
	ConflictingLabels int64
	// Retired rows of pairs and predictions were sealed and went when there
	// were too many or they were too old. Lost ones went before that, which
	// takes twice as many: their windows are not whole.
	Retired, Lost int64
	// Batches that were stored; RepeatedBatches were stored before, and
	// MissingBatches are those that their gateways let go.
	Batches, RepeatedBatches, MissingBatches int64
	// LateCells came from a gateway for a window that is sealed. MissingWindows
	// are those that a gateway skipped.
	LateCells, MissingWindows int64
	// SilentGateways counts how often a phase's windows were sealed without a
	// gateway that has served it, because nothing was heard of it.
	SilentGateways int64
	// Queued exposures, and pairs and predictions, at this moment.
	Queued, QueuedRows int
}

// tally is what one transaction counts. It is added to the counters when the
// transaction is committed.
type tally struct {
	lateExposures, latePairs, latePredictions int64
	pairs, duplicatePairs, predictions        int64
	conflicts, retired, lost                  int64
	missingBatches, lateCells, missingWindows int64
	silentGateways                            int64
}

type counters struct {
	commits, failures, calls                          atomic.Int64
	dropped, droppedPairs, droppedPredictions         atomic.Int64
	accepted, duplicates, late, unmatched, unknown    atomic.Int64
	batches, repeatedBatches                          atomic.Int64
	lateExposures, latePairs, latePredictions         atomic.Int64
	pairs, duplicatePairs, predictions                atomic.Int64
	conflicts, retired, lost                          atomic.Int64
	missingBatches, lateCells, missingWindows, silent atomic.Int64
}

func (c *counters) add(t *tally) {
	c.lateExposures.Add(t.lateExposures)
	c.latePairs.Add(t.latePairs)
	c.latePredictions.Add(t.latePredictions)
	c.pairs.Add(t.pairs)
	c.duplicatePairs.Add(t.duplicatePairs)
	c.predictions.Add(t.predictions)
	c.conflicts.Add(t.conflicts)
	c.retired.Add(t.retired)
	c.lost.Add(t.lost)
	c.missingBatches.Add(t.missingBatches)
	c.lateCells.Add(t.lateCells)
	c.missingWindows.Add(t.missingWindows)
	c.silent.Add(t.silentGateways)
}

// Stats returns the counts so far.
func (l *Ledger) Stats() Stats {
	c := &l.counters
	return Stats{
		Commits: c.commits.Load(), Failures: c.failures.Load(), Calls: c.calls.Load(),
		Dropped: c.dropped.Load(), DroppedPairs: c.droppedPairs.Load(), DroppedPredictions: c.droppedPredictions.Load(),
		LateExposures: c.lateExposures.Load(), LatePairs: c.latePairs.Load(), LatePredictions: c.latePredictions.Load(),
		Pairs: c.pairs.Load(), DuplicatePairs: c.duplicatePairs.Load(), Predictions: c.predictions.Load(),
		Accepted: c.accepted.Load(), Duplicates: c.duplicates.Load(), Late: c.late.Load(),
		Unmatched: c.unmatched.Load(), Unknown: c.unknown.Load(), ConflictingLabels: c.conflicts.Load(),
		Retired: c.retired.Load(), Lost: c.lost.Load(),
		Batches: c.batches.Load(), RepeatedBatches: c.repeatedBatches.Load(), MissingBatches: c.missingBatches.Load(),
		LateCells: c.lateCells.Load(), MissingWindows: c.missingWindows.Load(), SilentGateways: c.silent.Load(),
		Queued: len(l.exposures), QueuedRows: len(l.rows),
	}
}
