// SPDX-License-Identifier: Apache-2.0

package assign

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
)

var update = flag.Bool("update", false, "rewrite golden files")

// vectorFile is what others may test their implementation against.
type vectorFile struct {
	About     string            `json:"about"`
	Slots     []slotVector      `json:"slots"`
	Rebalance []rebalanceVector `json:"rebalance"`
}

type slotVector struct {
	Experiment string `json:"experiment"`
	Epoch      int    `json:"epoch"`
	Unit       string `json:"unit"`
	Hash       string `json:"hash"`
	Salt       string `json:"salt"`
	Slot       int    `json:"slot"`
}

type rebalanceVector struct {
	Shares []experiment.Shares `json:"shares"`
	Slots  experiment.Slots    `json:"slots"`
}

func vectors(t *testing.T) vectorFile {
	f := vectorFile{About: "slot = hi64(mix(xxhash64(unit) XOR xxhash64(experiment, 0x00, epoch big-endian)) * 10000), mix = SplitMix64 finalizer; " +
		"rebalance: tables after the given shares in turn, from an empty table"}
	units := []string{"", "u", "user-1", "user-2", "a@example.com", "7f3c9b1e-6f3a-4f7e-9c51-0d6a6f1f2b3c", "ünïcødé", "日本語", "\x00\x01", "000000000000000000000000000000000000000000000000000000000000000000000000"}
	for _, exp := range []string{"ranker-v2", "search/ranker-v2", "demo/digits"} {
		for _, epoch := range []int{1, 2, 65535} {
			for _, u := range units {
				h, s := Hash(u), Salt(exp, epoch)
				f.Slots = append(f.Slots, slotVector{exp, epoch, u, fmt.Sprintf("%016x", h), fmt.Sprintf("%016x", s), Slot(h, s)})
			}
		}
	}
	for _, steps := range [][]experiment.Shares{
		{{10000, 0}},
		{{10000, 0}, {9900, 100}, {9500, 500}, {5000, 5000}, {0, 10000}},
		{{9900, 100}, {9000, 1000}, {10000, 0}},
		{{3334, 3333, 3333}, {5000, 2500, 2500}, {8000, 2000, 0}},
		{{1250, 1250, 1250, 1250, 1250, 1250, 1250, 1250}, {9300, 100, 100, 100, 100, 100, 100, 100}, {0, 0, 0, 0, 0, 0, 0, 10000}},
	} {
		var slots experiment.Slots
		for _, s := range steps {
			var err error
			if slots, err = Rebalance(slots, s); err != nil {
				t.Fatal(err)
			}
		}
		f.Rebalance = append(f.Rebalance, rebalanceVector{steps, slots})
	}
	return f
}

func TestGoldenVectors(t *testing.T) {
	const name = "testdata/slots-v1.json"
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetIndent("", " ")
	if err := enc.Encode(vectors(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("slots are frozen, units would move (-want +got):\n%s", d)
	}
}

// The vectors of xxhash itself, so that a change of library cannot pass.
func TestHashIsXXHash64(t *testing.T) {
	for in, want := range map[string]uint64{"": 0xef46db3751d8e999, "a": 0xd24ec4f1a98c6e5b, "abc": 0x44bc2cf5ad770999} {
		if got := Hash(in); got != want {
			t.Errorf("Hash(%q) = %x, want %x", in, got, want)
		}
	}
}

// shares draws shares of n versions that sum to the whole.
func shares(n int) *rapid.Generator[experiment.Shares] {
	return rapid.Custom(func(t *rapid.T) experiment.Shares {
		s := make(experiment.Shares, n)
		left := experiment.Whole
		for i := range n - 1 {
			k := rapid.OneOf(rapid.IntRange(0, left), rapid.SampledFrom([]int{0, left, min(1, left)})).Draw(t, "share")
			s[i] = experiment.Share(k)
			left -= k
		}
		s[n-1] = experiment.Share(left)
		return s
	})
}

// TestRebalanceMovesAsFewAsPossible is D7: for 2 to 8 versions and any history
// of shares, slots go only from versions that shrink to versions that grow, and
// exactly as many as must.
func TestRebalanceMovesAsFewAsPossible(t *testing.T) {
	for n := 2; n <= experiment.MaxVersions; n++ {
		t.Run(fmt.Sprintf("%d versions", n), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				slots := experiment.SlotsOf(shares(n).Draw(t, "first"))
				for range rapid.IntRange(1, 4).Draw(t, "changes") {
					have, want := slots.Shares(n), shares(n).Draw(t, "next")
					next, err := Rebalance(slots, want)
					if err != nil {
						t.Fatal(err)
					}
					checkMove(t, n, slots, next, have, want)
					slots = next
				}
			})
		})
	}
}

func checkMove(t *rapid.T, n int, slots, next experiment.Slots, have, want experiment.Shares) {
	if err := next.Check(n); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, next.Shares(n)); d != "" {
		t.Fatalf("shares (-want +got): %s", d)
	}
	a, _ := NewTable(slots)
	b, _ := NewTable(next)
	moved, must := 0, 0
	for v := range want {
		must += max(0, int(have[v]-want[v]))
	}
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		moved++
		if want[a[i]] >= have[a[i]] || want[b[i]] <= have[b[i]] {
			t.Fatalf("slot %d went from version %d (%d→%d) to %d (%d→%d)", i, a[i], have[a[i]], want[a[i]], b[i], have[b[i]], want[b[i]])
		}
	}
	if moved != must {
		t.Fatalf("%d slots moved, %d had to", moved, must)
	}
}

func TestRebalanceRefuses(t *testing.T) {
	good := experiment.SlotsOf(experiment.Shares{5000, 5000})
	for name, c := range map[string]struct {
		old  experiment.Slots
		want experiment.Shares
	}{
		"shares that do not sum":    {good, experiment.Shares{5000, 4000}},
		"negative share":            {good, experiment.Shares{-1, 10001}},
		"too many versions":         {good, make(experiment.Shares, 9)},
		"a table that is not whole": {experiment.Slots{{Version: 0, Slots: 9}}, experiment.Shares{5000, 5000}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Rebalance(c.old, c.want); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

// TestSlotsAreUniform counts 1,000,000 sequential user names into 100 bins of
// 100 slots. The chi-squared statistic with 99 degrees of freedom exceeds
// 183.2 with probability 1e-6 under uniformity (and falls below 41.9 with the
// same); n and alpha are chosen once. The counts are integers, so the bound is
// compared exactly.
func TestSlotsAreUniform(t *testing.T) {
	const n, bins = 1_000_000, 100
	for _, exp := range []string{"a", "demo/digits"} {
		var count [bins]int64
		salt := Salt(exp, 1)
		for i := range n {
			count[Slot(Hash(fmt.Sprintf("user-%d", i)), salt)*bins/experiment.Whole]++
		}
		var ss int64
		for _, c := range count {
			ss += (c - n/bins) * (c - n/bins)
		}
		chi2 := big.NewRat(ss, n/bins)
		if chi2.Cmp(big.NewRat(1832, 10)) > 0 || chi2.Cmp(big.NewRat(419, 10)) < 0 {
			t.Errorf("experiment %s: chi-squared %s outside [41.9, 183.2]", exp, chi2.FloatString(1))
		}
	}
}

// TestExperimentsAreIndependent fails if the salt were merely XORed in: the
// halves of two experiments would then coincide or exclude each other. Of
// 100,000 units, those in the lower half of both are binomial(100000, 1/4);
// the bounds below have two-sided probability 1e-6 (±4.9 standard errors).
func TestExperimentsAreIndependent(t *testing.T) {
	const n = 100_000
	const low, high = 24_330, 25_670
	for i := range 20 {
		a, b := Salt("a", 1), Salt(fmt.Sprintf("b%d", i), 1)
		both := 0
		for u := range n {
			h := Hash(fmt.Sprintf("user-%d", u))
			if Slot(h, a) < experiment.Whole/2 && Slot(h, b) < experiment.Whole/2 {
				both++
			}
		}
		if both < low || both > high {
			t.Errorf("experiments a and b%d share %d of %d lower halves, want %d to %d", i, both, n, low, high)
		}
	}
}

func TestLookUpDoesNotAllocate(t *testing.T) {
	table, err := NewTable(experiment.SlotsOf(experiment.Shares{9000, 1000}))
	if err != nil {
		t.Fatal(err)
	}
	salt, unit := Salt("demo/digits", 1), "user-12345678"
	if n := testing.AllocsPerRun(1000, func() { _ = table.At(Slot(Hash(unit), salt)) }); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}
}

func FuzzSlot(f *testing.F) {
	f.Add("user", "demo", 1)
	f.Fuzz(func(t *testing.T, unit, exp string, epoch int) {
		if s := Slot(Hash(unit), Salt(exp, epoch)); s < 0 || s >= experiment.Whole {
			t.Errorf("slot %d", s)
		}
	})
}

func BenchmarkLookUp(b *testing.B) {
	table, _ := NewTable(experiment.SlotsOf(experiment.Shares{9000, 1000}))
	salt, unit := Salt("demo/digits", 1), "user-12345678"
	b.ReportAllocs()
	sum := 0
	for b.Loop() {
		sum += table.At(Slot(Hash(unit), salt))
	}
	_ = sum
}

func BenchmarkRebalance(b *testing.B) {
	from := experiment.SlotsOf(experiment.Shares{9000, 1000})
	for b.Loop() {
		if _, err := Rebalance(from, experiment.Shares{5000, 5000}); err != nil {
			b.Fatal(err)
		}
	}
}
