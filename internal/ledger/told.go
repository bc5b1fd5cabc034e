// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Told is an exposure by an application's word, with the groups of its unit.
type Told struct {
	experiment.Exposure
	Groups uint64
}

// ExposeAll records exposures of one experiment and says what became of each.
// Unlike Expose it waits until they are on disk; commits are shared with other
// callers. Telling again what is known changes nothing, so a call can be
// repeated. It is CodeInvalid for a version or groups that the experiment does
// not have, and CodeUnavailable if the store failed or ctx ended.
func (l *Ledger) ExposeAll(ctx context.Context, id string, told []Told) (experiment.ExposureReceipt, error) {
	j, err := l.lookup(id)
	if err != nil {
		return experiment.ExposureReceipt{}, err
	}
	for i := range told {
		if e := &told[i]; !j.takes(&e.Exposure, e.Groups) {
			return experiment.ExposureReceipt{}, experiment.Errorf(experiment.CodeInvalid, "exposure %d is of version %d in window %d: %s has no such version, window or groups", i, e.Version, e.Window, id)
		}
	}
	var receipt experiment.ExposureReceipt
	err = l.do(ctx, &job{
		size: len(told),
		wants: func(w *writer) {
			for i := range told {
				w.wantRow(keyOf(j, &told[i].Exposure))
			}
		},
		run: func(w *writer) (err error) {
			receipt, err = w.tell(j, told)
			return err
		},
	})
	if err != nil {
		// Not receipt: when ctx has ended the writer may still be at it.
		return experiment.ExposureReceipt{}, err
	}
	return receipt, nil
}

// tell writes exposures and counts what they changed.
func (w *writer) tell(j *join, told []Told) (receipt experiment.ExposureReceipt, err error) {
	for i := range told {
		e := &told[i]
		k := keyOf(j, &e.Exposure)
		before, known, err := w.row(k)
		if err != nil {
			return receipt, err
		}
		_, found, err := w.expose(k, &e.Exposure, e.Groups)
		switch {
		case err != nil:
			return receipt, err
		case !found:
			receipt.Late++
			w.tally.lateExposures++
		case !known:
			receipt.Accepted++
		case before.version == e.Version:
			receipt.Duplicates++
		default:
			receipt.Moved++
		}
	}
	return receipt, nil
}
