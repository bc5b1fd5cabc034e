// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Windows of gateways. A window is final when every gateway that may have served
// it has sealed it. That is each gateway which was heard of in the phase, or in
// the experiment and in no later phase: it may not have told yet. A gateway of
// which nothing was heard in the experiment for the plan's Stale is not waited
// for: its cells as far as they came count, and the window lacks the rest, which
// its seal says (Gaps), and Stats.SilentGateways. What it sends of that window
// later is counted, not added. Where no gateway is heard of any more, nothing is
// sealed but what all of them have sealed.
//
// A gateway is gone when it said so (Batch.Last), when another process is reached
// at its origin, or when its origin is not expected any more. Whoever said so has
// handed everything over. Of any other the windows up to its end lack what it had
// not, and it is not waited for; later windows are whole without it.

// sealedBy is how far a gateway has sealed a phase; found is false where nothing
// was heard of it there.
func (w *writer) sealedBy(k phaseKey, gateway string) (sealed int64, found bool, err error) {
	if found, err = w.one(sqlGatewaySealed, []any{k.experiment, k.epoch, k.phase, gateway}, &sealed); err != nil {
		return 0, false, fmt.Errorf("read a gateway's windows: %w", err)
	}
	return sealed, found, nil
}

// heardOf notes that a gateway serves a phase.
func (w *writer) heardOf(k phaseKey, gateway string, now time.Time) error {
	sealed, _, err := w.sealedBy(k, gateway)
	if err != nil {
		return err
	}
	return w.setSealedBy(k, gateway, sealed, now)
}

func (w *writer) setSealedBy(k phaseKey, gateway string, sealed int64, now time.Time) error {
	if err := w.store.later(w.ctx, sqlSetGatewayPhase, k.experiment, k.epoch, k.phase, gateway, sealed, now.UnixMilli()); err != nil {
		return fmt.Errorf("write a gateway's windows: %w", err)
	}
	return nil
}

// addGatewaySeal stores the cells of windows that are not final, and that the
// gateway has not sealed before.
func (w *writer) addGatewaySeal(gateway, origin string, s *gatewaySeal, now time.Time) error {
	h, err := w.horizon(s.phaseKey)
	if err != nil {
		return err
	}
	sealed, known, err := w.sealedBy(s.phaseKey, gateway)
	if err != nil {
		return err
	}
	if known && sealed > 0 && s.from > sealed {
		w.tally.missingWindows += s.from - sealed
		if err := w.lack(s.phaseKey, experiment.SourceGateway, experiment.Gap{From: sealed, To: s.from, Why: "a gateway skipped windows"}); err != nil {
			return err
		}
	}
	if len(s.gaps) > 0 {
		if err := w.addGatewayGaps(gateway, origin, s, sealed); err != nil {
			return err
		}
	}
	for i := range s.windows {
		c := &s.windows[i]
		if c.window < h.gateway || h.closed() || c.window < sealed {
			w.tally.lateCells += c.cells
			continue
		}
		if err := w.store.later(w.ctx, sqlAddGatewayCells, s.experiment, s.epoch, s.phase, c.window, gateway, c.text); err != nil {
			return fmt.Errorf("write a gateway's cells: %w", err)
		}
	}
	return w.setSealedBy(s.phaseKey, gateway, max(sealed, s.to), now)
}

// addGatewayGaps notes what a gateway says is missing. It does not know what an
// earlier process in its place has handed over; that is not missing.
func (w *writer) addGatewayGaps(gateway, origin string, s *gatewaySeal, sealed int64) error {
	whole := int64(-1)
	if sealed == 0 && origin != "" {
		if _, err := w.one(sqlEarlierSealed, []any{s.experiment, s.epoch, s.phase, gateway, origin}, &whole); err != nil {
			return fmt.Errorf("read an earlier gateway's windows: %w", err)
		}
	}
	for _, g := range s.gaps {
		g.From = max(g.From, whole)
		if g.From >= g.To {
			continue
		}
		w.tally.missingWindows += g.To - g.From
		if err := w.lack(s.phaseKey, s.source, g); err != nil {
			return err
		}
	}
	return nil
}

// witness is what is known of a gateway when windows of a phase are sealed.
type witness struct {
	gateway string
	seen    int64
	// sealed is how far; here says that it was heard of in the phase, later in
	// a later one.
	sealed      int64
	here, later bool
	leftOut     bool
	// origin is where it was reached; ended is when it was gone, 0 while it is
	// not, and lost that it had not handed everything over.
	origin string
	ended  int64
	lost   bool
}

func (g *witness) gone() bool { return g.ended != 0 }

// witnesses lists the gateways of an experiment as a phase sees them.
func (w *writer) witnesses(k phaseKey) (all []witness, err error) {
	rows, err := w.store.query(w.ctx, sqlGatewayPhases, k.experiment)
	if err != nil {
		return nil, fmt.Errorf("read the gateways' windows: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var epoch, phase int
		var origin string
		var sealed, seen, leftOut, ended, lost int64
		if err := rows.Scan(&name, &epoch, &phase, &sealed, &seen, &leftOut, &origin, &ended, &lost); err != nil {
			return nil, fmt.Errorf("read the gateways' windows: %w", err)
		}
		if len(all) == 0 || all[len(all)-1].gateway != name {
			all = append(all, witness{gateway: name, origin: origin, ended: ended, lost: lost != 0})
		}
		g := &all[len(all)-1]
		g.seen = max(g.seen, seen)
		switch c := cmp.Or(cmp.Compare(epoch, k.epoch), cmp.Compare(phase, k.phase)); {
		case c == 0:
			g.sealed, g.here, g.leftOut = sealed, true, leftOut != 0
		case c > 0:
			g.later = true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the gateways' windows: %w", err)
	}
	for i := range all {
		if g := &all[i]; !g.gone() && !w.ledger.expects(g.origin) {
			g.ended, g.lost = max(g.seen, 1), true
		}
	}
	return all, nil
}

// ripe is up to where the phase's windows are final. It notes which gateways
// are left out, and of which windows something is missing for that.
func (w *writer) ripe(s sealing, now time.Time) (int64, error) {
	all, err := w.witnesses(s.phaseKey)
	if err != nil {
		return 0, err
	}
	var gone []witness
	all = slices.DeleteFunc(all, func(g witness) bool {
		elsewhere := !g.here && g.later
		if g.gone() && g.lost && !elsewhere {
			gone = append(gone, g)
		}
		return g.gone() || elsewhere
	})
	silent := func(g witness) bool {
		return s.join.stale > 0 && now.Sub(time.UnixMilli(g.seen)) > s.join.stale
	}
	live := slices.DeleteFunc(slices.Clone(all), silent)
	if len(live) == 0 {
		// Whoever was never here has nothing to seal and will not come.
		live = slices.DeleteFunc(slices.Clone(all), func(g witness) bool { return !g.here })
	}
	if len(live) == 0 {
		return s.from, nil
	}
	to := slices.MinFunc(live, func(a, b witness) int { return cmp.Compare(a.sealed, b.sealed) }).sealed
	for _, g := range gone {
		if err := w.lack(s.phaseKey, experiment.SourceGateway, g.lacks(min(to, s.windowAt(time.UnixMilli(g.ended))))); err != nil {
			return 0, err
		}
	}
	for _, g := range all {
		if !silent(g) || g.sealed >= to {
			continue
		}
		if err := w.lack(s.phaseKey, experiment.SourceGateway, g.lacks(to)); err != nil {
			return 0, err
		}
		if !g.here || g.leftOut {
			continue
		}
		if err := w.store.later(w.ctx, sqlLeaveOut, s.experiment, s.epoch, s.phase, g.gateway); err != nil {
			return 0, fmt.Errorf("leave a gateway out: %w", err)
		}
		w.tally.silentGateways++
	}
	return max(s.from, to), nil
}

// mergeGateways merges the cells of all gateways, in the order of keys and then
// of the gateways' names.
func (w *writer) mergeGateways(s sealing) ([]experiment.Cell, error) {
	rows, err := w.store.query(w.ctx, sqlGatewayCells, s.experiment, s.epoch, s.phase, s.from, s.to)
	if err != nil {
		return nil, fmt.Errorf("read the gateways' cells: %w", err)
	}
	defer rows.Close()
	var all []experiment.Cell
	for rows.Next() {
		var window int64
		var text []byte
		if err := rows.Scan(&window, &text); err != nil {
			return nil, fmt.Errorf("read the gateways' cells: %w", err)
		}
		var cells []experiment.Cell
		if err := json.Unmarshal(text, &cells); err != nil {
			return nil, fmt.Errorf("read the gateways' cells: %w", err)
		}
		all = append(all, cells...)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the gateways' cells: %w", err)
	}
	slices.SortStableFunc(all, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) })
	var merged []experiment.Cell
	for _, c := range all {
		if n := len(merged) - 1; n >= 0 && merged[n].CellKey == c.CellKey {
			merged[n].Evidence = merged[n].Merge(c.Evidence)
		} else {
			merged = append(merged, c)
		}
	}
	return merged, nil
}
