// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
	"time"
)

func TestPredictionsAreRememberedWithinBounds(t *testing.T) {
	p := puids{seed: maphash.MakeSeed()}
	versions := []version{{name: "v1"}, {name: "v2"}}
	remember := func(puid, version string, at time.Time) { p.put(p.hash(puid), version, at) }
	now := epochStart
	if v := p.find("early", versions, now); v != -1 {
		t.Errorf("nothing was predicted yet, and version %d is named", v)
	}
	remember("a", "v2", now)
	remember("b", "v1", now)
	remember("gone", "v7", now)
	remember("", "v2", now)
	remember(strings.Repeat("x", maxUnit+1), "v2", now)
	for puid, want := range map[string]int{"a": 1, "b": 0, "c": -1, "gone": -1, "": -1, strings.Repeat("x", maxUnit+1): -1} {
		if got := p.find(puid, versions, now); got != want {
			t.Errorf("%.10q is version %d, want %d", puid, got, want)
		}
	}
	if got := p.find("a", []version{{name: "v2"}, {name: "v1"}}, now); got != 0 {
		t.Errorf("in another order of versions it is %d, want 0", got)
	}
	remember("a", "v1", now.Add(time.Hour))
	if got := p.find("a", versions, now.Add(puidsFor+time.Hour)); got != 0 {
		t.Errorf("predicted again: version %d, want 0", got)
	}
	if got := p.find("a", versions, now.Add(puidsFor+time.Hour+2*time.Second)); got != -1 {
		t.Errorf("a day later: version %d, want none", got)
	}
}

func TestTheOldestPredictionIsForgotten(t *testing.T) {
	p := puids{seed: maphash.MakeSeed()}
	versions := []version{{name: "v1"}}
	const n = 2 * puidSets * puidsInSet
	at := func(i int) time.Time { return epochStart.Add(time.Duration(i) * time.Millisecond) }
	for i := range n {
		p.put(p.hash(fmt.Sprint(i)), "v1", at(i))
	}
	known := func(from, to int) (k int) {
		for i := from; i < to; i++ {
			if p.find(fmt.Sprint(i), versions, at(n)) == 0 {
				k++
			}
		}
		return k
	}
	total, fresh, old := known(0, n), known(n-n/4, n), known(0, n/4)
	if total > puidSets*puidsInSet {
		t.Errorf("%d of %d are known, more than there is room for", total, n)
	}
	// Sets fill unevenly: one in which little came keeps what is old, which is 1 %
	// of the first quarter. The seed is another each time, so there is room.
	if fresh < n/4*99/100 || old > n/4/50 {
		t.Errorf("of the last quarter %d are known and of the first %d, want nearly all of %d and nearly none", fresh, old, n/4)
	}
}

// BenchmarkRememberPrediction is what a prediction in Seldon's protocol costs
// above another request.
func BenchmarkRememberPrediction(b *testing.B) {
	p := puids{seed: maphash.MakeSeed()}
	ids := make([]string, 4096)
	for i := range ids {
		ids[i] = fmt.Sprintf("5cmt7egl1ijc7q6r9m8d2q%04d", i)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if seldonCallOf("/seldon/shop/ranker/api/v1.0/predictions") != seldonPrediction {
			b.Fatal("it is a prediction")
		}
		p.put(p.hash(ids[n%len(ids)]), "v1", epochStart)
	}
}

// BenchmarkSeldonCall is what any other request pays for the question.
func BenchmarkSeldonCall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if seldonCallOf("/v2/models/ranker/infer?x=1") != notSeldon {
			b.Fatal("it is not Seldon's")
		}
	}
}
