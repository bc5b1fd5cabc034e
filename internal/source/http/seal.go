// SPDX-License-Identifier: Apache-2.0

package http

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// budget is the time after which no further window is begun in one reading: the
// next one goes on.
const budget = 10 * time.Second

// Seal is an engine.Reader: it reads the windows that have matured at now, in
// order. It stops before the first that cannot be read; an error means that none
// could, and that the same are to be asked for again. Its code is unavailable
// where the server did not answer, unauthorized, or invalid where a person must
// mend something.
func (p *Plan) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	span := remote.SpanOf(p.plan, w)
	seal := span.Nothing()
	if span.Window < time.Second {
		return seal, invalid("windows of %v cannot be asked for: providers are asked in whole seconds", span.Window).WithHint("make windows at least a second long")
	}
	to := min(span.Matured(now, p.source.Hold()), span.From+p.source.options.Windows)
	if to <= span.From || len(p.metrics) == 0 {
		seal.To = max(seal.To, to)
		return seal, nil
	}
	begun := time.Now()
	for window := span.From; window < to && (window == span.From || time.Since(begun) < budget); window++ {
		read, err := remote.Guarded(ctx, p.source.breaker, func(ctx context.Context) (experiment.Seal, error) {
			return p.window(ctx, &span, window)
		})
		if err != nil {
			if window > span.From {
				break // What was read stands; the next reading says why it stops here.
			}
			return span.Nothing(), err
		}
		seal.To = window + 1
		seal.Cells, seal.Gaps = append(seal.Cells, read.Cells...), append(seal.Gaps, read.Gaps...)
	}
	seal.Gaps = experiment.MergeGaps(seal.Gaps, seal.From, seal.To)
	return seal, nil
}

// seconds are a window's ends, in Unix seconds, of the seconds that lie inside of
// the phase from their first moment to their last.
func seconds(span *remote.Span, window int64) (from, to int64) {
	begin, end := span.Edges(window)
	from = ceil(begin)
	if to = ceil(end); !span.End.IsZero() && !end.Before(span.End) {
		to = end.Unix()
	}
	return from, to
}

func ceil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// window reads one window: every metric of every version that gets requests.
func (p *Plan) window(ctx context.Context, span *remote.Span, window int64) (experiment.Seal, error) {
	var seal experiment.Seal
	from, to := seconds(span, window)
	if from >= to {
		return seal, nil // Less than a second of a phase that ended.
	}
	fill := func(text string) string { return remote.FillWindow(text, from, to) }
	ctx, stop := context.WithTimeoutCause(ctx, remote.Patience(p.source.server.Timeout()), p.source.tooSlow())
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	versions := len(p.plan.Versions)
	told := make([]remote.Told, len(p.metrics)*versions)
	var wg sync.WaitGroup
	for i := range told {
		m, v := &p.metrics[i/versions], i%versions
		if !span.Asked[v] && !span.Mirrored[v] {
			continue
		}
		wg.Go(func() {
			answer, err := p.source.ask(ctx, m.query, v, fill)
			if err == nil {
				told[i], err = m.told(ctx, answer, p.source.server.Timeout())
			}
			if err != nil { // Without it the window cannot be sealed; the first cause counts.
				cancel(fmt.Errorf("metric %s of %s: %w", m.name, span.Names[v], err))
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return seal, context.Cause(ctx)
	}
	for i, t := range told {
		m, v := &p.metrics[i/versions], i%versions
		switch {
		case t.Some:
			seal.Cells = append(seal.Cells, span.Cell(window, v, m.name, t.Evidence))
		case t.Why != "" && span.Asked[v]:
			seal.Gaps = append(seal.Gaps, remote.Gap(window, fmt.Sprintf("%s of %s %s", m.name, span.Names[v], t.Why)))
		}
	}
	return seal, nil
}
