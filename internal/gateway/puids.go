// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"hash/maphash"
	"sync"
	"time"
)

// How many predictions are remembered, 4 MiB in all, and for how long.
const (
	puidSets   = 1 << 14
	puidsInSet = 16
	puidsFor   = 24 * time.Hour
)

// puids remembers which version answered the last predictions. It is bounded:
// each puid belongs to one small set, in which it takes the place of the oldest.
// It is this gateway's own, and gone when it ends.
type puids struct {
	seed maphash.Seed // nobody can choose puids that share a set

	mu sync.Mutex
	// sets are made with the first prediction.
	sets [][puidsInSet]puidEntry
}

// puidEntry is a prediction: the hashes of its puid and of its version's name,
// since versions may have other indices in the next snapshot, and when it began,
// in seconds since 1970; 0 is a free place.
type puidEntry struct {
	puid          uint64
	version, when uint32
}

// hash is the hash of a puid; 0 is that it is none that could be remembered.
func (p *puids) hash(puid string) uint64 {
	if puid == "" || len(puid) > maxUnit {
		return 0
	}
	return maphash.String(p.seed, puid)
}

func (p *puids) put(puid uint64, version string, now time.Time) {
	if puid == 0 {
		return
	}
	e := puidEntry{puid, uint32(maphash.String(p.seed, version)), uint32(now.Unix())}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sets == nil {
		p.sets = make([][puidsInSet]puidEntry, puidSets)
	}
	set := &p.sets[puid%puidSets]
	oldest := 0
	for i := range set {
		if set[i].puid == puid {
			oldest = i
			break
		}
		if set[i].when < set[oldest].when {
			oldest = i
		}
	}
	set[oldest] = e
}

// find is the index of the version that answered the prediction; negative is
// that nobody knows.
func (p *puids) find(puid string, versions []version, now time.Time) int {
	h := p.hash(puid)
	if h == 0 {
		return -1
	}
	e, ok := p.get(h)
	if !ok || now.Unix()-int64(e.when) > int64(puidsFor/time.Second) {
		return -1
	}
	for i := range versions {
		if uint32(maphash.String(p.seed, versions[i].name)) == e.version {
			return i
		}
	}
	return -1
}

func (p *puids) get(puid uint64) (puidEntry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sets == nil {
		return puidEntry{}, false
	}
	for _, e := range p.sets[puid%puidSets] {
		if e.puid == puid {
			return e, true
		}
	}
	return puidEntry{}, false
}
