// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// keyID is an idempotency key: the first 16 bytes of its SHA-256.
type keyID struct {
	experiment int64
	hash       [16]byte
}

const (
	// keyParts is how many parts the keys are divided into, by their first byte.
	keyParts = 256
	// stagedKeys is how many keys wait in the log, about: 100 bytes of memory
	// each.
	stagedKeys = 1 << 17
)

// keys are the keys of outcomes that a transaction knows of. Keys are hashes:
// each would go to another page of their table, and pages are what a commit
// costs. Each commit therefore writes its keys to a log, one row for all, and
// they wait in memory until their part of the table has its turn; then all that
// waits for that part goes there at once. A new process reads the log again.
type keys struct {
	// read says that the log was read.
	read bool
	// staged are the keys of the log that are not known to be in the table, with
	// their expiry.
	staged [keyParts]map[keyID]int64
	size   int
	// limit is how many may wait: stagedKeys, fewer in tests.
	limit int
	// next is the part that has its turn; a round ends behind the last, and the
	// log up to its beginning is then needed no more.
	next  int
	round int64

	// Of the transaction under way: keys that were found in the table, those
	// that are new, and the parts that it moves to the table.
	found map[keyID]bool
	fresh map[keyID]int64
	moved []int
	// ended says that it ends a round, and began where the log then was;
	// written that its keys are in the log.
	ended, written bool
	began          int64
}

func newKeys() keys {
	k := keys{limit: stagedKeys, found: map[keyID]bool{}, fresh: map[keyID]int64{}}
	for i := range k.staged {
		k.staged[i] = map[keyID]int64{}
	}
	return k
}

// unread knows nothing yet, as a new process does.
func (k *keys) unread() keys {
	fresh := newKeys()
	fresh.limit = k.limit
	return fresh
}

func (k *keys) has(id keyID, now time.Time) bool {
	if _, fresh := k.fresh[id]; fresh || k.found[id] {
		return true
	}
	expires, staged := k.staged[id.hash[0]][id]
	return staged && expires > now.UnixMilli()
}

func (k *keys) take(id keyID, expires int64) { k.fresh[id] = expires }

func (k *keys) begin() {
	clear(k.found)
	clear(k.fresh)
	k.moved, k.ended, k.written = k.moved[:0], false, false
}

// rollBack forgets what the transaction did.
func (k *keys) rollBack() { k.begin() }

// committed makes what the transaction did final.
func (k *keys) committed() {
	for _, part := range k.moved {
		k.size -= len(k.staged[part])
		clear(k.staged[part])
		k.next = (part + 1) % keyParts
	}
	for id, expires := range k.fresh { // Now: what was moved is without them.
		k.stage(id, expires)
	}
	if k.ended {
		k.round = k.began
	}
	k.begin()
}

func (k *keys) stage(id keyID, expires int64) {
	part := k.staged[id.hash[0]]
	if _, known := part[id]; !known {
		k.size++
	}
	part[id] = expires
}

// readKeyLog stages what an earlier process has left in the log.
func (w *writer) readKeyLog() error {
	if w.keys.read {
		return nil
	}
	rows, err := w.store.query(w.ctx, sqlKeyLog)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id keyID
		var expires int64
		var hashes []byte
		if err := rows.Scan(&id.experiment, &expires, &hashes); err != nil {
			return err
		}
		for hash := range slices.Chunk(hashes, len(id.hash)) {
			copy(id.hash[:], hash)
			w.keys.stage(id, expires)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	// The first round begins here, with all of it.
	if _, err := w.one(sqlLastKeyLog, nil, &w.keys.round); err != nil {
		return err
	}
	w.keys.read = true
	return nil
}

// flushKeys logs the transaction's keys and moves parts of those that wait to
// the table, as many as keep their number.
func (w *writer) flushKeys() error {
	k := &w.keys
	if len(k.fresh) == 0 || k.written {
		return nil
	}
	k.written = true
	type group struct{ experiment, expires int64 }
	logged := map[group][]byte{}
	for id, expires := range k.fresh {
		g := group{id.experiment, expires}
		logged[g] = append(logged[g], id.hash[:]...)
	}
	for g, hashes := range logged {
		if err := w.store.later(w.ctx, sqlAddKeyLog, g.experiment, g.expires, hashes); err != nil {
			return fmt.Errorf("write the log of keys: %w", err)
		}
	}
	excess := k.size + len(k.fresh) - k.limit
	// A round's end waits for the next transaction: keys of this one are not yet
	// staged, and what the next round leaves in the log must be.
	for part := k.next; excess > 0 && !k.ended; part++ {
		excess -= len(k.staged[part])
		if err := w.moveKeys(part); err != nil {
			return err
		}
	}
	return w.insertLater(w.write.keys)
}

// moveKeys writes the keys that wait for a part of the table. Behind the last
// part, the log from before the round is let go.
func (w *writer) moveKeys(part int) error {
	k := &w.keys
	ids := make([]keyID, 0, len(k.staged[part]))
	for id := range k.staged[part] {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b keyID) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	for _, id := range ids {
		w.write.keys.add(id.experiment, id.hash[:], k.staged[part][id])
	}
	k.moved = append(k.moved, part)
	if part != keyParts-1 {
		return nil
	}
	if err := w.store.later(w.ctx, sqlDropKeyLog, k.round); err != nil {
		return fmt.Errorf("cut the log of keys: %w", err)
	}
	if _, err := w.one(sqlLastKeyLog, nil, &k.began); err != nil {
		return fmt.Errorf("read the log of keys: %w", err)
	}
	k.ended = true
	return nil
}
