// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// DefaultSpool is how many rows wait for whoever keeps them, where the options
// say nothing; a row takes about 150 bytes.
const DefaultSpool = 1 << 16

const (
	// batchRows is how many rows one batch has at most, each comparison of a pair
	// being one more: so a batch is a few MB at most.
	batchRows = 4096
	// batchCells is how many cells one batch has at most, but those of one
	// window stay together.
	batchCells = 2048
)

// spool keeps rows in numbered batches until somebody has taken them over. It is
// bounded: what is oldest goes first, and is counted. Taking a row costs a copy
// under a lock.
type spool struct {
	name    string
	most    int
	windows *windows

	mu sync.Mutex
	// filling is the batch under way; ready are those before it, which do not
	// change any more.
	filling experiment.Batch
	ready   []*experiment.Batch
	// rows are those of all batches; filled is how full filling is.
	rows, filled int
	// asked says that somebody takes batches over.
	asked bool

	dropped prometheus.Counter
	acked   prometheus.Counter
}

// newSpool makes a spool of at most most rows; 0 keeps none.
func newSpool(most int, w *windows, registry prometheus.Registerer) *spool {
	var id [8]byte
	_, _ = rand.Read(id[:]) // Never fails: crypto/rand crashes instead.
	s := &spool{
		name: hex.EncodeToString(id[:]), most: most, windows: w,
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_spool_dropped_total", Help: "Rows that nobody took over in time.",
		}),
		acked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_spool_taken_total", Help: "Rows that somebody has taken over.",
		}),
	}
	s.filling = experiment.Batch{Gateway: s.name, Sequence: 1}
	registry.MustRegister(s.dropped, s.acked, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "headgate_gateway_spool_rows", Help: "Rows that wait to be taken over.",
	}, s.waiting))
	return s
}

func (s *spool) waiting() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.rows)
}

// lookAgain is the time between two looks at whether everything is taken.
const lookAgain = 20 * time.Millisecond

// finish makes the last batch, with the cells of all windows: there are no more
// requests.
func (s *spool) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := inRuns(s.windows.fresh(true))
	if len(runs) == 0 {
		runs = append(runs, nil)
	}
	for _, seals := range runs {
		s.cut(seals)
	}
	s.ready[len(s.ready)-1].Last = true
}

// drain waits until somebody has taken everything over, where somebody does, or
// ctx ends. It says how many rows are left.
func (s *spool) drain(ctx context.Context) int {
	t := time.NewTicker(lookAgain)
	defer t.Stop()
	for {
		s.mu.Lock()
		left, batches, asked := s.rows, len(s.ready), s.asked
		s.mu.Unlock()
		if left+batches == 0 || !asked {
			return left
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return left
		}
	}
}

// expose, pair and predict take a row; false drops it.
func (s *spool) expose(e experiment.Exposure, groups uint64) bool {
	return s.add(1, func(b *experiment.Batch) {
		b.Exposures = append(b.Exposures, experiment.GroupedExposure{Exposure: e, Groups: groups})
	})
}

func (s *spool) pair(p *experiment.Pair) bool {
	return s.add(1+len(p.Compared), func(b *experiment.Batch) { b.Pairs = append(b.Pairs, *p) })
}

func (s *spool) predict(p *experiment.Prediction) bool {
	return s.add(1, func(b *experiment.Batch) { b.Predictions = append(b.Predictions, *p) })
}

func (s *spool) add(size int, row func(*experiment.Batch)) bool {
	if s.most == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row(&s.filling)
	s.rows++
	if s.filled += size; s.filled >= batchRows {
		s.cut(nil)
	}
	return true
}

// cut ends the batch under way and lets the oldest go where there are too many.
// Cells are never let go: there are few, and windows bounds them.
func (s *spool) cut(seals []experiment.Seal) {
	b := s.filling
	b.Seals = append(b.Seals, seals...)
	s.ready = append(s.ready, &b)
	s.filling, s.filled = experiment.Batch{Gateway: s.name, Sequence: b.Sequence + 1}, 0
	for s.rows > s.most && len(s.ready) > 1 {
		n := rowsOf(s.ready[0])
		s.rows -= n
		s.dropped.Add(float64(n))
		later := *s.ready[1]
		later.Seals = withLost(slices.Concat(s.ready[0].Seals, later.Seals), s.ready[0])
		s.ready[1] = &later
		s.ready = slices.Delete(s.ready, 0, 1)
	}
}

func rowsOf(b *experiment.Batch) int { return len(b.Exposures) + len(b.Pairs) + len(b.Predictions) }

// next gives the first batch after a sequence, nil if there is nothing yet. Who
// asks for what comes after a batch has stored it: it is forgotten.
func (s *spool) next(after uint64) *experiment.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	for len(s.ready) > 0 && s.ready[0].Sequence <= after {
		n := rowsOf(s.ready[0])
		s.rows -= n
		s.acked.Add(float64(n))
		s.windows.taken(s.ready[0].Seals)
		s.ready = slices.Delete(s.ready, 0, 1)
	}
	if len(s.ready) == 0 {
		runs := inRuns(s.windows.fresh(false))
		if s.filled > 0 && len(runs) == 0 {
			s.cut(nil)
		}
		for _, seals := range runs {
			s.cut(seals)
		}
	}
	if len(s.ready) == 0 {
		return nil
	}
	return s.ready[0]
}

// inRuns divides sealed windows among batches.
func inRuns(seals []experiment.Seal) (runs [][]experiment.Seal) {
	size := 0
	for _, seal := range seals {
		for _, part := range inParts(seal) {
			if len(runs) == 0 || size+len(part.Cells) > batchCells {
				runs, size = append(runs, nil), 0
			}
			last := len(runs) - 1
			runs[last], size = append(runs[last], part), size+len(part.Cells)
		}
	}
	return runs
}

// inParts divides a run of windows so that each part has at most batchCells, or
// is a single window. Cells are in the order of their windows.
func inParts(seal experiment.Seal) (parts []experiment.Seal) {
	for len(seal.Cells) > batchCells {
		n := batchCells
		for n > 0 && seal.Cells[n].Window == seal.Cells[n-1].Window {
			n--
		}
		if n == 0 {
			for n = batchCells; n < len(seal.Cells) && seal.Cells[n].Window == seal.Cells[0].Window; n++ {
			}
		}
		if n == len(seal.Cells) {
			break
		}
		part := seal
		part.To, part.Cells = seal.Cells[n].Window, seal.Cells[:n]
		part.Gaps = experiment.MergeGaps(seal.Gaps, part.From, part.To)
		parts = append(parts, part)
		seal.From, seal.Cells = part.To, seal.Cells[n:]
		seal.Gaps = experiment.MergeGaps(seal.Gaps, seal.From, seal.To)
	}
	return append(parts, seal)
}
