// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// Entry is one line of the journal: everything a decision was made of and what
// it came to. Replaying an entry's facts on its state gives its result (D6).
// Frozen: docs/decisions/0005.
type Entry struct {
	// Seq counts from 0.
	Seq    int64  `json:"seq"`
	Engine string `json:"engine"`
	// Plan is the plan itself in the first entry; Hash is its hash in all.
	Plan *Plan     `json:"plan,omitempty"`
	Hash string    `json:"hash"`
	Now  time.Time `json:"now"`
	// Before and After are the hashes of the state.
	Before string `json:"before"`
	After  string `json:"after"`
	// State is the state after the decision.
	State State `json:"state"`
	// Totals and Monitors are as used: evidence folded up to this moment, and
	// what tests remembered before it. Of the totals an entry holds only the
	// phases that changed since the entry before it, so that a journal grows
	// with what happened and not with its square; Totals.Apply puts them
	// together again.
	Totals   Totals   `json:"totals"`
	Monitors Monitors `json:"monitors"`
	Facts    Facts    `json:"facts"`
	Decision Decision `json:"decision"`
	Intents  []Intent `json:"intents,omitempty"`
	// Holds is how many holds like the one before passed unrecorded before
	// this entry.
	Holds int64 `json:"holds,omitempty"`
}

// Record is all that must survive a restart. It is written by compare-and-swap
// on Revision.
type Record struct {
	// Revision counts writes; 0 is a record never written.
	Revision int64    `json:"revision"`
	State    State    `json:"state"`
	Totals   Totals   `json:"totals"`
	Monitors Monitors `json:"monitors"`
	// Holds counts holds since the last journal entry; Hold is the codes of
	// the reasons of the last one, so that a new reason is told from a repeat.
	Holds int64  `json:"holds,omitempty"`
	Hold  string `json:"hold,omitempty"`
	// Entries is the number of journal entries written.
	Entries int64 `json:"entries"`
	// Written marks the phases of Totals as the last entry knows them, in
	// order.
	Written []PhaseMark `json:"written,omitempty"`
}

// PhaseMark tells whether a phase's totals changed: folding always moves it.
type PhaseMark struct {
	Folded Folded `json:"folded"`
	Clean  int    `json:"clean,omitempty"`
}
