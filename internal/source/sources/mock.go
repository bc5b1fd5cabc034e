// SPDX-License-Identifier: Apache-2.0

package sources

import (
	"math/rand/v2"
	"sync"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// mocks make numbers up.
type mocks struct {
	mu     sync.Mutex
	source rand.Source // nil is one that nobody can tell the numbers of
}

// draw is a mocked number after so many seconds e, at least one; nil where there
// is no level. A counter is e times the level. Anything else is the level times
// 2 Beta(e, e): its mean is the level, its deviation the level over sqrt(2e + 1)
// (Iter8's rule).
func (m *mocks) draw(q *experiment.MockQuery, version int, e int64) *float64 {
	if version >= len(q.Levels) || q.Levels[version] == nil {
		return nil
	}
	level, elapsed := *q.Levels[version], float64(max(1, e))
	if q.Counter {
		level *= elapsed
		return &level
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	level *= 2 * distuv.Beta{Alpha: elapsed, Beta: elapsed, Src: m.source}.Rand()
	return &level
}
