// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// When a candidate is ejected, for how long, and how it comes back.
const (
	// mostFailures is how many requests must fail one after the other.
	mostFailures = 5
	// firstEjection is how long a candidate is ejected; each further time
	// doubles it up to longestEjection, until the candidate has held as long
	// as it was last ejected.
	firstEjection   = 5 * time.Second
	longestEjection = time.Minute
	// slowStart is how long a candidate that comes back takes to have all its
	// requests again; it begins with slowStartFrom of the Whole.
	slowStart     = 10 * time.Second
	slowStartFrom = experiment.Whole / 10
)

// never is when a version opens of which nobody knows.
const never = math.MaxInt64

// health is how a version fares, as its requests and probes show. It stays from
// one snapshot to the next. While a candidate is ejected the baseline answers
// in its place; the baseline itself is never ejected.
type health struct {
	// opens is when the version takes requests again, in nanoseconds since
	// born. 0 is that nothing is amiss, and then nobody looks any further.
	opens atomic.Int64
	// failures counts the requests that failed since one did not.
	failures atomic.Int32
	// generation rises with each ejection: how a request ends that began
	// before it tells nothing of what came after.
	generation atomic.Uint32
	places     places
	metrics    healthMetrics
	born       time.Time
	prober     *prober

	mu sync.Mutex
	// until is when the last ejection for failures ends, calm when it is
	// forgotten; times counts those that are not.
	until, calm int64
	times       int
	// down says that probes are not answered.
	down bool
}

// healthMetrics are the series of a version's health.
type healthMetrics struct {
	failing, unanswered prometheus.Counter
	probesFailed        prometheus.Counter
	crowded             prometheus.Counter
}

func newHealth(m healthMetrics) *health {
	h := &health{metrics: m, born: time.Now()}
	h.places.refused = m.crowded
	return h
}

// now is never 0.
func (h *health) now() int64 { return int64(time.Since(h.born)) + 1 }

// takes says whether a request goes to the version. A unit that is let in while
// the version comes back stays in: stickiness holds.
func (h *health) takes(c *call) bool {
	opens := h.opens.Load()
	return opens == 0 || h.lets(opens, c)
}

func (h *health) lets(opens int64, c *call) bool {
	since := h.now() - opens
	switch {
	case since < 0:
		return false
	case since >= int64(slowStart):
		h.opens.CompareAndSwap(opens, 0)
		return true
	}
	// Another salt than the assignment's, whose slots each version owns only a
	// part of.
	hash := c.hash
	if hash == 0 {
		hash = rand.Uint64() // Without a unit, nothing can be sticky.
	}
	luck := assign.Slot(hash, ^c.route.salt)
	return luck < slowStartFrom+int(int64(experiment.Whole-slowStartFrom)*since/int64(slowStart))
}

// note takes in how a request of a generation ended.
func (h *health) note(failed bool, generation uint32) {
	if !failed {
		if h.failures.Load() != 0 && h.generation.Load() == generation {
			h.failures.Store(0)
		}
		return
	}
	if h.generation.Load() == generation && h.failures.Add(1) >= mostFailures {
		h.eject(generation)
	}
}

// eject ejects the version for its failures.
func (h *health) eject(generation uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.generation.Load() != generation {
		return
	}
	now := h.now()
	if now > h.calm {
		h.times = 0
	}
	length := int64(min(firstEjection<<min(h.times, 8), longestEjection))
	h.times++
	h.until = now + length
	h.calm = h.until + int64(slowStart) + length
	h.metrics.failing.Inc()
	h.shut()
}

// probed takes in whether probes are answered.
func (h *health) probed(answered bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down != answered {
		return
	}
	h.down = !answered
	if h.down {
		h.metrics.unanswered.Inc()
	}
	h.shut()
}

// shut begins a generation, and says when the version opens.
func (h *health) shut() {
	opens := max(h.until, h.now())
	if h.down {
		opens = never
	}
	h.opens.Store(opens)
	h.failures.Store(0)
	h.generation.Add(1)
}

// ejected says whether the version takes nothing now.
func (h *health) ejected() bool { return h.opens.Load() > h.now() }

// visit is an exchange's stay at a version.
type visit struct {
	health     *health
	generation uint32
	// held says that it has one of the version's places; counts that how it
	// ends is taken in.
	held, counts bool
}

// enter lets an exchange go to the version that is to serve it, or to the
// baseline in its place. It comes before any connection. errCrowded is that
// the baseline has no place either, errGone that nobody waits for an answer.
func (c *call) enter(e *ending, q queuer) error {
	if c.pinned {
		return c.enterOnly(q)
	}
	if c.version != baseline && !e.fellBack {
		h := c.route.versions[c.version].health
		if !h.takes(c) {
			e.fallBack(causeEjected)
		} else if held, err := h.places.enter(q); err == nil {
			// Testers' requests are not evidence, and eject nobody either.
			c.visit = visit{h, h.generation.Load(), held, c.window != nil}
			return nil
		} else if err != errCrowded {
			return err
		} else {
			e.fallBack(causeCrowded)
		}
	}
	h := c.route.versions[baseline].health
	held, err := h.places.enter(q)
	c.visit = visit{health: h, held: held}
	return err
}

// enterOnly is enter for what no other version may have. How it ends tells
// nothing of the version.
func (c *call) enterOnly(q queuer) error {
	h := c.route.versions[c.version].health
	if h.ejected() {
		return errCrowded
	}
	held, err := h.places.enter(q)
	c.visit = visit{health: h, held: held}
	return err
}

// leave ends the exchange's stay at a version. It is told only where it can be
// said whether the version failed.
func (c *call) leave(told, failed bool) {
	v := c.visit
	c.visit = visit{}
	if v.held {
		v.health.places.leave()
	}
	if v.counts && told {
		v.health.note(failed, v.generation)
	}
}

// replace gives an exchange to the baseline after its candidate was tried and
// failed.
func (c *call) replace(e *ending, why cause, q queuer) error {
	c.leave(true, true)
	e.fallBack(why)
	return c.enter(e, q)
}
