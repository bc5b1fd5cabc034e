// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds and defaults of bandits.
const (
	defaultPolicy  = experiment.Thompson
	defaultEpsilon = 0.1
	defaultExplore = 100
	defaultMin     = experiment.Whole / 100
	defaultMax     = experiment.Whole
	defaultStep    = experiment.Whole / 5
	maxDecay       = 1000
)

func (t *translator) bandit(path string, s v1alpha1.Stage) *experiment.Bandit {
	in, at := s.Bandit, path+".bandit"
	if t.api.Spec.Reward == nil {
		t.fail(at, "", "a bandit needs a reward to learn from", "add spec.reward, or use ramp")
	}
	t.option(at+".policy", in.Policy, string(experiment.EpsilonGreedy), string(experiment.UCB1), string(experiment.KLUCB), string(experiment.Thompson), string(experiment.TopTwo))
	t.otherwise(path+".otherwise", s.Otherwise)
	out := &experiment.Bandit{
		Policy:    cmp.Or(experiment.BanditPolicy(in.Policy), defaultPolicy),
		Explore:   t.some(at+".explore", in.Explore, defaultExplore, maxCount),
		Step:      t.shareOr(at+".step", in.Step, defaultStep),
		Still:     in.Learn != nil && !*in.Learn,
		Until:     t.until(path+".until", s.Until, experiment.KindBandit),
		Otherwise: cmp.Or(experiment.Otherwise(s.Otherwise), defaultOtherwise),
	}
	if out.Step == 0 {
		t.fail(at+".step", quote(string(in.Step)), "shares that never change learn nothing", "write learn: false to keep them even")
	}
	if in.Fallback != "" {
		out.Fallback = max(0, t.version(at+".fallback", quote(in.Fallback), in.Fallback))
	}
	t.epsilon(at, in, out)
	out.Every = t.every(at+".every", in.Every, out.Until.AtMost)
	out.Min, out.Max = t.limits(at, in)
	t.per(path, s, out)
	return out
}

func (t *translator) otherwise(path, value string) {
	t.option(path, value, string(experiment.KeepBaseline), string(experiment.PromoteCandidate), string(experiment.AskPerson))
}

func (t *translator) epsilon(path string, in *v1alpha1.Bandit, out *experiment.Bandit) {
	switch {
	case !t.clean(path + ".policy"):
		return // It may have been meant.
	case out.Policy == experiment.EpsilonGreedy:
		out.Epsilon = t.probability(path+".epsilon", in.Epsilon, defaultEpsilon, 1)
		out.Decay = t.number(path+".decay", in.Decay, 0, 0, maxDecay)
		return
	}
	for _, f := range []struct {
		name string
		q    v1alpha1.Quantity
	}{{"epsilon", in.Epsilon}, {"decay", in.Decay}} {
		if f.q != "" {
			t.fail(join(path, f.name), quote(string(f.q)), f.name+" goes with policy: epsilon-greedy only", "leave it out")
		}
	}
}

// every reads the time between two updates. Sooner than outcomes come there is
// little to learn from, so that is the default.
func (t *translator) every(path string, in v1alpha1.Duration, atMost time.Duration) time.Duration {
	def := t.plan.Window
	if r := t.plan.Reward; r != nil {
		if m := t.plan.Metric(r.Metric); m != nil {
			def = max(def, m.Matures())
		}
	}
	before := len(t.problems)
	every := t.duration(path, in, def, t.plan.Window)
	if in != "" && len(t.problems) == before && atMost > 0 && every >= atMost {
		t.fail(path, quote(string(in)), "no update can come before the horizon", "update sooner, or give until.atMost more")
	}
	return every
}

// limits reads the least and the greatest share of each version.
func (t *translator) limits(path string, in *v1alpha1.Bandit) (low, high experiment.Shares) {
	before := len(t.problems)
	n := len(t.plan.Versions)
	low, high = make(experiment.Shares, n), make(experiment.Shares, n)
	least, most := t.shareOr(path+".min", in.Min, defaultMin), t.shareOr(path+".max", in.Max, defaultMax)
	for v := range n {
		low[v], high[v] = least, most
	}
	chosen := make([]bool, n) // whether somebody wrote the version's minimum
	for v := range n {
		chosen[v] = in.Min != ""
	}
	for _, name := range slices.Sorted(maps.Keys(in.Limits)) {
		at, l := join(path+".limits", name), in.Limits[name]
		v := t.version(at, "", name)
		if v < 0 {
			continue
		}
		low[v], high[v] = t.shareOr(at+".min", l.Min, low[v]), t.shareOr(at+".max", l.Max, high[v])
		chosen[v] = chosen[v] || l.Min != ""
	}
	if len(t.problems) > before {
		return low, high
	}
	var atLeast, atMost experiment.Share
	for v := range n {
		if !chosen[v] {
			low[v] = min(low[v], high[v])
		}
		switch {
		case high[v] == 0:
			t.fail(path, "", fmt.Sprintf("version %s may have no traffic", t.plan.Versions[v].Name), "give it a max above 0%, or leave the version out")
		case low[v] > high[v]:
			t.fail(path, "", fmt.Sprintf("version %s must have at least %s and at most %s", t.plan.Versions[v].Name, low[v].Percent(), high[v].Percent()), "lower min or raise max")
		}
		atLeast, atMost = atLeast+low[v], atMost+high[v]
	}
	switch {
	case atLeast > experiment.Whole:
		t.fail(path, atLeast.Percent(), "minimum shares over 100%", fmt.Sprintf("%d versions share the whole: lower min", n))
	case atMost < experiment.Whole:
		t.fail(path, atMost.Percent(), "maximum shares under 100%", "somebody must have the rest: raise max")
	}
	return low, high
}

// per reads the shares by group and what goes with them.
func (t *translator) per(path string, s v1alpha1.Stage, out *experiment.Bandit) {
	in, at := s.Bandit, path+".bandit"
	if in.Per == "" {
		for _, f := range []string{"pool", "caps"} {
			if t.given(join(at, f)) {
				t.fail(join(at, f), "", f+" goes with per only", "name a segment, for example per: tier")
			}
		}
		return
	}
	segment := t.segmentNamed(at+".per", in.Per)
	if segment == nil {
		return
	}
	out.Per, out.Pool = in.Per, in.Pool
	if _, ok := s.Where[in.Per]; ok {
		t.fail(at+".per", quote(in.Per), "where leaves out groups of the same segment, and those would never learn", "limit them by caps, or use another segment in where")
	}
	all := segment.Groups()
	for _, group := range slices.Sorted(maps.Keys(in.Caps)) {
		c := join(at+".caps", group)
		if t.group(c, "", group, segment) < 0 {
			continue
		}
		out.Caps = append(out.Caps, experiment.GroupCap{Group: group, Max: t.groupCap(c, in.Caps[group], out)})
	}
	slices.SortFunc(out.Caps, func(a, b experiment.GroupCap) int {
		return cmp.Compare(slices.Index(all, a.Group), slices.Index(all, b.Group))
	})
}

// groupCap reads what the candidates together may have of a group.
func (t *translator) groupCap(path string, q v1alpha1.Quantity, b *experiment.Bandit) experiment.Share {
	most := t.share(path, q)
	least := experiment.Share(0)
	for _, low := range b.Min[1:] {
		least += low
	}
	switch {
	case most < 0: // Reported.
	case most == 0:
		t.fail(path, quote(string(q)), "candidates without traffic learn nothing", "leave the group out of the whole stage by where, with another segment in per")
	case most < least:
		t.fail(path, quote(string(q)), fmt.Sprintf("the candidates' minimum shares are %s", least.Percent()), "raise the cap or lower min")
	case experiment.Whole-most > b.Max[0]:
		t.fail(path, quote(string(q)), fmt.Sprintf("the baseline may have %s and would have to have the rest", b.Max[0].Percent()), "raise the cap or the baseline's max")
	}
	return most
}
