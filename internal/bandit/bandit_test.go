// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// update is one without any limits, for n versions.
func update(n int) Update {
	return Update{Number: 1, Previous: experiment.Baseline(n), Goal: experiment.Increase, Cap: experiment.Whole}
}

// rates are binary arms of versions 0, 1, 2 ... with n units each.
func rates(n int64, means ...float64) []experiment.Arm {
	arms := make([]experiment.Arm, len(means))
	for v, m := range means {
		arms[v] = experiment.Arm{Version: v, N: n, Mean: m, Binary: true}
	}
	return arms
}

func just(versions ...int) func(int) bool {
	return func(v int) bool { return slices.Contains(versions, v) }
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

func nearAll(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s = %v, want %v", what, got, want)
	}
	for i := range want {
		near(t, what, got[i], want[i], tol)
	}
}

// Values of other programs: BD-01 MABWiser, BD-04 SMPyBandits, BD-06 the same
// with c = 3, BD-07 and BD-08 the sums themselves, BD-11 Russo's closed form,
// BD-14 bisection, BD-17 stitchfix/mab, BY-09 a finer quadrature.
func TestValuesOfOtherPrograms(t *testing.T) {
	ln := math.Log(10)
	nearAll(t, "UCB1", []float64{UCB1(1./3, 3, ln), UCB1(0, 2, ln), UCB1(0.6, 5, ln)},
		[]float64{1.5723073962832794, 1.5174271293851465, 1.5597051824376162}, 1e-12)
	nearAll(t, "KL", []float64{KL(0.1, 0.9), KL(0.4, 0.5), KL(0.01, 0.99)}, []float64{1.757779662, 0.020135513, 4.503217453}, 1e-9)
	near(t, "KL-UCB", KLUCB(0.1, (math.Log(10000)+3*math.Log(math.Log(10000)))/200), 0.258477643, 1e-9)
	near(t, "Lai-Robbins", LaiRobbins([]float64{0.9, 0.8}), 2.2520997, 1e-7)
	near(t, "Lai-Robbins of ten", LaiRobbins([]float64{0.1, 0.05, 0.05, 0.05, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01}), 17.4451741, 1e-6)
	nearAll(t, "top-two", TopTwo([]float64{0.0439767391, 0.637966713, 0.318056548}, 0.5), []float64{0.0709910824, 0.482429439, 0.446579478}, 1e-8)
	floor, most := []float64{0.05, 0.05, 0.05}, []float64{0.8, 0.8, 0.8}
	nearAll(t, "fit", Fit(1, []float64{0.97, 0.02, 0.01}, floor, most), []float64{0.8, 2. / 15, 1. / 15}, 1e-12)
	nearAll(t, "epsilon-greedy", EpsilonGreedy([]float64{0.1, 0.3, 0.3}, 0.1), []float64{0.1 / 3, 0.1/3 + 0.45, 0.1/3 + 0.45}, 1e-12)

	arms := []experiment.Arm{
		{N: 148, Mean: 99. / 148, Binary: true},
		{N: 128, Mean: 29. / 128, Binary: true},
		{N: 8, Mean: 0.5, Binary: true},
		{N: 13, Mean: 9. / 13, Binary: true},
		{N: 218, Mean: 19. / 218, Binary: true},
	}
	best, err := Best(arms, experiment.Increase)
	if err != nil {
		t.Fatal(err)
	}
	nearAll(t, "P(best)", best, []float64{0.413337916, 0, 0.098453214, 0.48820887, 0}, 1e-7)
	for i := range arms {
		arms[i].Mean = 1 - arms[i].Mean
	}
	if best, err = Best(arms, experiment.Decrease); err != nil {
		t.Fatal(err)
	}
	nearAll(t, "P(best) of failures", best, []float64{0.413337916, 0, 0.098453214, 0.48820887, 0}, 1e-7)
}

// Values of BY-13, of the arm with zero units aside, which has its own rule.
func TestBestOfUnlikeWidths(t *testing.T) {
	var arms []experiment.Arm
	sd := []float64{0.5, 0.44, 4.5, 0.8, 0.8, 0.01}
	for v, m := range []float64{1, 0.8, 2, -1.5, 0, 4} {
		arms = append(arms, experiment.Arm{Version: v, N: 100, Mean: -m, SE: sd[v]})
	}
	best, err := Best(arms, experiment.Decrease)
	if err != nil {
		t.Fatal(err)
	}
	nearAll(t, "P(best)", best, []float64{1e-9, 0, 0.328361037, 0, 1.96e-7, 0.671638767}, 1e-8)
}

func TestBestWithoutEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		arms []experiment.Arm
		want []float64
	}{
		"one arm":                          {[]experiment.Arm{{}}, []float64{1}},
		"nothing known of means":           {[]experiment.Arm{{}, {}, {}, {}}, []float64{0.25, 0.25, 0.25, 0.25}},
		"nothing known of rates":           {rates(0, 0, 0), []float64{0.5, 0.5}},
		"nothing known of one mean":        {[]experiment.Arm{{N: 400, Mean: 3, SE: 0.1}, {}}, []float64{0.5, 0.5}},
		"no spread and equal":              {[]experiment.Arm{{N: 40, Mean: 3}, {N: 40, Mean: 3}}, []float64{0.5, 0.5}},
		"no spread, apart by one unit's":   {[]experiment.Arm{{N: 2, Mean: 4}, {N: 2, Mean: 3}}, []float64{0.8413447, 0.1586553}},
		"one unit takes others' spread":    {[]experiment.Arm{{N: 100, Mean: 3, SE: 0.1}, {N: 1, Mean: 4}}, []float64{0.1598591, 0.8401409}},
		"one unit has no error of its own": {[]experiment.Arm{{N: 100, Mean: 3, SE: 0.1}, {N: 1, Mean: 4, SE: 1e-3}}, []float64{0.1598591, 0.8401409}},
		"mixed arms count as means":        {[]experiment.Arm{{N: 100, Mean: 0.5, SE: 0.05}, {N: 100, Mean: 0.5, SE: 0.05, Binary: true}}, []float64{0.5, 0.5}},
		"hopelessly far apart":             {[]experiment.Arm{{N: 9, Mean: 1e300, SE: 1e-9}, {N: 9, Mean: -1e300, SE: 1e-9}}, []float64{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Best(c.arms, experiment.Increase)
			if err != nil {
				t.Fatal(err)
			}
			nearAll(t, "P(best)", got, c.want, 1e-6)
		})
	}
}

// Newton's method against plain bisection, over rates and budgets of all sizes,
// those included for which the index is the last number before 1.
func TestKLUCBInvertsKL(t *testing.T) {
	rates := []float64{0, 1e-12, 1e-9, 0.003, 0.1, 12. / 34, 0.5, 0.8, 0.999, 1 - 1e-9, 1 - 1e-12}
	for _, p := range rates {
		for budget := 1e-12; budget < 100; budget *= 1.01 {
			low, high := p, 1.0
			for range 200 {
				if mid := low + (high-low)/2; KL(p, mid) <= budget {
					low = mid
				} else {
					high = mid
				}
			}
			got := KLUCB(p, budget)
			if d := math.Abs(got - low); !(d <= 1e-12 || d <= 1e-6*(low-p)) {
				t.Fatalf("KLUCB(%g, %g) = %.17g, want %.17g", p, budget, got, low)
			}
		}
		if got := KLUCB(p, 0); math.Abs(got-p) > 1e-15 {
			t.Errorf("KLUCB(%g, 0) = %g", p, got)
		}
	}
	if KLUCB(1, 0.1) != 1 || !math.IsInf(KL(0.5, 1), 1) || !math.IsInf(KL(0.5, 0), 1) || KL(1, 1) != 0 || KL(0, 0) != 0 {
		t.Error("the ends of the range")
	}
}

func TestTopTwoAtTheEnds(t *testing.T) {
	nearAll(t, "certain", TopTwo([]float64{0, 1, 0}, 0.5), []float64{0.25, 0.5, 0.25}, 0)
	nearAll(t, "nearly certain", TopTwo([]float64{3e-200, 1, 1e-200}, 0.5), []float64{0.375, 0.5, 0.125}, 1e-15)
	nearAll(t, "single", TopTwo([]float64{1}, 0.5), []float64{1}, 0)
}

// Where no evidence is, every policy gives even shares.
func TestEvenSharesWithoutEvidence(t *testing.T) {
	for _, p := range policies {
		for _, binary := range []bool{true, false} {
			arms := make([]experiment.Arm, 3)
			for v := range arms {
				arms[v] = experiment.Arm{Version: v, Binary: binary}
			}
			got, err := Vector(&experiment.Bandit{Policy: p, Epsilon: 0.2}, arms, update(3))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(experiment.Shares{3334, 3333, 3333}, got); diff != "" {
				t.Errorf("%s, binary %t: %s", p, binary, diff)
			}
		}
	}
}

// Vectors by hand. Epsilon-greedy shows limits best, because its weights do.
func TestVectorWithinLimits(t *testing.T) {
	greedy := experiment.Bandit{Policy: experiment.EpsilonGreedy}
	third := rates(100, 0.1, 0.2, 0.3)
	for name, c := range map[string]struct {
		bandit experiment.Bandit
		arms   []experiment.Arm
		change func(*Update)
		want   experiment.Shares
	}{
		"no limits":           {greedy, third, nil, experiment.Shares{0, 0, 10000}},
		"epsilon":             {experiment.Bandit{Policy: experiment.EpsilonGreedy, Epsilon: 0.3}, third, nil, experiment.Shares{1000, 1000, 8000}},
		"epsilon decays":      {experiment.Bandit{Policy: experiment.EpsilonGreedy, Epsilon: 0.3, Decay: 0.5}, third, func(u *Update) { u.Number = 4 }, experiment.Shares{334, 333, 9333}},
		"less is better":      {greedy, third, func(u *Update) { u.Goal = experiment.Decrease }, experiment.Shares{10000, 0, 0}},
		"minimum":             {experiment.Bandit{Policy: experiment.EpsilonGreedy, Min: experiment.Shares{2000, 500, 500}}, third, nil, experiment.Shares{2000, 500, 7500}},
		"maximum":             {experiment.Bandit{Policy: experiment.EpsilonGreedy, Max: experiment.Shares{10000, 10000, 4000}}, third, nil, experiment.Shares{3000, 3000, 4000}},
		"minima over 100 %":   {experiment.Bandit{Policy: experiment.EpsilonGreedy, Min: experiment.Shares{6000, 6000, 8000}}, third, nil, experiment.Shares{3000, 3000, 4000}},
		"maxima under 100 %":  {experiment.Bandit{Policy: experiment.EpsilonGreedy, Max: experiment.Shares{1000, 2000, 4000}}, third, nil, experiment.Shares{4000, 2000, 4000}},
		"step":                {experiment.Bandit{Policy: experiment.EpsilonGreedy, Step: 1500}, third, nil, experiment.Shares{8500, 0, 1500}},
		"step over minimum":   {experiment.Bandit{Policy: experiment.EpsilonGreedy, Step: 100, Min: experiment.Shares{0, 500, 500}}, third, nil, experiment.Shares{9900, 50, 50}},
		"step over maximum":   {experiment.Bandit{Policy: experiment.EpsilonGreedy, Step: 100, Max: experiment.Shares{500, 10000, 10000}}, third, nil, experiment.Shares{9900, 0, 100}},
		"cap":                 {greedy, third, func(u *Update) { u.Cap = 2500 }, experiment.Shares{7500, 0, 2500}},
		"cap over minima":     {experiment.Bandit{Policy: experiment.EpsilonGreedy, Min: experiment.Shares{0, 1000, 3000}}, third, func(u *Update) { u.Cap = 2000 }, experiment.Shares{8000, 500, 1500}},
		"cap over step":       {experiment.Bandit{Policy: experiment.EpsilonGreedy, Step: 100}, third, func(u *Update) { u.Cap = 1000; u.Previous = experiment.Shares{2000, 4000, 4000} }, experiment.Shares{9000, 500, 500}},
		"no candidate at all": {greedy, third, func(u *Update) { u.Cap = 0 }, experiment.Shares{10000, 0, 0}},
		"blocked":             {greedy, third, func(u *Update) { u.Blocked = just(2); u.Previous = experiment.Shares{5000, 3000, 2000} }, experiment.Shares{4000, 4000, 2000}},
		"blocked under its minimum": {
			experiment.Bandit{Policy: experiment.EpsilonGreedy, Min: experiment.Shares{0, 0, 3000}},
			third,
			func(u *Update) { u.Blocked = just(2); u.Previous = experiment.Shares{5000, 4000, 1000} },
			experiment.Shares{4500, 4500, 1000},
		},
		"all blocked":         {greedy, third, func(u *Update) { u.Blocked = just(0, 1, 2); u.Previous = experiment.Shares{5000, 3000, 2000} }, experiment.Shares{5000, 3000, 2000}},
		"blocked baseline":    {greedy, rates(100, 0.3, 0.2, 0.1), func(u *Update) { u.Blocked = just(0); u.Previous = experiment.Shares{5000, 3000, 2000} }, experiment.Shares{5000, 2500, 2500}},
		"removed":             {greedy, third, func(u *Update) { u.Removed = just(2); u.Previous = experiment.Shares{5000, 3000, 2000} }, experiment.Shares{0, 10000, 0}},
		"removed without arm": {greedy, third[:2], func(u *Update) { u.Removed = just(2); u.Previous = experiment.Shares{5000, 3000, 2000} }, experiment.Shares{0, 10000, 0}},
		"removed at once":     {experiment.Bandit{Policy: experiment.EpsilonGreedy, Step: 500, Min: experiment.Shares{100, 100, 100}}, third, func(u *Update) { u.Removed = just(2); u.Previous = experiment.Shares{3000, 3000, 4000} }, experiment.Shares{6500, 3500, 0}},
		"all candidates gone": {greedy, third, func(u *Update) {
			u.Removed = just(1, 2)
			u.Blocked = just(0)
			u.Previous = experiment.Shares{1, 9999, 0}
		}, experiment.Shares{10000, 0, 0}},
		"baseline is no removal": {greedy, rates(100, 0.9, 0.2, 0.1), func(u *Update) { u.Removed = just(0) }, experiment.Shares{10000, 0, 0}},
		"only pending, and less is better": {
			experiment.Bandit{Policy: experiment.KLUCB},
			[]experiment.Arm{{Version: 0}, {Version: 1, Pending: 2}},
			func(u *Update) { u.Goal, u.Range = experiment.Decrease, &experiment.Range{High: 1} },
			experiment.Shares{10000, 0},
		},
		"hopeless versions share what the best may not have": {
			experiment.Bandit{Policy: experiment.Thompson, Max: experiment.Shares{8000, 8000, 8000}},
			rates(9000, 0.9, 0.1, 0.85), nil,
			experiment.Shares{8000, 1000, 1000},
		},
		"nothing known of one": {greedy, []experiment.Arm{third[0], third[1], {Version: 2, Binary: true}}, nil, experiment.Shares{0, 5000, 5000}},
		"argmax of one unit":   {experiment.Bandit{Policy: experiment.UCB1}, third, func(u *Update) { u.Number = 300 }, experiment.Shares{0, 0, 10000}},
		"pending counts":       {experiment.Bandit{Policy: experiment.UCB1}, []experiment.Arm{{Version: 0, N: 50, Mean: 0.5, Binary: true}, {Version: 1, N: 50, Mean: 0.5, Pending: 50, Binary: true}}, func(u *Update) { u.Number = 150 }, experiment.Shares{10000, 0}},
		"pulls fill up":        {experiment.Bandit{Policy: experiment.UCB1}, []experiment.Arm{{Version: 0, N: 50, Mean: 0.5, Binary: true}, {Version: 1, N: 50, Mean: 0.5, Pending: 50, Binary: true}}, nil, experiment.Shares{6667, 3333}},
	} {
		t.Run(name, func(t *testing.T) {
			u := update(len(c.want))
			if c.change != nil {
				c.change(&u)
			}
			got, err := Vector(&c.bandit, c.arms, u)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// Rewards that are not 0 or 1 and have no range are measured in deviations of
// a unit: the vector is the same in cents and in euros, and explores.
func TestIndexWithoutRange(t *testing.T) {
	for policy, want := range map[experiment.BanditPolicy]experiment.Shares{
		experiment.UCB1: {350, 9650}, experiment.KLUCB: {0, 10000},
	} {
		for _, cents := range []float64{1, 100} {
			arms := []experiment.Arm{
				{Version: 0, N: 100, Mean: 20 * cents, SE: 0.4 * cents},
				{Version: 1, N: 100, Mean: 21 * cents, SE: 0.3 * cents},
			}
			got, err := Vector(&experiment.Bandit{Policy: policy}, arms, update(2))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %v", policy, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", policy, diff)
			}
		}
	}
}

func TestMalformedInputIsRefused(t *testing.T) {
	nan := math.NaN()
	for want, change := range map[string]func(*experiment.Bandit, []experiment.Arm, *Update) []experiment.Arm{
		`policy is "random"`: func(b *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm {
			b.Policy = "random"
			return a
		},
		"epsilon is 1.5": func(b *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { b.Epsilon = 1.5; return a },
		"decay is -1":    func(b *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { b.Decay = -1; return a },
		"step is -1":     func(b *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { b.Step = -1; return a },
		"min has 1 shares": func(b *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm {
			b.Min = experiment.Shares{1}
			return a
		},
		"max of version 1 is 10001": func(b *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm {
			b.Max = experiment.Shares{1, 10001, 1}
			return a
		},
		"cap is 10001":          func(_ *experiment.Bandit, a []experiment.Arm, u *Update) []experiment.Arm { u.Cap = 10001; return a },
		"update number is -1":   func(_ *experiment.Bandit, a []experiment.Arm, u *Update) []experiment.Arm { u.Number = -1; return a },
		"previous shares: none": func(_ *experiment.Bandit, a []experiment.Arm, u *Update) []experiment.Arm { u.Previous = nil; return a },
		"previous shares sum to 9": func(_ *experiment.Bandit, a []experiment.Arm, u *Update) []experiment.Arm {
			u.Previous[0] = 900
			return a
		},
		"previous share of version 1 is -1": func(_ *experiment.Bandit, a []experiment.Arm, u *Update) []experiment.Arm {
			u.Previous[1] = -1
			return a
		},
		"range is 1 to 1": func(_ *experiment.Bandit, a []experiment.Arm, u *Update) []experiment.Arm {
			u.Range = &experiment.Range{Low: 1, High: 1}
			return a
		},
		"version 2 has no arm":   func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { return a[:2] },
		"version 1 has two arms": func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { a[2].Version = 1; return a },
		"arm 2 is of version 3":  func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { a[2].Version = 3; return a },
		"want one group": func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm {
			a[2].Slice = "tier=free"
			return a
		},
		"has -1 units": func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { a[2].N = -1; return a },
		"has -1 pending": func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm {
			a[2].Pending = -1
			return a
		},
		"mean of version 2 is Na": func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { a[2].Mean = nan; return a },
		"mean of version 2 is 2":  func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { a[2].Mean = 2; return a },
		"standard error of":       func(_ *experiment.Bandit, a []experiment.Arm, _ *Update) []experiment.Arm { a[2].SE = nan; return a },
	} {
		t.Run(want, func(t *testing.T) {
			b, u := experiment.Bandit{Policy: experiment.Thompson}, update(3)
			arms := change(&b, rates(10, 0.1, 0.2, 0.3), &u)
			if got, err := Vector(&b, arms, u); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, %v: want an error with %q", got, err, want)
			}
		})
	}
	if _, err := Best(nil, experiment.Increase); err == nil {
		t.Error("Best of no arms")
	}
	if _, err := Best([]experiment.Arm{{N: 1, Mean: math.Inf(1)}}, experiment.Increase); err == nil {
		t.Error("Best of an infinite mean")
	}
}

// An arm at 50 % in one period and 5 % in another knows less of its rate than
// its number of units says (its standard error is 1.74 times as large).
func TestAStratifiedArmIsLessCertain(t *testing.T) {
	arm := func(version int, mean, se float64) experiment.Arm {
		return experiment.Arm{Version: version, N: 1000, Mean: mean, SE: se, Binary: true}
	}
	plain := math.Sqrt(0.3 * 0.7 / 1000)
	best := func(se float64) float64 {
		t.Helper()
		p, err := Best([]experiment.Arm{arm(0, 0.3, se), arm(1, 0.34, se)}, experiment.Increase)
		if err != nil {
			t.Fatal(err)
		}
		return p[1]
	}
	sure, unsure := best(plain), best(1.74*plain)
	if sure < 0.97 || unsure > 0.9 || unsure < 0.85 {
		t.Errorf("P(best) %.3f, with the larger error %.3f: want about .97 and about .87", sure, unsure)
	}
	if got := best(plain / 10); got-sure > 1e-3 {
		t.Errorf("P(best) %.3f with an error too small for its units, want %.3f", got, sure)
	}
}
