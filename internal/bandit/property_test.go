// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
)

var policies = []experiment.BanditPolicy{
	experiment.EpsilonGreedy, experiment.UCB1, experiment.KLUCB, experiment.Thompson, experiment.TopTwo,
}

// anyShares draws shares that sum to the whole.
func anyShares(t *rapid.T, n int) experiment.Shares {
	cuts := rapid.SliceOfN(rapid.IntRange(0, experiment.Whole), n-1, n-1).Draw(t, "previous")
	cuts = append(cuts, 0, experiment.Whole)
	slices.Sort(cuts)
	out := make(experiment.Shares, n)
	for v := range out {
		out[v] = experiment.Share(cuts[v+1] - cuts[v])
	}
	return out
}

func anyLimits(t *rapid.T, n int, name string) experiment.Shares {
	if rapid.Bool().Draw(t, "has "+name) {
		return nil
	}
	out := make(experiment.Shares, n)
	for v := range out {
		out[v] = experiment.Share(rapid.IntRange(0, experiment.Whole).Draw(t, name))
	}
	return out
}

func anyArms(t *rapid.T, n int) []experiment.Arm {
	binary := rapid.Bool().Draw(t, "binary")
	arms := make([]experiment.Arm, n)
	for v := range arms {
		a := experiment.Arm{Version: v, Binary: binary}
		a.N = int64(math.Floor(math.Pow(10, rapid.Float64Range(0, 6).Draw(t, "log n")))) - 1
		a.Pending = rapid.Int64Range(0, 1000).Draw(t, "pending")
		if binary {
			if a.N > 0 {
				a.Mean = float64(rapid.Int64Range(0, a.N).Draw(t, "hits")) / float64(a.N)
			}
		} else {
			a.Mean = rapid.Float64Range(-50, 50).Draw(t, "mean")
			a.SE = rapid.Float64Range(0, 20).Draw(t, "se")
		}
		arms[v] = a
	}
	return arms
}

// anyCase draws limits that often contradict each other.
func anyCase(t *rapid.T) (*experiment.Bandit, []experiment.Arm, Update) {
	n := rapid.IntRange(1, experiment.MaxVersions).Draw(t, "versions")
	b := &experiment.Bandit{
		Policy:  rapid.SampledFrom(policies).Draw(t, "policy"),
		Epsilon: rapid.Float64Range(0, 1).Draw(t, "epsilon"), Decay: rapid.Float64Range(0, 2).Draw(t, "decay"),
		Min: anyLimits(t, n, "min"), Max: anyLimits(t, n, "max"),
		Step: experiment.Share(rapid.SampledFrom([]int{0, 1, 100, 1000, 4000}).Draw(t, "step")),
	}
	blocked := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "blocked")
	removed := rapid.SliceOfN(rapid.SampledFrom([]bool{false, false, true}), n, n).Draw(t, "removed")
	u := Update{
		Number: rapid.IntRange(0, 100).Draw(t, "number"), Previous: anyShares(t, n),
		Goal:    rapid.SampledFrom([]experiment.Goal{experiment.Increase, experiment.Decrease}).Draw(t, "goal"),
		Range:   rapid.SampledFrom([]*experiment.Range{nil, {Low: -10, High: 30}}).Draw(t, "range"),
		Blocked: func(v int) bool { return blocked[v] }, Removed: func(v int) bool { return removed[v] },
		Cap: experiment.Share(rapid.SampledFrom([]int{experiment.Whole, experiment.Whole, 0, 500, 5000}).Draw(t, "cap")),
	}
	return b, anyArms(t, n), u
}

func mustVector(t *rapid.T, b *experiment.Bandit, arms []experiment.Arm, u Update) experiment.Shares {
	s, err := Vector(b, arms, u)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever the limits are, the order in which they yield is kept.
func TestVectorKeepsItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, arms, u := anyCase(t)
		got := mustVector(t, b, arms, u)
		if err := got.Check(); err != nil {
			t.Fatal(err)
		}
		candidates, full := experiment.Share(0), true
		for v := 1; v < len(got); v++ {
			candidates += got[v]
			most, least := experiment.Share(experiment.Whole), experiment.Share(0)
			if b.Step > 0 {
				most, least = u.Previous[v]+b.Step, u.Previous[v]-b.Step
			}
			if b.Max != nil { // A maximum waits for steps.
				most = min(most, max(least, b.Max[v]))
			}
			if u.Blocked(v) {
				most = min(most, u.Previous[v])
			}
			if u.Removed(v) {
				most = 0
			}
			if got[v] > most {
				t.Fatalf("version %d has %d of at most %d: %v after %v", v, got[v], most, got, u.Previous)
			}
			full = full && got[v] == most
		}
		if candidates > u.Cap {
			t.Fatalf("candidates have %d under a cap of %d: %v", candidates, u.Cap, got)
		}
		// The baseline may exceed what is its own only with what nobody may have.
		full = full || candidates == u.Cap
		most := experiment.Share(experiment.Whole)
		if b.Step > 0 {
			most = u.Previous[0] + b.Step
		}
		if b.Max != nil {
			most = min(most, max(b.Max[0], u.Previous[0]-b.Step))
			if b.Step == 0 {
				most = min(most, b.Max[0])
			}
		}
		if u.Blocked(0) {
			most = min(most, u.Previous[0])
		}
		if got[0] > most && !full {
			t.Fatalf("the baseline has %d of at most %d while others have room: %v after %v", got[0], most, got, u.Previous)
		}
	})
}

// Steps down and minima hold too, wherever nothing above them is in the way.
func TestVectorKeepsLowerLimitsThatFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, arms, u := anyCase(t)
		u.Cap = experiment.Whole
		sum := experiment.Share(0)
		for _, m := range b.Min {
			sum += m
		}
		got := mustVector(t, b, arms, u)
		for v := range got {
			if v > 0 && u.Removed(v) {
				continue
			}
			if b.Step > 0 && got[v] < u.Previous[v]-b.Step {
				t.Fatalf("version %d fell by more than a step of %d: %v after %v", v, b.Step, got, u.Previous)
			}
			if b.Step == 0 && b.Min != nil && b.Max == nil && sum <= experiment.Whole && !u.Blocked(v) && got[v] < b.Min[v] {
				t.Fatalf("version %d has %d of at least %d: %v", v, got[v], b.Min[v], got)
			}
		}
	})
}

// The order of the arms is no matter, and names of versions only break ties:
// by a slot, and in an argmax altogether, so that the policies there are not
// held to it.
func TestVectorDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, arms, u := anyCase(t)
		first := mustVector(t, b, arms, u)
		shuffled := rapid.Permutation(arms).Draw(t, "order")
		if got := mustVector(t, b, shuffled, u); !slices.Equal(got, first) {
			t.Fatalf("%v in version order, %v shuffled", first, got)
		}

		// Renamed, without the limits in which the baseline is special.
		u.Cap, u.Blocked, u.Removed, b.Max, b.Min = experiment.Whole, nil, nil, nil, nil
		first = mustVector(t, b, arms, u)
		to := rapid.Permutation(indices(len(arms))).Draw(t, "names")
		renamed := u
		renamed.Previous = make(experiment.Shares, len(to))
		moved := slices.Clone(arms)
		for v := range arms {
			moved[v].Version = to[v]
			renamed.Previous[to[v]] = u.Previous[v]
		}
		got := mustVector(t, b, moved, renamed)
		for v := range arms {
			if d := got[to[v]] - first[v]; d < -1 || d > 1 {
				t.Fatalf("%v, and with names %v %v", first, to, got)
			}
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// A better mean never has a smaller share, for a version against itself and,
// with the same evidence, against others. Rounding may cost a slot.
func TestBetterMeansNeverGetLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "versions")
		arms := anyArms(t, n)
		b := &experiment.Bandit{
			Policy: rapid.SampledFrom([]experiment.BanditPolicy{experiment.Thompson, experiment.EpsilonGreedy}).Draw(t, "policy"),
			Min:    anyLimits(t, n, "min"), Max: anyLimits(t, n, "max"),
		}
		u := update(n)
		v := rapid.IntRange(0, n-1).Draw(t, "version")
		if arms[v].N == 0 {
			return
		}
		before := mustVector(t, b, arms, u)
		better := slices.Clone(arms)
		if better[v].Binary {
			better[v].Mean += (1 - better[v].Mean) * rapid.Float64Range(0, 1).Draw(t, "by")
		} else {
			for i := range better {
				// A spread that all have: without, it would come from the means.
				arms[i].N, arms[i].SE = max(2, arms[i].N), max(1e-3, arms[i].SE)
				better[i] = arms[i]
			}
			before = mustVector(t, b, arms, u)
			better[v].Mean += rapid.Float64Range(0, 20).Draw(t, "by")
		}
		if after := mustVector(t, b, better, u); after[v] < before[v]-1 {
			t.Fatalf("version %d improved from %v to %v and fell: %v, then %v", v, arms[v].Mean, better[v].Mean, before, after)
		}

		for i := range arms {
			arms[i].N, arms[i].SE = arms[v].N, arms[v].SE
			if arms[i].Binary {
				arms[i].Mean = float64(rapid.Int64Range(0, arms[v].N).Draw(t, "hits")) / float64(arms[v].N)
			}
		}
		b.Min, b.Max = nil, nil
		got := mustVector(t, b, arms, u)
		for i := range arms {
			for j := range arms {
				if arms[i].Mean > arms[j].Mean && got[i] < got[j]-1 {
					t.Fatalf("means %v and %v have %v", arms[i].Mean, arms[j].Mean, got)
				}
			}
		}
	})
}

// What the unit of the reward is, where its zero lies and which way it counts
// changes nothing, if the range says so. Powers of two keep every digit.
func TestVectorDoesNotDependOnTheUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "versions")
		b := &experiment.Bandit{Policy: rapid.SampledFrom(policies).Draw(t, "policy")}
		scale := math.Ldexp(1, rapid.IntRange(-3, 6).Draw(t, "scale"))
		offset := float64(rapid.IntRange(-8, 8).Draw(t, "offset"))
		arms, other := make([]experiment.Arm, n), make([]experiment.Arm, n)
		for v := range arms {
			arms[v] = experiment.Arm{
				Version: v, N: rapid.Int64Range(0, 1000).Draw(t, "n"), Pending: rapid.Int64Range(0, 50).Draw(t, "pending"),
				Mean: float64(rapid.IntRange(0, 1024).Draw(t, "mean")) / 1024,
				SE:   float64(rapid.IntRange(1, 1024).Draw(t, "se")) / 8192,
			}
			other[v] = arms[v]
			other[v].Mean, other[v].SE = offset-arms[v].Mean*scale, arms[v].SE*scale
		}
		u := update(n)
		if rapid.Bool().Draw(t, "range") {
			u.Range = &experiment.Range{Low: 0, High: 1}
		}
		first := mustVector(t, b, arms, u)
		u.Goal = experiment.Decrease
		if u.Range != nil {
			u.Range = &experiment.Range{Low: offset - scale, High: offset}
		}
		second := mustVector(t, b, other, u)
		for v := range first {
			if d := first[v] - second[v]; d < -1 || d > 1 {
				t.Fatalf("%v, and in another unit %v", first, second)
			}
		}
	})
}

// Fictitious pulls are in balance: nobody would rather have had the last pull
// of another. At one pull the vector is the argmax of the index.
func TestPullsAreInBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := rapid.SampledFrom([]experiment.BanditPolicy{experiment.UCB1, experiment.KLUCB}).Draw(t, "policy")
		n := rapid.IntRange(2, 6).Draw(t, "versions")
		arms := anyArms(t, n)
		u := update(n)
		pulls, total := make([]float64, n), 0.0
		for i, a := range arms {
			pulls[i] = float64(a.N + a.Pending)
			total += pulls[i]
		}
		x, ix := indexOf(policy, arms, &u, math.Log(max(1, total)))
		m := float64(rapid.IntRange(1, 3000).Draw(t, "pulls"))
		got := handOut(ix, x, pulls, m)
		sum := 0.0
		for i := range got {
			sum += got[i]
			for j := range got {
				if got[i] < 1 || pulls[i]+got[i] <= 1 || i == j {
					continue
				}
				last := ix(x[i], pulls[i]+got[i]-1)
				if pulls[j]+got[j] == 0 || ix(x[j], pulls[j]+got[j]) > last {
					t.Fatalf("version %d would rather have had the last pull of %d: %v of %v on %v", j, i, got, m, pulls)
				}
			}
		}
		if math.Abs(sum-m) > 1e-9*m {
			t.Fatalf("%v pulls handed out: want %v", sum, m)
		}

		u.Number = int(total) + 1
		shares := mustVector(t, &experiment.Bandit{Policy: policy}, arms, u)
		top := 0.0
		for i := range arms {
			at := math.Inf(1)
			if pulls[i] > 0 {
				at = ix(x[i], pulls[i])
			}
			if i == 0 || at > top {
				top = at
			}
		}
		for i, s := range shares {
			if s > 0 && pulls[i] > 0 && ix(x[i], pulls[i]) < top {
				t.Fatalf("version %d has %d at one pull, and its index is not the largest: %v", i, s, shares)
			}
		}
	})
}
